//! Measures the model's constants of bytes, exactly: how much longer a message gets by one more row, name or node.

use std::collections::BTreeMap;

use presence_core::{Input, Output};
use serde::{Deserialize, Serialize};

use crate::host::Host;
use crate::mesh::{Mesh, Watch, kind};
use crate::meter::{Meter, What};
use crate::scenario::{Scenario, Shape};
use crate::visitors::{self, Act};

/// Bytes of messages between nodes.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Bytes {
    /// A delta without rows.
    pub delta: f64,
    /// A row of a visitor in it.
    pub row: f64,
    /// The row of a room's name of 25 bytes.
    pub name: f64,
    /// A row that is no more.
    pub removed: f64,
    /// What one click with a value of two bytes says.
    pub click: f64,
    /// A heartbeat that names nobody.
    pub beat: f64,
    /// For each node that it names.
    pub beat_named: f64,
    /// For each node whose heartbeat it echoes, at most eight.
    pub beat_echo: f64,
    /// A hello.
    pub hello: f64,
    /// Its answer, if it names nobody.
    pub hello_answer: f64,
    /// For each node that the answer names.
    pub hello_named: f64,
}

/// So many rows are told at once.
const MANY: u64 = 100;
/// As many visitors were there before, so that numbers have the length that they have in a large world.
const BEFORE: u64 = 100_000;

impl Bytes {
    /// Measures all of them; takes a second or two.
    #[must_use]
    pub fn measured() -> Self {
        let mut bytes = Self::of_rows();
        let (few, some, many) = (beats(3), beats(9), beats(20));
        // From 9 to 20 nodes only the names grow, below 9 the echoes, too.
        bytes.beat_named = (many.0 - some.0) / 11.0;
        bytes.beat_echo = (some.0 - few.0) / 6.0 - bytes.beat_named;
        bytes.beat = few.0 - 2.0 * (bytes.beat_named + bytes.beat_echo);
        bytes.hello = few.1;
        // Who asks is named, too.
        bytes.hello_named = (many.2 - few.2) / 17.0;
        bytes.hello_answer = few.2 - 2.0 * bytes.hello_named;
        bytes
    }

    fn of_rows() -> Self {
        let scenario = Scenario { nodes: 1, visitors: BEFORE, shape: Shape::One, joins: 0, clicks: 0, seed: 1 };
        let apart = Scenario { shape: Shape::Each, ..scenario };
        let mut alone = Alone { host: Host::start(&scenario, 0), now_ms: 0 };
        let (join, leave) = (
            |scenario: &Scenario, visitor| visitors::input(scenario, Act::Join(visitor)),
            |visitor| visitors::input(&scenario, Act::Leave(visitor)),
        );
        alone.until(6_000);
        alone.said((0..BEFORE).map(|visitor| join(&scenario, visitor)).collect(), 1_000);
        let one = alone.said(vec![join(&scenario, BEFORE)], 100);
        let many = alone.said((1..=MANY).map(|more| join(&scenario, BEFORE + more)).collect(), 100);
        // The first of them went out at once, the others together.
        let row = (many.0 - one.0 * many.1) / (MANY as f64 - many.1);
        let delta = one.0 - row;
        let named = alone.said(vec![join(&apart, BEFORE + MANY + 1)], 100);
        // They linger, then they are removed all at the same tick.
        alone.said((1..=MANY).map(|more| leave(BEFORE + more)).collect(), 1_000);
        let gone = alone.said(Vec::new(), 2_000);
        let clicked = alone.host.take(visitors::input(&scenario, Act::Click(0)), alone.now_ms);
        Self {
            delta,
            row,
            name: named.0 - row - delta,
            removed: (gone.0 - delta * gone.1) / MANY as f64,
            click: of_kind(&clicked, 3).0,
            ..Self::default()
        }
    }
}

/// Bytes and number of the published messages of a kind.
fn of_kind(outputs: &[Output], wanted: u8) -> (f64, f64) {
    let all = outputs.iter().filter_map(|output| match output {
        Output::Publish { bytes, .. } if kind(bytes) == wanted => Some(bytes.len() as f64),
        _ => None,
    });
    all.fold((0.0, 0.0), |(bytes, messages), length| (bytes + length, messages + 1.0))
}

/// A node that nobody hears.
struct Alone {
    host: Host,
    now_ms: u64,
}

impl Alone {
    fn until(&mut self, end_ms: u64) -> (f64, f64) {
        let mut sum = (0.0, 0.0);
        while self.host.wakes_ms() <= end_ms {
            let at_ms = self.host.wakes_ms();
            let (bytes, messages) = of_kind(&self.host.take(Input::Ticked, at_ms), 2);
            sum = (sum.0 + bytes, sum.1 + messages);
        }
        self.now_ms = end_ms;
        sum
    }

    /// Bytes and number of the deltas that follow from these inputs, within that time.
    fn said(&mut self, inputs: Vec<Input>, within_ms: u64) -> (f64, f64) {
        let mut sum = (0.0, 0.0);
        for input in inputs {
            let (bytes, messages) = of_kind(&self.host.take(input, self.now_ms), 2);
            sum = (sum.0 + bytes, sum.1 + messages);
        }
        let rest = self.until(self.now_ms + within_ms);
        (sum.0 + rest.0, sum.1 + rest.1)
    }
}

/// How long heartbeats, hellos and their answers are in a mesh of so many nodes without visitors.
fn beats(nodes: usize) -> (f64, f64, f64) {
    let scenario = Scenario { nodes, visitors: 1, shape: Shape::One, joins: 0, clicks: 0, seed: 1 };
    let mut lengths = Lengths { meter: Meter::new(scenario), hello: 0.0, answers: BTreeMap::new() };
    Mesh::new(scenario).run(false, &mut lengths);
    let answer = lengths.answers.values().sum::<f64>() / lengths.answers.len().max(1) as f64;
    let found = lengths.meter.found();
    let beat = found.heard.get(&What::Heartbeat).copied().unwrap_or_default();
    (beat.bytes / beat.messages.max(1e-9), lengths.hello, answer)
}

struct Lengths {
    meter: Meter,
    hello: f64,
    /// The last answer for each pair: by then everybody is named.
    answers: BTreeMap<(usize, usize), f64>,
}

impl Watch for Lengths {
    fn takes(&mut self, node: usize, at_ms: u64, input: &Input) {
        if let Input::Asked { bytes, .. } = input
            && kind(bytes) == 16
        {
            self.hello = bytes.len() as f64;
        }
        self.meter.takes(node, at_ms, input);
    }

    fn took(&mut self, node: usize, at_ms: u64, nanos: u64, outputs: &[Output]) {
        self.meter.took(node, at_ms, nanos, outputs);
    }

    fn answered(&mut self, asker: usize, by: usize, kind: u8, answer: &[u8]) {
        if kind == 16 {
            self.answers.insert((asker, by), answer.len() as f64);
        }
    }
}
