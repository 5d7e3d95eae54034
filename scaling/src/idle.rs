//! What a mesh without visitors costs each of its nodes: heartbeats, hellos, and the CPU of core.

use presence_core::{Input, Output, kind_name};

use crate::scenario::{RoomDistribution, Scenario};
use crate::simulated_mesh::{Observer, SimulatedMesh, Workload};
use crate::visitors::{FROM_MS, UNTIL_MS};

const SECONDS: f64 = (UNTIL_MS - FROM_MS) as f64 / 1e3;
/// Bytes of the signature of a heartbeat, which simulated nodes do not make.
const SIGNATURE: usize = 101;

/// What all nodes together did in the measured time.
#[derive(Default)]
struct IdleCosts {
    heartbeats: u64,
    heartbeat_bytes: usize,
    hellos: u64,
    bytes_in: usize,
    ticks: u64,
    tick_nanos: u64,
    heard_nanos: u64,
    nanos: u64,
    overhead: u64,
    /// What the input at hand is.
    kind: Option<&'static str>,
    ticked: bool,
}

impl Observer for IdleCosts {
    fn before_input(&mut self, _node: usize, at_ms: u64, input: &Input) {
        let bytes = match input {
            Input::Received { bytes, .. } | Input::Asked { bytes, .. } | Input::Answered { bytes: Some(bytes), .. } => {
                bytes.as_slice()
            }
            _ => &[],
        };
        (self.kind, self.ticked) = (kind_name(bytes), *input == Input::Ticked);
        if !measured(at_ms) {
            return;
        }
        let heartbeat = self.kind == Some("Heartbeat");
        let bytes = bytes.len() + if heartbeat { SIGNATURE } else { 0 };
        self.bytes_in += bytes;
        self.heartbeats += u64::from(heartbeat);
        self.heartbeat_bytes += if heartbeat { bytes } else { 0 };
        self.hellos += u64::from(self.kind == Some("Hello"));
        self.ticks += u64::from(self.ticked);
    }

    fn after_input(&mut self, _node: usize, at_ms: u64, nanos: u64, _outputs: &[Output]) {
        if !measured(at_ms) {
            return;
        }
        let nanos = nanos.saturating_sub(self.overhead);
        self.nanos += nanos;
        if self.ticked {
            self.tick_nanos += nanos;
        } else if self.kind == Some("Heartbeat") {
            self.heard_nanos += nanos;
        }
    }
}

fn measured(at_ms: u64) -> bool {
    (FROM_MS..UNTIL_MS).contains(&at_ms)
}

/// Returns a row of a table: what each of this many nodes costs.
pub(crate) fn row(nodes: usize) -> String {
    let scenario = Scenario { nodes, visitors: 1, shape: RoomDistribution::One, joins: 0, clicks: 0, seed: 1 };
    let mut costs = IdleCosts { overhead: crate::cpu::overhead_nanos(), ..IdleCosts::default() };
    SimulatedMesh::new(scenario).run_until(UNTIL_MS, Workload::Clicks, &mut costs);
    let (node_seconds, micros) = (nodes as f64 * SECONDS, |nanos: u64, of: u64| nanos as f64 / of.max(1) as f64 / 1e3);
    format!(
        "| {nodes} | {:.0} B | {:.1} | {:.1} | {:.1} KB/s | {:.1} µs | {:.0} µs | {:.2} % |",
        costs.heartbeat_bytes as f64 / costs.heartbeats.max(1) as f64,
        costs.heartbeats as f64 / node_seconds,
        costs.hellos as f64 / node_seconds,
        costs.bytes_in as f64 / node_seconds / 1e3,
        micros(costs.heard_nanos, costs.heartbeats),
        micros(costs.tick_nanos, costs.ticks),
        costs.nanos as f64 / node_seconds / 1e7,
    )
}
