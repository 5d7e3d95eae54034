//! One real node in virtual time; without it nothing would be measured.

use std::sync::Arc;

use presence_core::{DialError, Input, LinkId, Linked, Node, NodeHash, NodeName, Now, Output, Place, Region, Settings};

use crate::app::{Count, sha256};
use crate::scenario::Scenario;
use crate::visitors::STARTED_MS;

const MONO_MS: u64 = 1_000_000;
const WALL_MS: u64 = 1_800_000_000_000;

/// A running node.
pub struct Host {
    node: Node,
    /// The earliest that it may be ticked: time never goes back, and a tick is not followed by one at the same moment.
    rested_ms: u64,
}

impl Host {
    /// When the node of this number starts.
    #[must_use]
    pub fn starts_ms(scenario: &Scenario, index: usize) -> u64 {
        index as u64 * STARTED_MS / scenario.nodes as u64
    }

    /// Starts it.
    ///
    /// # Panics
    ///
    /// Never: the names that it makes up are valid.
    #[must_use]
    pub fn start(scenario: &Scenario, index: usize) -> Self {
        let now = clock(Self::starts_ms(scenario, index));
        let code = format!("r{index:02}");
        let settings = Settings {
            region: Region::new(&code).expect("a short code"),
            place: Place { name: "Frankfurt, Germany".to_owned(), location: Some((50.033, 8.571)) },
            name: name(index),
            incarnation: now.wall_ms,
            birth: crate::chance::mix(scenario.seed ^ index as u64),
            advertised: vec![address(index)],
            meshed: true,
            digest: sha256,
        };
        Self { node: Node::new(settings, Arc::new(Count), &[], Vec::new(), now), rested_ms: 0 }
    }

    /// When it wants to be ticked next.
    #[must_use]
    pub fn wakes_ms(&self) -> u64 {
        self.node.wake_at_ms().saturating_sub(MONO_MS).max(self.rested_ms)
    }

    /// Gives it an input.
    pub fn take(&mut self, input: Input, at_ms: u64) -> Vec<Output> {
        self.rested_ms = at_ms + u64::from(input == Input::Ticked);
        self.node.handle(input, clock(at_ms))
    }
}

fn clock(at_ms: u64) -> Now {
    Now { mono_ms: MONO_MS + at_ms, wall_ms: WALL_MS + at_ms }
}

/// The name of the node of this number.
///
/// # Panics
///
/// Never: the names that it makes up are valid.
#[must_use]
pub fn name(index: usize) -> NodeName {
    NodeName::new(&format!("d8904e9b3e2d{index:02}")).expect("a short name")
}

/// The link over which the node of this number is heard.
#[must_use]
pub fn link(from: usize) -> LinkId {
    LinkId(from as u64)
}

/// How a dial ends: with a link to the node of this number, if it runs.
///
/// # Errors
///
/// Where it doesn't run, it does not answer.
pub fn dialled(to: Option<usize>) -> Result<Linked, DialError> {
    let linked = |to| Linked { link: link(to), node: NodeHash::of(&name(to), sha256) };
    to.map(linked).ok_or(DialError::NoAnswer)
}

/// Where the node of this number is reached.
#[must_use]
pub fn address(index: usize) -> String {
    format!("node-{index}")
}

/// Which node that is.
#[must_use]
pub fn at_address(address: &str) -> Option<usize> {
    address.strip_prefix("node-")?.parse().ok()
}
