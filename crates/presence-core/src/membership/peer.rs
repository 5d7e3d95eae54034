//! Another node, seen from this one.

use crate::app::region::Place;
use crate::id::{NodeHash, NodeName, Region};
use crate::io::mesh_view::PeerState;
use crate::membership::belief::Doubt;
use crate::membership::hearing::HeardNodes;
use crate::membership::heartbeat::HEARTBEAT_MS;
use crate::membership::round_trips::RoundTrips;
use crate::presence::row::TableKey;
use crate::time::{Incarnation, Mono, Now, Wall};
use crate::wire::{Heartbeat, KnownNodes, SenderId};

/// How long a node may be silent before its rows are doubted. Heartbeats are a second apart, so one that is frozen for 3 s is
/// not doubted, on links with up to half a second of delay.
pub(crate) const LEASE_MS: u64 = 4_500;
/// Nodes heard directly this recently are named in heartbeats.
pub(crate) const HEARS_MS: u64 = 1_500;
/// The same of nodes whose heartbeats are 1.5 s apart. A relay begins then, well within the lease.
const HEARS_SLOW_MS: u64 = 2_250;

/// A node that knows more nodes than this sends heartbeats less often: each node hears all of them.
const MANY_NODES: u64 = 64;
/// This often: one may be lost within the lease.
const HEARTBEAT_SLOW_MS: u64 = 1_500;

/// How far apart the heartbeats of a node are that says this of the nodes that it knows.
pub(super) fn heartbeat_every_ms(known: Option<KnownNodes>) -> u64 {
    if known.is_some_and(|known| known.count > MANY_NODES) { HEARTBEAT_SLOW_MS } else { HEARTBEAT_MS }
}

/// How a message reached this node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// The node that relayed it, if it did not come from its author.
    pub(crate) via: Option<NodeHash>,
    /// Since it was heard.
    pub(crate) age_ms: u64,
}

impl Path {
    pub(crate) const DIRECT: Self = Self { via: None, age_ms: 0 };
}

/// Another node. Only membership changes it.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) name: NodeName,
    pub(crate) region: Region,
    pub(crate) place: Place,
    pub(crate) incarnation: Incarnation,
    /// The key that signs what it says, and whether it was ever heard directly: one that relays it can change neither.
    pub(super) key: Option<[u8; 32]>,
    pub(super) met: bool,
    /// It has said itself that it leaves: the next start of its name may have another key.
    pub(super) said_farewell: bool,
    pub(crate) state: PeerState,
    /// When the state became what it is, by this node's clock.
    pub(crate) state_since: Wall,
    /// Directly or through another.
    pub(crate) heard_at: Mono,
    pub(super) direct_at: Option<Mono>,
    /// When something last came from it directly, whether or not that was late.
    pub(super) arrived_at: Option<Mono>,
    /// What comes from it directly comes later than the lease allows, and says nothing about now.
    pub(crate) late: bool,
    pub(crate) via: Option<NodeHash>,
    pub(super) beat: Heartbeat,
    pub(super) heard_nodes: HeardNodes,
    pub(super) beat_at: Mono,
    /// The sender's moment of the newest heartbeat that came directly.
    pub(super) direct_beat_ms: Option<u64>,
    /// It has given a heartbeat of this start back: it knows of it.
    pub(super) echoed: bool,
    /// It counts this node's rows wrong.
    pub(super) doubt: Option<Doubt>,
    /// The heartbeat as it came, to be relayed.
    pub(super) beat_bytes: Vec<u8>,
    pub(super) round_trips: RoundTrips,
}

