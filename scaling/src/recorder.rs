//! Counts what goes in and out of one node, and the CPU time of each input.

use std::collections::{BTreeMap, HashMap};

use presence_core::{ConnectionId, Fragment, Input, Output, Recipients, Room, Severity, Stream, Viewers};

use crate::app::CounterApp;
use crate::metrics::{InputCost, InputKind, RunMetrics, Traffic};
use crate::scenario::Scenario;
use crate::simulated_mesh::Observer;
use crate::visitors::{FROM_MS, SILENT_MS, STARTED_MS, SUSPECTED_MS, UNTIL_MS};

/// Length of the measurement.
const SECONDS: u64 = (UNTIL_MS - FROM_MS) / 1_000;

/// Observes node 0.
pub(crate) struct Recorder {
    scenario: Scenario,
    kind: InputKind,
    out: BTreeMap<InputKind, Traffic>,
    heard: BTreeMap<InputKind, Traffic>,
    inputs: BTreeMap<InputKind, f64>,
    nanos: BTreeMap<InputKind, Vec<u64>>,
    views: f64,
    sends: Traffic,
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

impl Recorder {
    pub(crate) fn new(scenario: Scenario) -> Self {
        Self {
            scenario,
            kind: InputKind::Other,
            out: BTreeMap::new(),
            heard: BTreeMap::new(),
            inputs: BTreeMap::new(),
            nanos: BTreeMap::new(),
            views: 0.0,
            sends: Traffic::default(),
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

    /// Returns the metrics of the run.
    pub(crate) fn finish(mut self) -> RunMetrics {
        let seconds = SECONDS as f64;
        let per_second =
            |traffic: &Traffic| Traffic { messages: traffic.messages / seconds, bytes: traffic.bytes / seconds };
        let rates = |all: &BTreeMap<InputKind, Traffic>| {
            all.iter().map(|(kind, traffic)| (*kind, per_second(traffic))).collect()
        };
        self.references.sort_unstable();
        let reference = self.references.get(self.references.len() / 2).copied().unwrap_or(0);
        let mut work = BTreeMap::new();
        for (kind, nanos) in &mut self.nanos {
            nanos.sort_unstable();
            let micros = nanos[nanos.len() / 2] as f64 / 1_000.0;
            let inputs = self.inputs.get(kind).copied().unwrap_or(0.0) / seconds;
            work.insert(*kind, InputCost { inputs, micros });
        }
        RunMetrics {
            scenario: self.scenario,
            out: rates(&self.out),
            heard: rates(&self.heard),
            work,
            views: self.views / seconds,
            sends: per_second(&self.sends),
            longest_ms: self.longest as f64 / 1e6,
            silence_ms: self.silence as f64 / 1e6,
            redrawn_ms: self.redrawn.0 as f64 / 1e6,
            redrawn: self.redrawn.1 as f64,
            reference_micros: reference as f64 / 1_000.0,
            memory_bytes: self.memory.1.saturating_sub(self.memory.0) as f64,
            warnings: self.warnings,
        }
    }

    fn track_watchers(&mut self, input: &Input) {
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

    fn sent(&mut self, kind: InputKind, bytes: usize, readers: usize) {
        let traffic = self.out.entry(kind).or_default();
        traffic.messages += readers as f64;
        traffic.bytes += (bytes * readers) as f64;
    }

    fn count(&mut self, output: &Output) {
        let others = self.scenario.nodes - 1;
        match output {
            Output::Publish { to, bytes, .. } => {
                let readers = match to {
                    Recipients::All => others,
                    Recipients::One(_) => 1,
                    Recipients::Several { nodes, .. } => nodes.len(),
                };
                self.sent(InputKind::of_message(bytes), bytes.len(), readers);
            }
            Output::Ask { bytes, .. } | Output::Reply { bytes, .. } => self.sent(InputKind::Question, bytes.len(), 1),
            Output::View(_) => self.views += 1.0,
            Output::Draw(drawing) => {
                let viewers = match &drawing.to {
                    Viewers::Stream(Stream::Room(room)) => self.watchers.get(room).copied().unwrap_or(0),
                    // The app of the simulation draws nothing for single users.
                    Viewers::Stream(Stream::User(..) | Stream::Named(_)) | Viewers::Users(_) => 0,
                    Viewers::Subscription { .. } => 1,
                };
                drawing.by(&CounterApp).into_iter().for_each(|drawn| self.drawn(viewers, &drawn.fragments));
            }
            _ => {}
        }
    }

    fn drawn(&mut self, watchers: u64, fragments: &[Fragment]) {
        let bytes: usize = fragments.iter().map(|fragment| fragment.html.len()).sum();
        self.sends.messages += watchers as f64;
        self.sends.bytes += watchers as f64 * bytes as f64;
    }
}

impl Observer for Recorder {
    fn before_input(&mut self, node: usize, at_ms: u64, input: &Input) {
        if node != 0 {
            return;
        }
        if self.memory.0 == 0 && at_ms >= STARTED_MS + 5_000 {
            self.memory.0 = resident_bytes();
        }
        if self.memory.1 == 0 && at_ms >= FROM_MS {
            self.memory.1 = resident_bytes();
        }
        // Once a second.
        if at_ms >= FROM_MS && self.references.len() as u64 <= (at_ms - FROM_MS) / 1_000 {
            self.references.push(crate::cpu::reference_nanos());
        }
        self.track_watchers(input);
        self.kind = InputKind::of(input);
        if (FROM_MS..UNTIL_MS).contains(&at_ms) {
            *self.inputs.entry(self.kind).or_default() += 1.0;
            if let Input::Received { bytes, .. }
            | Input::Asked { bytes, .. }
            | Input::Answered { bytes: Some(bytes), .. } = input
            {
                let traffic = self.heard.entry(self.kind).or_default();
                traffic.messages += 1.0;
                traffic.bytes += bytes.len() as f64;
            }
        }
    }

    fn after_input(&mut self, node: usize, at_ms: u64, nanos: u64, outputs: &[Output]) {
        if node != 0 {
            return;
        }
        for output in outputs {
            if let Output::Tell(notice) = output
                && (notice.severity == Severity::Warning && at_ms < SILENT_MS)
            {
                self.warnings.push(format!("{at_ms}: {}", notice.message));
            }
        }
        if at_ms >= SILENT_MS {
            self.silence = self.silence.max(nanos);
        }
        if at_ms >= SUSPECTED_MS {
            let views = outputs.iter().filter(|output| matches!(output, Output::View(_))).count() as u64;
            if views > 0 {
                self.redrawn = (self.redrawn.0 + nanos, self.redrawn.1 + views);
            }
        }
        if !(FROM_MS..UNTIL_MS).contains(&at_ms) {
            return;
        }
        self.longest = self.longest.max(nanos);
        let seconds = self.nanos.entry(self.kind).or_insert_with(|| vec![0; SECONDS as usize]);
        seconds[((at_ms - FROM_MS) / 1_000) as usize] += nanos.saturating_sub(self.overhead);
        outputs.iter().for_each(|output| self.count(output));
    }
}

/// Returns the memory of this process.
fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let pages = pages.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}
