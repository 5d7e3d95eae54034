//! Measures the sizes of messages: how much longer a message gets by one more row, name or node.

use std::collections::BTreeMap;

use presence_core::{Input, Output, kind_name};

use crate::metrics::InputKind;
use crate::recorder::Recorder;
use crate::scenario::{RoomDistribution, Scenario};
use crate::simulated_mesh::{Observer, SimulatedMesh, Workload};
use crate::simulated_node::SimulatedNode;
use crate::visitors::{self, VisitorAction};

/// Bytes of messages between nodes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MessageSizes {
    /// A delta without rows.
    pub(crate) delta: f64,
    /// A visitor's row in a delta.
    pub(crate) row: f64,
    /// The row of a room's name of 25 bytes.
    pub(crate) name: f64,
    /// A removed row.
    pub(crate) removed: f64,
    /// A click with a value of two bytes.
    pub(crate) click: f64,
    /// A heartbeat without names.
    pub(crate) beat: f64,
    /// Each node that a heartbeat names.
    pub(crate) beat_named: f64,
    /// Each node whose heartbeat is echoed, at most eight.
    pub(crate) beat_echo: f64,
    pub(crate) hello: f64,
    /// The answer to a hello, without names.
    pub(crate) hello_answer: f64,
    /// Each node that the answer names.
    pub(crate) hello_named: f64,
}

/// Rows that are sent together.
const MANY: u64 = 100;
/// Visitors that joined before, so that numbers are as long as in a large world.
const BEFORE: u64 = 100_000;

impl MessageSizes {
    /// Measures all sizes, which takes a second or two.
    pub(crate) fn measured() -> Self {
        let mut sizes = Self::of_rows();
        let (few, some, many) = (beats(3), beats(9), beats(20));
        // From 9 to 20 nodes only the names grow; below 9 the echoes grow, too.
        sizes.beat_named = (many.0 - some.0) / 11.0;
        sizes.beat_echo = (some.0 - few.0) / 6.0 - sizes.beat_named;
        sizes.beat = few.0 - 2.0 * (sizes.beat_named + sizes.beat_echo);
        sizes.hello = few.1;
        // The answer names the asking node, too.
        sizes.hello_named = (many.2 - few.2) / 17.0;
        sizes.hello_answer = few.2 - 2.0 * sizes.hello_named;
        sizes
    }

    fn of_rows() -> Self {
        let scenario =
            Scenario { nodes: 1, visitors: BEFORE, shape: RoomDistribution::One, joins: 0, clicks: 0, seed: 1 };
        let apart = Scenario { shape: RoomDistribution::Each, ..scenario };
        let mut alone = SingleNode { node: SimulatedNode::start(&scenario, 0), now_ms: 0 };
        let (join, leave) = (
            |scenario: &Scenario, visitor| visitors::input(scenario, VisitorAction::Join(visitor)),
            |visitor| visitors::input(&scenario, VisitorAction::Leave(visitor)),
        );
        alone.until(6_000);
        alone.deltas((0..BEFORE).map(|visitor| join(&scenario, visitor)).collect(), 1_000);
        let one = alone.deltas(vec![join(&scenario, BEFORE)], 100);
        let many = alone.deltas((1..=MANY).map(|more| join(&scenario, BEFORE + more)).collect(), 100);
        // The first row was sent at once, the others together.
        let row = (many.0 - one.0 * many.1) / (MANY as f64 - many.1);
        let delta = one.0 - row;
        let named = alone.deltas(vec![join(&apart, BEFORE + MANY + 1)], 100);
        // They linger, then all are removed in the same tick.
        alone.deltas((1..=MANY).map(|more| leave(BEFORE + more)).collect(), 1_000);
        let gone = alone.deltas(Vec::new(), 2_000);
        let clicked = alone.node.handle(visitors::input(&scenario, VisitorAction::Click(0)), alone.now_ms);
        Self {
            delta,
            row,
            name: named.0 - row - delta,
            removed: (gone.0 - delta * gone.1) / MANY as f64,
            click: of_kind(&clicked, "Facts").0,
            ..Self::default()
        }
    }
}

/// Returns the bytes and the number of the published messages of a kind.
fn of_kind(outputs: &[Output], wanted: &str) -> (f64, f64) {
    let all = outputs.iter().filter_map(|output| match output {
        Output::Publish { bytes, .. } if kind_name(bytes) == Some(wanted) => Some(bytes.len() as f64),
        _ => None,
    });
    all.fold((0.0, 0.0), |(bytes, messages), length| (bytes + length, messages + 1.0))
}

/// A node without peers.
struct SingleNode {
    node: SimulatedNode,
    now_ms: u64,
}

impl SingleNode {
    fn until(&mut self, end_ms: u64) -> (f64, f64) {
        let mut sum = (0.0, 0.0);
        while self.node.wakes_ms() <= end_ms {
            let at_ms = self.node.wakes_ms();
            let (bytes, messages) = of_kind(&self.node.handle(Input::Ticked, at_ms), "Delta");
            sum = (sum.0 + bytes, sum.1 + messages);
        }
        self.now_ms = end_ms;
        sum
    }

    /// Returns the bytes and the number of the deltas that follow from these inputs within that time.
    fn deltas(&mut self, inputs: Vec<Input>, within_ms: u64) -> (f64, f64) {
        let mut sum = (0.0, 0.0);
        for input in inputs {
            let (bytes, messages) = of_kind(&self.node.handle(input, self.now_ms), "Delta");
            sum = (sum.0 + bytes, sum.1 + messages);
        }
        let rest = self.until(self.now_ms + within_ms);
        (sum.0 + rest.0, sum.1 + rest.1)
    }
}

/// Returns the lengths of heartbeats, hellos and their answers in a mesh of this many nodes without visitors.
fn beats(nodes: usize) -> (f64, f64, f64) {
    let scenario = Scenario { nodes, visitors: 1, shape: RoomDistribution::One, joins: 0, clicks: 0, seed: 1 };
    let mut lengths = MessageLengths { recorder: Recorder::new(scenario), hello: 0.0, answers: BTreeMap::new() };
    SimulatedMesh::new(scenario).run(Workload::Clicks, &mut lengths);
    let answer = lengths.answers.values().sum::<f64>() / lengths.answers.len().max(1) as f64;
    let metrics = lengths.recorder.finish();
    let beat = metrics.heard.get(&InputKind::Heartbeat).copied().unwrap_or_default();
    (beat.bytes / beat.messages.max(1e-9), lengths.hello, answer)
}

struct MessageLengths {
    recorder: Recorder,
    hello: f64,
    /// The last answer of each pair, which names all nodes.
    answers: BTreeMap<(usize, usize), f64>,
}

impl Observer for MessageLengths {
    fn before_input(&mut self, node: usize, at_ms: u64, input: &Input) {
        if let Input::Asked { bytes, .. } = input
            && kind_name(bytes) == Some("Hello")
        {
            self.hello = bytes.len() as f64;
        }
        self.recorder.before_input(node, at_ms, input);
    }

    fn after_input(&mut self, node: usize, at_ms: u64, nanos: u64, outputs: &[Output]) {
        self.recorder.after_input(node, at_ms, nanos, outputs);
    }

    fn on_answer(&mut self, asker: usize, by: usize, kind: u8, answer: &[u8]) {
        if kind == 16 {
            self.answers.insert((asker, by), answer.len() as f64);
        }
    }
}