impl Peer {
    pub(super) fn new(sender: &SenderId, region: &Region, state: PeerState, now: Now) -> Self {
        Self {
            name: sender.name.clone(),
            region: region.clone(),
            place: Place::default(),
            incarnation: sender.incarnation,
            key: None,
            met: false,
            said_farewell: false,
            state,
            state_since: now.wall,
            heard_at: now.mono,
            direct_at: None,
            arrived_at: None,
            late: false,
            via: None,
            beat: Heartbeat { region: region.clone(), ..Heartbeat::nothing() },
            heard_nodes: HeardNodes::default(),
            beat_at: Mono::default(),
            direct_beat_ms: None,
            echoed: false,
            doubt: None,
            beat_bytes: Vec::new(),
            round_trips: RoundTrips::default(),
        }
    }

    pub(crate) fn table(&self, hash: NodeHash) -> TableKey {
        TableKey { node: hash, incarnation: self.incarnation }
    }

    /// How recently it has to be heard to count as heard: as its last heartbeat says how often they come.
    pub(super) fn hears_ms(&self) -> u64 {
        if heartbeat_every_ms(self.beat.known) > HEARTBEAT_MS { HEARS_SLOW_MS } else { HEARS_MS }
    }

    pub(crate) fn heard_directly(&self, now: Mono) -> bool {
        self.direct_at.is_some_and(|at| now.since(at) < self.hears_ms())
    }

    /// The key that what is said in its name must be signed with.
    pub(super) fn pinned_key(&self) -> Option<[u8; 32]> {
        self.key.filter(|_| self.state != PeerState::Gone && !self.said_farewell)
    }

    pub(super) fn is_silent(&self) -> bool {
        matches!(self.state, PeerState::Silent | PeerState::Gone)
    }

    /// Whether its clock may be believed: nothing of what it says comes through another node.
    pub(super) fn says_its_clock(&self, now: Mono) -> bool {
        self.arrived_at.is_some_and(|at| now.since(at) < LEASE_MS)
    }

    /// Whether something comes from it directly, even if late.
    pub(crate) fn arrives(&self, now: Mono) -> bool {
        self.arrived_at.is_some_and(|at| now.since(at) < self.hears_ms())
    }

    /// Whether something came from it directly within a lease, and each time too late.
    pub(crate) fn is_late(&self, now: Mono) -> bool {
        self.late && self.arrived_at.is_some_and(|at| now.since(at) < LEASE_MS)
    }

    /// Whether it has counted this node's rows wrong for a while.
    pub(crate) fn is_doubting(&self) -> bool {
        self.doubt.is_some_and(Doubt::is_told)
    }

    /// How far away it is.
    pub(crate) fn round_trip_ms(&self) -> Option<u32> {
        self.round_trips.shortest()
    }

    /// The number of its newest change that it has announced.
    pub(crate) fn sequence(&self) -> u64 {
        self.beat.sequence
    }

    /// For how long it has received every published message, as its last heartbeat says.
    pub(crate) fn complete_ms(&self, now: Mono) -> Option<u64> {
        Some(self.beat.complete_ms?.saturating_add(now.since(self.beat_at)))
    }

    pub(crate) fn left(&self) -> bool {
        matches!(self.state, PeerState::Draining | PeerState::Departed)
    }

    /// What its wall clock says now, as far as can be known.
    pub(crate) fn clock(&self, now: Mono) -> Wall {
        // Of a late node only one of the two ways may be slow: half of both would be wrong by seconds.
        let half = self.round_trip_ms().filter(|_| !self.late).map_or(0, u64::from) / 2;
        Wall(self.beat.wall_ms) + now.since(self.beat_at) + half
    }

    /// Notes that something came from it. Returns whether that proves that it lives: what comes late does not.
    pub(super) fn heard(&mut self, path: Path, now: Mono) -> bool {
        if path.via.is_none() {
            (self.arrived_at, self.met) = (Some(now), true);
            if self.late {
                return false;
            }
        }
        let heard_at = now - path.age_ms;
        self.heard_at = self.heard_at.max(heard_at);
        match path.via {
            None => (self.direct_at, self.via) = (Some(heard_at), None),
            Some(via) if !self.heard_directly(now) => self.via = Some(via),
            Some(_) => {}
        }
        true
    }
}
