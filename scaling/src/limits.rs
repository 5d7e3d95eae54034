//! Where a node breaks: the number of visitors or joins at which each of its resources is used up.

use crate::calibrate::Bytes;
use crate::costs::{AWAY_MS, Costs, MESSAGE_MICROS, MORPH_BYTES, SEND_MICROS};
use crate::interest::search;
use crate::model::Rates;
use crate::scenario::Scenario;

/// A machine that a node runs on: memory, links, cores.
pub const MEMORY_BYTES: f64 = 8e9;
/// A gigabit, of which half is for pages.
pub const EGRESS_BYTES: f64 = 125e6 / 2.0;
/// One core is the driver's.
pub const CORE_MICROS: f64 = 1e6;
/// Above any world that is looked at.
pub const VISITORS_MAX: f64 = 1e8;
const JOINS_MAX: f64 = 1e7;

/// All costs together.
pub struct Model {
    /// Of bytes.
    pub bytes: Bytes,
    /// Of CPU and memory.
    pub costs: Costs,
}

impl Model {
    /// What happens in a second.
    #[must_use]
    pub fn rates(&self, scenario: &Scenario) -> Rates {
        Rates::of(scenario, &self.bytes)
    }

    /// CPU of the driver in a second.
    #[must_use]
    pub fn driver(&self, scenario: &Scenario) -> f64 {
        self.costs.driver_micros(scenario, &self.rates(scenario))
    }

    /// CPU of links in a second.
    #[must_use]
    pub fn links(&self, scenario: &Scenario) -> f64 {
        let rates = self.rates(scenario);
        let others = scenario.nodes as f64 - 1.0;
        others * (rates.deltas_out + rates.beats_out + rates.clicks_out) * MESSAGE_MICROS
    }

    /// CPU of sockets in a second.
    #[must_use]
    pub fn sockets(&self, scenario: &Scenario) -> f64 {
        self.rates(scenario).sends * SEND_MICROS
    }

    /// Bytes to pages in a second, with a fragment of this length.
    #[must_use]
    pub fn page_bytes(&self, scenario: &Scenario, fragment: f64) -> f64 {
        self.rates(scenario).sends * (fragment + MORPH_BYTES)
    }

    /// Visitors with whom memory is full.
    #[must_use]
    pub fn visitors_in_memory(&self, scenario: &Scenario) -> f64 {
        search(1_000.0, VISITORS_MAX, |visitors| {
            self.costs.memory_bytes(&Scenario { visitors: visitors as u64, ..*scenario }) < MEMORY_BYTES
        })
    }

    /// Visitors with whom a node that falls silent stops another for so long that it doubts itself.
    #[must_use]
    pub fn visitors_in_stall(&self, scenario: &Scenario) -> f64 {
        search(1_000.0, VISITORS_MAX, |visitors| {
            self.costs.silence_ms(&Scenario { visitors: visitors as u64, ..*scenario }) < AWAY_MS
        })
    }

    /// Joins a second with which the driver's core is full.
    #[must_use]
    pub fn joins_in_driver(&self, scenario: &Scenario) -> f64 {
        search(1.0, JOINS_MAX, |joins| self.driver(&Scenario { joins: joins as u64, ..*scenario }) < CORE_MICROS)
    }
}
