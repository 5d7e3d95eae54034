//! Counts what goes in and out of one node, exactly, and how long each input took.

use std::collections::{BTreeMap, HashMap};

use presence_core::{ConnectionId, Input, Output, Room, Stream};
use serde::{Deserialize, Serialize};

use crate::mesh::{Watch, kind};
use crate::scenario::Scenario;
use crate::visitors::{DOUBTED_MS, FROM_MS, SILENT_MS, UNTIL_MS};

/// How long is measured, in seconds.
pub const SECONDS: u64 = (UNTIL_MS - FROM_MS) / 1_000;

/// What an input was, and what a message was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum What {
    /// A tick.
    Tick,
    /// A heartbeat.
    Heartbeat,
    /// Rows.
    Delta,
    /// Facts.
    Facts,
    /// A question or an answer.
    Question,
    /// A visitor came.
    Join,
    /// A visitor left.
    Leave,
    /// A click.
    Click,
    /// Whatever else.
    Other,
}

/// How many of something in a second, and its bytes.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Flow {
    /// Messages.
    pub messages: f64,
    /// Their bytes.
    pub bytes: f64,
}

/// How many inputs in a second, and the CPU time that they took.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Work {
    /// Inputs.
    pub inputs: f64,
    /// Microseconds: the median of all seconds, so that what else ran on the machine counts little.
    pub micros: f64,
}

/// What a run found, of node 0, in a second.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// What was run.
    pub scenario: Scenario,
    /// What it sent: each message once for every reader.
    pub out: BTreeMap<What, Flow>,
    /// What it heard.
    pub heard: BTreeMap<What, Flow>,
    /// What it did.
    pub work: BTreeMap<What, Work>,
    /// Views of rooms that it made.
    pub views: f64,
    /// Writes to sockets, and their bytes without frames around them.
    pub sends: Flow,
    /// The longest single input while visitors came and left, in ms.
    pub longest_ms: f64,
    /// The longest single input when another node fell silent, in ms: nothing else happens meanwhile.
    pub silence_ms: f64,
    /// CPU of all inputs until every room is drawn then, in ms: what else happens comes between them.
    pub redrawn_ms: f64,
    /// Rooms that were drawn then.
    pub redrawn: f64,
    /// What a fixed piece of work took meanwhile: how much else the machine did.
    pub reference_micros: f64,
    /// Its memory with all visitors of the world, less that before they came; 0 where it was not measured.
    pub memory_bytes: f64,
    /// Complaints of the node: a run in which there are any is worth nothing.
    pub warnings: Vec<String>,
}

impl Measured {
    /// CPU of all inputs: microseconds in a second.
    #[must_use]
    pub fn micros(&self) -> f64 {
        self.work.values().map(|work| work.micros).sum()
    }

    /// Bytes sent in a second.
    #[must_use]
    pub fn bytes_out(&self) -> f64 {
        self.out.values().map(|flow| flow.bytes).sum()
    }

    /// Bytes heard in a second.
    #[must_use]
    pub fn bytes_in(&self) -> f64 {
        self.heard.values().map(|flow| flow.bytes).sum()
    }
}

/// Watches node 0.
pub struct Meter {
    scenario: Scenario,
    now: What,
    out: BTreeMap<What, Flow>,
    heard: BTreeMap<What, Flow>,
    inputs: BTreeMap<What, f64>,
    nanos: BTreeMap<What, Vec<u64>>,
    views: f64,
    sends: Flow,
    longest: u64,
    silence: u64,
    redrawn: (u64, u64),
    rooms: HashMap<ConnectionId, Room>,
    watchers: HashMap<Room, u64>,
    memory: (u64, u64),
    warnings: Vec<String>,
    overhead: u64,
    references: Vec<u64>,
}

