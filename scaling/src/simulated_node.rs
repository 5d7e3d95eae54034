//! A real node in virtual time.

use presence_core::{
    DialError, FactSettings, Input, LinkId, Linked, Mono, Node, NodeHash, NodeName, Now, Output, Place, Region,
    Settings, Wall,
};

use crate::app::sha256;
use crate::scenario::Scenario;
use crate::visitors::STARTED_MS;

const MONO_MS: u64 = 1_000_000;
const WALL_MS: u64 = 1_800_000_000_000;
/// In a mesh of more nodes, some share a region.
const REGIONS_MAX: usize = 32;

pub(crate) struct SimulatedNode {
    node: Node,
    /// The earliest time of the next tick: time never goes back, and two ticks have different times.
    next_tick_ms: u64,
}

impl SimulatedNode {
    /// Returns when the node of this number starts.
    pub(crate) fn starts_ms(scenario: &Scenario, index: usize) -> u64 {
        index as u64 * STARTED_MS / scenario.nodes as u64
    }

    pub(crate) fn start(scenario: &Scenario, index: usize) -> Self {
        let now = clock(Self::starts_ms(scenario, index));
        let code = format!("r{:02}", index % REGIONS_MAX);
        let settings = Settings {
            region: Region::new(&code).expect("a short code"),
            place: Place { name: "Frankfurt, Germany".to_owned(), location: Some((50.033, 8.571)) },
            name: name(index),
            incarnation: now.wall.0,
            birth: crate::random::mix(scenario.seed ^ index as u64),
            advertised: vec![address(index)],
            meshed: true,
            digest: sha256,
            key: None,
            facts: FactSettings::default(),
        };
        Self { node: Node::new(settings, &[], Vec::new(), now), next_tick_ms: 0 }
    }

    /// Returns when the node needs its next tick.
    pub(crate) fn wakes_ms(&self) -> u64 {
        self.node.wake_at().since(Mono(MONO_MS)).max(self.next_tick_ms)
    }

    pub(crate) fn handle(&mut self, input: Input, at_ms: u64) -> Vec<Output> {
        self.next_tick_ms = at_ms + u64::from(input == Input::Ticked);
        self.node.handle(input, clock(at_ms))
    }
}

fn clock(at_ms: u64) -> Now {
    Now { mono: Mono(MONO_MS + at_ms), wall: Wall(WALL_MS + at_ms) }
}

pub(crate) fn name(index: usize) -> NodeName {
    NodeName::new(&format!("d8904e9b3e2d{index:02}")).expect("a short name")
}

/// Returns the link over which messages of this node arrive.
pub(crate) fn link(from: usize) -> LinkId {
    LinkId(from as u64)
}

/// Returns the result of a dial, which is a link if the node runs.
pub(crate) fn dialled(to: Option<usize>) -> Result<Linked, DialError> {
    let linked = |to| Linked { link: link(to), node: NodeHash::of(&name(to), sha256) };
    to.map(linked).ok_or(DialError::NoAnswer)
}

pub(crate) fn address(index: usize) -> String {
    format!("node-{index}")
}

pub(crate) fn at_address(address: &str) -> Option<usize> {
    address.strip_prefix("node-")?.parse().ok()
}
