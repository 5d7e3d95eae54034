//! Where a node breaks: the number of visitors or joins at which each of its resources is used up.

use crate::cost_model::{CostModel, MESSAGE_MICROS, MORPH_BYTES, SEND_MICROS, SUSPENDED_MS};
use crate::message_sizes::MessageSizes;
use crate::partial_interest::search;
use crate::rates::Rates;
use crate::scenario::Scenario;

/// Memory of the machine that a node runs on.
pub(crate) const MEMORY_BYTES: f64 = 8e9;
/// The driver has one core.
pub(crate) const CORE_MICROS: f64 = 1e6;
/// More than in any world of interest.
pub(crate) const VISITORS_MAX: f64 = 1e8;
const JOINS_MAX: f64 = 1e7;

/// Everything that a scenario costs.
pub(crate) struct Model {
    pub(crate) sizes: MessageSizes,
    pub(crate) costs: CostModel,
}

impl Model {
    pub(crate) fn rates(&self, scenario: &Scenario) -> Rates {
        Rates::of(scenario, &self.sizes)
    }

    /// Returns the CPU of the driver in a second.
    pub(crate) fn driver(&self, scenario: &Scenario) -> f64 {
        self.costs.driver_micros(scenario, &self.rates(scenario))
    }

    /// Returns the CPU of links in a second.
    pub(crate) fn links(&self, scenario: &Scenario) -> f64 {
        self.rates(scenario).messages_out(scenario.nodes) * MESSAGE_MICROS
    }

    /// Returns the CPU of sockets in a second.
    pub(crate) fn sockets(&self, scenario: &Scenario) -> f64 {
        self.rates(scenario).sends * SEND_MICROS
    }

    /// Returns the bytes to pages in a second, with fragments of this length.
    pub(crate) fn page_bytes(&self, scenario: &Scenario, fragment: f64) -> f64 {
        self.rates(scenario).sends * (fragment + MORPH_BYTES)
    }

    /// Returns how many visitors fill the memory.
    pub(crate) fn visitors_in_memory(&self, scenario: &Scenario) -> f64 {
        search(1_000.0, VISITORS_MAX, |visitors| {
            self.costs.memory_bytes(&Scenario { visitors: visitors as u64, ..*scenario }) < MEMORY_BYTES
        })
    }

    /// Returns with how many visitors a silent node stops another one until that takes itself for suspended.
    pub(crate) fn visitors_in_stall(&self, scenario: &Scenario) -> f64 {
        search(1_000.0, VISITORS_MAX, |visitors| {
            self.costs.silence_ms(&Scenario { visitors: visitors as u64, ..*scenario }) < SUSPENDED_MS
        })
    }

    /// Returns how many joins a second fill the driver's core.
    pub(crate) fn joins_in_driver(&self, scenario: &Scenario) -> f64 {
        search(1.0, JOINS_MAX, |joins| self.driver(&Scenario { joins: joins as u64, ..*scenario }) < CORE_MICROS)
    }
}