impl Meter {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        Self {
            scenario,
            now: What::Other,
            out: BTreeMap::new(),
            heard: BTreeMap::new(),
            inputs: BTreeMap::new(),
            nanos: BTreeMap::new(),
            views: 0.0,
            sends: Flow::default(),
            longest: 0,
            silence: 0,
            redrawn: (0, 0),
            rooms: HashMap::new(),
            watchers: HashMap::new(),
            memory: (0, 0),
            warnings: Vec::new(),
            overhead: crate::cpu::overhead_nanos(),
            references: Vec::new(),
        }
    }

    /// What was found.
    #[must_use]
    pub fn found(mut self) -> Measured {
        let seconds = SECONDS as f64;
        let a_second = |flow: &Flow| Flow { messages: flow.messages / seconds, bytes: flow.bytes / seconds };
        let flows = |all: &BTreeMap<What, Flow>| all.iter().map(|(what, flow)| (*what, a_second(flow))).collect();
        self.references.sort_unstable();
        let reference = self.references.get(self.references.len() / 2).copied().unwrap_or(0);
        let mut work = BTreeMap::new();
        for (what, nanos) in &mut self.nanos {
            nanos.sort_unstable();
            let micros = nanos[nanos.len() / 2] as f64 / 1_000.0;
            let inputs = self.inputs.get(what).copied().unwrap_or(0.0) / seconds;
            work.insert(*what, Work { inputs, micros });
        }
        Measured {
            scenario: self.scenario,
            out: flows(&self.out),
            heard: flows(&self.heard),
            work,
            views: self.views / seconds,
            sends: a_second(&self.sends),
            longest_ms: self.longest as f64 / 1e6,
            silence_ms: self.silence as f64 / 1e6,
            redrawn_ms: self.redrawn.0 as f64 / 1e6,
            redrawn: self.redrawn.1 as f64,
            reference_micros: reference as f64 / 1_000.0,
            memory_bytes: self.memory.1.saturating_sub(self.memory.0) as f64,
            warnings: self.warnings,
        }
    }

    fn come_and_go(&mut self, input: &Input) {
        match input {
            Input::Joined { connection, room, .. } => {
                self.rooms.insert(*connection, room.clone());
                *self.watchers.entry(room.clone()).or_default() += 1;
            }
            Input::Disconnected { connection, .. } => {
                if let Some(room) = self.rooms.remove(connection)
                    && let Some(watchers) = self.watchers.get_mut(&room)
                {
                    *watchers -= 1;
                    if *watchers == 0 {
                        self.watchers.remove(&room);
                    }
                }
            }
            _ => {}
        }
    }

    fn sent(&mut self, what: What, bytes: usize, readers: usize) {
        let flow = self.out.entry(what).or_default();
        flow.messages += readers as f64;
        flow.bytes += (bytes * readers) as f64;
    }

    fn count(&mut self, output: &Output) {
        let others = self.scenario.nodes - 1;
        match output {
            Output::Publish { to, bytes, .. } => {
                self.sent(of_message(bytes), bytes.len(), if to.is_none() { others } else { 1 });
            }
            Output::Ask { bytes, .. } | Output::Reply { bytes, .. } => self.sent(What::Question, bytes.len(), 1),
            Output::View(_) => self.views += 1.0,
            Output::Broadcast { stream, fragments } if !fragments.is_empty() => {
                let watchers = match stream {
                    Stream::Room(room) => self.watchers.get(room).copied().unwrap_or(0),
                    // Nobody has a stream of their own here.
                    Stream::User(..) | Stream::Named(_) => 0,
                };
                self.drawn(watchers, fragments.iter().map(|fragment| fragment.html.len()).sum());
            }
            Output::Show { fragments, .. } => {
                self.drawn(1, fragments.iter().map(|fragment| fragment.html.len()).sum());
            }
            _ => {}
        }
    }

    fn drawn(&mut self, watchers: u64, bytes: usize) {
        self.sends.messages += watchers as f64;
        self.sends.bytes += watchers as f64 * bytes as f64;
    }
}

impl Watch for Meter {
    fn takes(&mut self, node: usize, at_ms: u64, input: &Input) {
        if node != 0 {
            return;
        }
        if self.memory.0 == 0 && at_ms >= crate::visitors::STARTED_MS + 5_000 {
            self.memory.0 = resident_bytes();
        }
        if self.memory.1 == 0 && at_ms >= FROM_MS {
            self.memory.1 = resident_bytes();
        }
        // Once a second.
        if at_ms >= FROM_MS && self.references.len() as u64 <= (at_ms - FROM_MS) / 1_000 {
            self.references.push(crate::cpu::reference_nanos());
        }
        self.come_and_go(input);
        self.now = of_input(input);
        if (FROM_MS..UNTIL_MS).contains(&at_ms) {
            *self.inputs.entry(self.now).or_default() += 1.0;
            if let Input::Received { bytes, .. }
            | Input::Asked { bytes, .. }
            | Input::Answered { bytes: Some(bytes), .. } = input
            {
                let flow = self.heard.entry(self.now).or_default();
                flow.messages += 1.0;
                flow.bytes += bytes.len() as f64;
            }
        }
    }

    fn took(&mut self, node: usize, at_ms: u64, nanos: u64, outputs: &[Output]) {
        if node != 0 {
            return;
        }
        for output in outputs {
            if let Output::Tell(notice) = output
                && (notice.warning && at_ms < SILENT_MS)
            {
                self.warnings.push(format!("{at_ms}: {}", notice.message));
            }
        }
        if at_ms >= SILENT_MS {
            self.silence = self.silence.max(nanos);
        }
        if at_ms >= DOUBTED_MS {
            let views = outputs.iter().filter(|output| matches!(output, Output::View(_))).count() as u64;
            if views > 0 {
                self.redrawn = (self.redrawn.0 + nanos, self.redrawn.1 + views);
            }
        }
        if !(FROM_MS..UNTIL_MS).contains(&at_ms) {
            return;
        }
        self.longest = self.longest.max(nanos);
        let seconds = self.nanos.entry(self.now).or_insert_with(|| vec![0; SECONDS as usize]);
        seconds[((at_ms - FROM_MS) / 1_000) as usize] += nanos.saturating_sub(self.overhead);
        outputs.iter().for_each(|output| self.count(output));
    }

    fn answered(&mut self, _: usize, _: usize, _: u8, _: &[u8]) {}
}

fn of_input(input: &Input) -> What {
    match input {
        Input::Ticked => What::Tick,
        Input::Received { bytes, .. } => of_message(bytes),
        Input::Asked { .. } | Input::Answered { .. } => What::Question,
        Input::Joined { .. } => What::Join,
        Input::Disconnected { .. } => What::Leave,
        Input::Clicked { .. } => What::Click,
        _ => What::Other,
    }
}

fn of_message(bytes: &[u8]) -> What {
    match kind(bytes) {
        1 => What::Heartbeat,
        2 => What::Delta,
        3 => What::Facts,
        _ => What::Other,
    }
}

/// What this process holds in memory.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}
