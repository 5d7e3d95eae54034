//! What a reader sees of a room: who is here, values, messages, and how sure we are. Immutable, shared, never asked for.

use std::collections::BTreeMap;

use crate::app::Author;
use crate::id::{NodeName, PublicId, Region, Room};

/// A room at one moment, as this node knows it.
#[derive(Clone, PartialEq, Debug)]
pub struct RoomView {
    /// Which room.
    pub room: Room,
    /// Rises with every view of this room on this node.
    pub version: u64,
    /// Distinct users with a connection, over all regions.
    pub users: u32,
    /// Their connections.
    pub tabs: u32,
    /// Users whom only a silent node vouches for; never part of `users`.
    pub unsure: u32,
    /// Those of `users` who have a visible page.
    pub looking: u32,
    /// Those of `users` whom no pong proves to be there: all their connections are event streams or frames.
    pub unproven: u32,
    /// All known regions, also those where nobody is, by code.
    pub regions: Vec<RegionView>,
    /// Registers that hold a value.
    pub registers: BTreeMap<String, Entry>,
    /// Logs, newest entry first.
    pub logs: BTreeMap<String, Vec<Entry>>,
    /// What users show for as long as they are here, by key; of a thousand of them at most.
    pub shared: BTreeMap<String, BTreeMap<PublicId, Vec<u8>>>,
    /// This node's region.
    pub here: Region,
    /// When this was true: ms since 1970 by the node's time.
    pub as_of_ms: u64,
}

impl RoomView {
    /// How many known regions are live and fully known here.
    pub fn regions_heard(&self) -> usize {
        self.regions.iter().filter(|r| r.state == RegionState::Live && r.whole).count()
    }

    /// This node's own region.
    pub fn own(&self) -> &RegionView {
        self.regions.iter().find(|r| r.region == self.here).expect("a node knows its own region")
    }
}

/// One value, or one message of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The bytes that the app wrote.
    pub value: Vec<u8>,
    /// Who, from where.
    pub author: Author,
    /// When, by its stamp: ms since 1970.
    pub at_ms: u64,
}

/// A region as this node knows it, with one room's numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct RegionView {
    /// Its code.
    pub region: Region,
    /// Its name and where it is, as its nodes announce.
    pub place: Place,
    /// As good as its best node.
    pub state: RegionState,
    /// When the state became what it is: ms since 1970 by the node's time.
    pub since_ms: u64,
    /// Every node of it that is not gone is known completely.
    pub whole: bool,
    /// How long ago it was last heard, in ms; 0 for our own.
    pub heard_ms_ago: u64,
    /// Round-trip time from here in ms, where it is known; `None` for our own.
    pub round_trip_ms: Option<u32>,
    /// Distinct users of the room with a connection to its nodes.
    pub users: u32,
    /// Their connections there.
    pub tabs: u32,
    /// Users whom only silent nodes of it vouch for.
    pub unsure: u32,
}

/// A place in words and on the map.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Place {
    /// "Toronto, Canada"; the code where nobody knows better.
    pub name: String,
    /// Latitude and longitude in degrees, where known.
    pub location: Option<(f64, f64)>,
}

/// How a region is judged.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RegionState {
    /// Heard within the lease.
    Live,
    /// It says goodbye: its tabs are held.
    Draining,
    /// Not heard for a lease.
    Silent,
    /// Silent for a minute.
    Gone,
}

impl RegionState {
    /// The word in the API and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Draining => "draining",
            Self::Silent => "silent",
            Self::Gone => "gone",
        }
    }
}

/// The mesh as this node knows it: what `/api/v1/mesh` and `/readyz` say.
#[derive(Clone, PartialEq, Debug)]
pub struct MeshView {
    /// Regions, without any room's numbers.
    pub regions: Vec<RegionView>,
    /// Nodes, this one included, by name.
    pub nodes: Vec<NodeView>,
    /// 128 bits in hexadecimal digits; equal on nodes that hold equal facts.
    pub facts_root: String,
    /// The first exchange with a peer is complete.
    pub exchanged: bool,
    /// What is wrong, a sentence each: lost peers, one-way links, a wrong clock.
    pub degraded: Vec<String>,
    /// Whole tables that were asked for since the start.
    pub tables_asked: u64,
    /// Differences of row roots (a fault) found since the start.
    pub root_faults: u64,
    /// When this was true: ms since 1970 by the node's time.
    pub as_of_ms: u64,
}

/// One node of the mesh.
#[derive(Clone, PartialEq, Debug)]
pub struct NodeView {
    /// Its name.
    pub name: NodeName,
    /// Its region.
    pub region: Region,
    /// Its incarnation.
    pub incarnation: u64,
    /// The number of its newest change that we know of.
    pub sequence: u64,
    /// The number up to which we miss nothing.
    pub whole: u64,
    /// `live`, `silent`, `draining`, `departed` or `gone`.
    pub state: &'static str,
    /// The node through which it is heard, where not directly.
    pub via: Option<NodeName>,
    /// How long ago it was heard.
    pub heard_ms_ago: u64,
    /// Round-trip time in ms.
    pub round_trip_ms: Option<u32>,
}
