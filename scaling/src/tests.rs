//! The model against the simulation, and a node on traces against a mesh.

use crate::message_sizes::MessageSizes;
use std::collections::BTreeMap;

use crate::metrics::{InputKind, RunMetrics, Traffic};
use crate::rates::Rates;
use crate::recorder::Recorder;
use crate::scenario::{RoomDistribution, Scenario};
use crate::simulated_mesh::{SimulatedMesh, Workload};
use crate::trace;

const SMALL: Scenario =
    Scenario { nodes: 6, visitors: 6_000, shape: RoomDistribution::One, joins: 100, clicks: 10, seed: 1 };

fn on_traces(scenario: &Scenario) -> RunMetrics {
    let folder = tempfile::tempdir().expect("a folder");
    trace::write(scenario, folder.path()).expect("written");
    let mut recorder = Recorder::new(*scenario);
    trace::observed(scenario, folder.path()).expect("read").run(&mut recorder);
    recorder.finish()
}

fn within(percent: f64, what: &str, left: f64, right: f64) {
    assert!((left - right).abs() <= right.abs() * percent / 100.0, "{what}: {left:.0} against {right:.0}");
}

#[test]
fn the_model_agrees_with_the_simulation() {
    let sizes = MessageSizes::measured();
    let grid = [
        SMALL,
        Scenario { joins: 1_000, shape: RoomDistribution::Each, ..SMALL },
        Scenario { nodes: 12, shape: RoomDistribution::Equal(100), ..SMALL },
        Scenario { joins: 300, shape: RoomDistribution::Zipf, clicks: 0, ..SMALL },
        Scenario { nodes: 24, joins: 0, clicks: 0, ..SMALL },
    ];
    for scenario in grid {
        let (measured, model) = (on_traces(&scenario), Rates::of(&scenario, &sizes));
        assert_eq!(measured.warnings, Vec::<String>::new(), "{scenario}");
        within(15.0, &format!("{scenario}: bytes out"), model.bytes_out, measured.bytes_out());
        within(15.0, &format!("{scenario}: bytes in"), model.bytes_in, measured.bytes_in());
        within(15.0, &format!("{scenario}: views"), model.views, measured.views.max(model.views.min(1.0)));
    }
}

#[test]
fn a_node_on_traces_behaves_as_in_a_mesh() {
    let scenario = Scenario { shape: RoomDistribution::Equal(100), ..SMALL };
    let mut recorder = Recorder::new(scenario);
    SimulatedMesh::new(scenario).run(Workload::Visitors, &mut recorder);
    let (alone, in_mesh) = (on_traces(&scenario), recorder.finish());
    assert_eq!(in_mesh.warnings, Vec::<String>::new());
    // Questions are left out: traces have no answers to questions about facts.
    for kind in [InputKind::Delta, InputKind::Heartbeat, InputKind::Facts] {
        let bytes = |flows: &BTreeMap<InputKind, Traffic>| flows.get(&kind).map_or(0.0, |traffic| traffic.bytes);
        // Ten seconds have a dozen heartbeats, one more or less.
        let percent = if kind == InputKind::Heartbeat { 12.0 } else { 3.0 };
        within(percent, &format!("{kind:?} out"), bytes(&alone.out), bytes(&in_mesh.out));
        within(percent, &format!("{kind:?} in"), bytes(&alone.heard), bytes(&in_mesh.heard));
    }
    within(3.0, "views", alone.views, in_mesh.views);
    within(3.0, "sends", alone.sends.messages, in_mesh.sends.messages);
}
