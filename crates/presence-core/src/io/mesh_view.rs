//! The mesh as a node knows it: what an operator sees.

use std::collections::BTreeMap;
use std::fmt;

use crate::app::region::{RegionState, RegionView};
use crate::id::{NodeName, Region};
use crate::io::node_counts::NodeCounts;

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
    /// Every other live node knows of this start, and all that they know is known here: from now on, a user who becomes
    /// known has joined. Also where no other node answers for a while.
    pub caught_up: bool,
    /// What is wrong with the others and the links to them, a sentence each: lost peers, one-way links, a wrong clock there.
    pub degraded: Vec<String>,
    /// What is wrong with this machine's clock, in a sentence.
    pub clock_fault: Option<String>,
    /// Whole tables that were asked for since the start.
    pub tables_asked: u64,
    /// Differences of row roots (a fault) found since the start.
    pub root_faults: u64,
    /// How many facts are not removed.
    pub facts: usize,
    /// The bytes of those.
    pub facts_bytes: usize,
    /// The rows that are known: one for each user in each room, of each node.
    pub rows: RowTotals,
    /// What this node has counted since its start.
    pub counts: NodeCounts,
    /// How long the process was suspended since the start, in ms: times in which no input came for 2 s or more.
    pub suspended_ms: u64,
    /// How soon the writes that this node took came to each region, by code, since the start.
    pub receipt_times: BTreeMap<Region, ReceiptTimes>,
    /// When this was true: ms since 1970 by the node's time.
    pub as_of_ms: u64,
}

/// How many rows are known, by whose they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RowTotals {
    /// Of this node.
    pub own: usize,
    /// Of nodes that are heard.
    pub others: usize,
    /// Of nodes that left or are back after a crash: they count for a while.
    pub held: usize,
    /// Of nodes that are silent.
    pub unsure: usize,
}

/// How soon writes came to a region: a histogram.
///
/// ```
/// let mut times = presence_core::ReceiptTimes::default();
/// times.add(61);
/// times.add(60_000);
/// let up_to = |ms| presence_core::ReceiptTimes::UP_TO_MS.iter().position(|most| *most == ms).unwrap();
/// assert_eq!((times.counts[up_to(75)], times.slower, times.sum_ms), (1, 1, 60_061));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReceiptTimes {
    /// How many came within each of [`UP_TO_MS`](Self::UP_TO_MS), and not within the one before it.
    pub counts: [u64; 12],
    /// How many took longer than the last.
    pub slower: u64,
    /// All times together, in ms.
    pub sum_ms: u64,
}

impl ReceiptTimes {
    /// The upper limits of `counts`, in ms.
    pub const UP_TO_MS: [u32; 12] = [5, 10, 25, 50, 75, 100, 150, 200, 300, 500, 1_000, 5_000];

    /// Counts one more.
    pub fn add(&mut self, ms: u32) {
        match Self::UP_TO_MS.iter().position(|most| ms <= *most) {
            Some(at) => self.counts[at] += 1,
            None => self.slower += 1,
        }
        self.sum_ms += u64::from(ms);
    }
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
    /// How it is judged.
    pub state: PeerState,
    /// The node through which it is heard, where not directly.
    pub via: Option<NodeName>,
    /// How long ago it was heard.
    pub heard_ms_ago: u64,
    /// Round-trip time in ms: the shortest of the newest five. `None` also for a node that is not live.
    pub round_trip_ms: Option<u32>,
    /// Its clock is over a minute away from what most of at least three nodes say.
    pub wrong_clock: bool,
    /// It hears this node: false where it has had time to and does not.
    pub hears_us: bool,
    /// It counts this node's visitors, as far as is known: false once it has not for 5 s.
    pub counts_us: bool,
}

/// How another node is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PeerState {
    /// Heard within the lease.
    Live,
    /// Not heard for a lease.
    Silent,
    /// Silent for a minute: its rows are dropped.
    Gone,
    /// It leaves on purpose: its tabs are held.
    Draining,
    /// It has left.
    Departed,
}

impl PeerState {
    /// All states. The best is first.
    pub const ALL: [Self; 5] = [Self::Live, Self::Silent, Self::Gone, Self::Draining, Self::Departed];

    /// The word in the API and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Silent => "silent",
            Self::Gone => "gone",
            Self::Draining => "draining",
            Self::Departed => "departed",
        }
    }

    /// The state of a region of which this is the best node.
    pub fn region(self) -> RegionState {
        match self {
            Self::Live => RegionState::Live,
            Self::Silent => RegionState::Silent,
            Self::Gone => RegionState::Gone,
            Self::Draining | Self::Departed => RegionState::Draining,
        }
    }
}

impl fmt::Display for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
