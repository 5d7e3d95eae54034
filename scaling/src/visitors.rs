//! When visitors join, leave and click, and on which node.

use presence_core::{ConnectionId, Ended, Input, SubscriptionId, Tab, Write};

use crate::random::{fraction, mix};
use crate::scenario::Scenario;
use crate::simulated_mesh::Workload;

/// All nodes start before this, one after another as in a deploy, so that hellos do not coincide.
pub(crate) const STARTED_MS: u64 = 10_000;
/// When visitors begin to join, after the first seconds in which a node still asks others about each of them.
const LOAD_MS: u64 = 16_000;
/// Time in which all of them join.
const LOADING_MS: u64 = 4_000;
/// When visitors begin to leave and click, and others to join.
const CHURN_MS: u64 = 22_000;
/// Start of the measurement: visitors who left linger, and large rooms are drawn at their steady rate.
pub(crate) const FROM_MS: u64 = 28_000;
/// End of the measurement, and of joins and leaves.
pub(crate) const UNTIL_MS: u64 = FROM_MS + 10_000;
/// One node falls silent here, and is suspected 4.5 s later.
pub(crate) const SILENT_MS: u64 = UNTIL_MS + 500;
/// From here on everything is drawn because of that: no visitor lingers, and the node is not suspected yet.
pub(crate) const SUSPECTED_MS: u64 = SILENT_MS + 2_500;
/// End of the run: a million rooms are drawn by then, 128 in a millisecond.
pub(crate) const END_MS: u64 = SILENT_MS + 13_000;

/// What a visitor does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum VisitorAction {
    Join(u64),
    Leave(u64),
    Click(u64),
}

/// Returns the actions of all visitors of a node, with their times.
pub(crate) fn actions(scenario: &Scenario, node: usize, load: Workload) -> Vec<(u64, VisitorAction)> {
    let mut actions = Vec::new();
    if load == Workload::Visitors {
        let joining = (0..scenario.visitors).filter(|visitor| scenario.node_of(*visitor) == node);
        actions.extend(
            joining.map(|visitor| (LOAD_MS + visitor * LOADING_MS / scenario.visitors, VisitorAction::Join(visitor))),
        );
        for number in 0..scenario.joins * (UNTIL_MS - CHURN_MS) / 1_000 {
            let joining = scenario.visitors + number;
            if scenario.node_of(joining) == node {
                actions.push((moment(number, scenario.joins, scenario.seed), VisitorAction::Join(joining)));
            }
            if scenario.node_of(number) == node {
                actions.push((moment(number, scenario.joins, !scenario.seed), VisitorAction::Leave(number)));
            }
        }
    }
    for number in 0..scenario.clicks * (UNTIL_MS - CHURN_MS) / 1_000 {
        let visitor = mix(number ^ 0xC11C) % scenario.visitors;
        if scenario.node_of(visitor) == node {
            actions.push((moment(number, scenario.clicks, scenario.seed ^ 0xC11C), VisitorAction::Click(visitor)));
        }
    }
    actions.sort_by_key(|(at, _)| *at);
    actions
}

/// Returns when the `number`th event happens at this rate.
fn moment(number: u64, per_second: u64, chance: u64) -> u64 {
    CHURN_MS + ((number as f64 + fraction(number ^ chance)) * 1_000.0 / per_second as f64) as u64
}

/// Returns the input that the node gets.
pub(crate) fn input(scenario: &Scenario, action: VisitorAction) -> Input {
    match action {
        VisitorAction::Join(visitor) => Input::Joined {
            connection: ConnectionId(visitor),
            subscription: SubscriptionId(1),
            room: scenario.room(visitor),
            user: scenario.user(visitor),
            tab: Tab::page(),
        },
        VisitorAction::Leave(visitor) => {
            Input::Disconnected { connection: ConnectionId(visitor), ended: Ended::Closed }
        }
        VisitorAction::Click(visitor) => Input::Clicked {
            connection: ConnectionId(visitor),
            subscription: SubscriptionId(2),
            room: scenario.room(visitor),
            user: scenario.user(visitor),
            echo: String::new(),
            writes: Ok(vec![Write::set_bytes("lamp", "on")]),
            trace: None,
        },
    }
}
