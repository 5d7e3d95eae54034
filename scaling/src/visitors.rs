//! Who comes, leaves and clicks when, on which node; without it the nodes of a run would have nothing to do.

use std::collections::BTreeMap;

use presence_core::{ConnectionId, Ended, Input, ReflexCall, SubscriptionId, Tab};

use crate::chance::{fraction, mix};
use crate::scenario::Scenario;

/// The last node starts before this: they start one after another, as in a deploy, so that hellos do not coincide.
pub const STARTED_MS: u64 = 10_000;
/// When visitors come, after the first seconds of a node's life, in which it still asks what is held for each of them.
const LOAD_MS: u64 = 16_000;
/// How long all of them take to come.
const LOADING_MS: u64 = 4_000;
/// When visitors come and leave, and clicks begin.
const CHURN_MS: u64 = 22_000;
/// What is measured begins here: what has left lingers, and large rooms have found their pace.
pub const FROM_MS: u64 = 28_000;
/// It ends here; so does coming and leaving.
pub const UNTIL_MS: u64 = FROM_MS + 10_000;
/// One node falls silent here, and is doubted 4 s later.
pub const SILENT_MS: u64 = UNTIL_MS + 500;
/// From here on everything that is drawn is drawn because of that: what lingered is gone, and it is not doubted yet.
pub const DOUBTED_MS: u64 = SILENT_MS + 2_500;
/// The run ends here: a million rooms are drawn by then, 128 of them in a millisecond.
pub const END_MS: u64 = SILENT_MS + 13_000;

/// What a visitor does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Opens a page.
    Join(u64),
    /// Closes it.
    Leave(u64),
    /// Clicks on something of the page.
    Click(u64),
}

/// Everything that happens on one node, by its moment.
#[must_use]
pub fn acts(scenario: &Scenario, node: usize, clicks_only: bool) -> Vec<(u64, Act)> {
    let mut acts = Vec::new();
    if !clicks_only {
        let come = (0..scenario.visitors).filter(|visitor| scenario.node_of(*visitor) == node);
        acts.extend(come.map(|visitor| (LOAD_MS + visitor * LOADING_MS / scenario.visitors, Act::Join(visitor))));
        for number in 0..scenario.joins * (UNTIL_MS - CHURN_MS) / 1_000 {
            let come = scenario.visitors + number;
            if scenario.node_of(come) == node {
                acts.push((moment(number, scenario.joins, scenario.seed), Act::Join(come)));
            }
            if scenario.node_of(number) == node {
                acts.push((moment(number, scenario.joins, !scenario.seed), Act::Leave(number)));
            }
        }
    }
    for number in 0..scenario.clicks * (UNTIL_MS - CHURN_MS) / 1_000 {
        let visitor = mix(number ^ 0xC11C) % scenario.visitors;
        if scenario.node_of(visitor) == node {
            acts.push((moment(number, scenario.clicks, scenario.seed ^ 0xC11C), Act::Click(visitor)));
        }
    }
    acts.sort_by_key(|(at, _)| *at);
    acts
}

/// When the `number`th of so many a second happens.
fn moment(number: u64, a_second: u64, chance: u64) -> u64 {
    CHURN_MS + ((number as f64 + fraction(number ^ chance)) * 1_000.0 / a_second as f64) as u64
}

/// What the node is told of it.
#[must_use]
pub fn input(scenario: &Scenario, act: Act) -> Input {
    match act {
        Act::Join(visitor) => Input::Joined {
            connection: ConnectionId(visitor),
            subscription: SubscriptionId(1),
            room: scenario.room(visitor),
            user: scenario.user(visitor),
            tab: Tab::page(),
        },
        Act::Leave(visitor) => Input::Disconnected { connection: ConnectionId(visitor), ended: Ended::Closed },
        Act::Click(visitor) => Input::Clicked {
            connection: ConnectionId(visitor),
            subscription: SubscriptionId(2),
            room: scenario.room(visitor),
            user: scenario.user(visitor),
            call: ReflexCall { target: "Lamp#on".to_owned(), attrs: BTreeMap::new(), echo: String::new() },
        },
    }
}
