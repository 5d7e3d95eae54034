//! The model against the simulation: bytes within 15 %, and one node on recordings against a mesh that really runs.

use presence_scaling::calibrate::Bytes;
use presence_scaling::mesh::Mesh;
use presence_scaling::meter::{Measured, Meter, What};
use presence_scaling::model::Rates;
use presence_scaling::record;
use presence_scaling::scenario::{Scenario, Shape};

const SMALL: Scenario = Scenario { nodes: 6, visitors: 6_000, shape: Shape::One, joins: 100, clicks: 10, seed: 1 };

fn alone(scenario: &Scenario) -> Measured {
    let folder = tempfile::tempdir().expect("a folder");
    record::record(scenario, folder.path()).expect("written");
    let mut meter = Meter::new(*scenario);
    record::observed(scenario, folder.path()).expect("read").run(&mut meter);
    meter.found()
}

fn within(percent: f64, what: &str, left: f64, right: f64) {
    assert!((left - right).abs() <= right.abs() * percent / 100.0, "{what}: {left:.0} against {right:.0}");
}

#[test]
fn the_model_says_what_the_simulation_counts() {
    let bytes = Bytes::measured();
    let grid = [
        SMALL,
        Scenario { joins: 1_000, shape: Shape::Each, ..SMALL },
        Scenario { nodes: 12, shape: Shape::Equal(100), ..SMALL },
        Scenario { joins: 300, shape: Shape::Zipf, clicks: 0, ..SMALL },
        Scenario { nodes: 24, joins: 0, clicks: 0, ..SMALL },
    ];
    for scenario in grid {
        let (found, said) = (alone(&scenario), Rates::of(&scenario, &bytes));
        assert_eq!(found.warnings, Vec::<String>::new(), "{scenario}");
        within(15.0, &format!("{scenario}: bytes out"), said.bytes_out, found.bytes_out());
        within(15.0, &format!("{scenario}: bytes in"), said.bytes_in, found.bytes_in());
        within(15.0, &format!("{scenario}: views"), said.views, found.views.max(said.views.min(1.0)));
    }
}

#[test]
fn a_node_on_recordings_does_what_it_does_in_a_mesh_that_runs() {
    let scenario = Scenario { shape: Shape::Equal(100), ..SMALL };
    let mut meter = Meter::new(scenario);
    Mesh::new(scenario).run(true, &mut meter);
    let (alone, among) = (alone(&scenario), meter.found());
    assert_eq!(among.warnings, Vec::<String>::new());
    // Questions are left out: peers on recordings can't answer those about facts.
    for what in [What::Delta, What::Heartbeat, What::Facts] {
        let bytes = |flows: &std::collections::BTreeMap<What, presence_scaling::meter::Flow>| {
            flows.get(&what).map_or(0.0, |flow| flow.bytes)
        };
        // Of a dozen heartbeats in ten seconds one more or less falls into them.
        let percent = if what == What::Heartbeat { 12.0 } else { 3.0 };
        within(percent, &format!("{what:?} out"), bytes(&alone.out), bytes(&among.out));
        within(percent, &format!("{what:?} in"), bytes(&alone.heard), bytes(&among.heard));
    }
    within(3.0, "views", alone.views, among.views);
    within(3.0, "sends", alone.sends.messages, among.sends.messages);
}
