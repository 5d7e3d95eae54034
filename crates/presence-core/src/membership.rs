//! How another node is judged: live, silent, gone, draining or departed.

pub(crate) mod clock_skew;
pub(crate) mod departed;
pub(crate) mod drain;
pub(crate) mod heartbeat;
pub(crate) mod relay;
pub(crate) mod rotation;

use std::collections::BTreeSet;

use crate::app::view::{Place, RegionState};
use crate::id::{NodeHash, NodeName, Region};
use crate::io::output::{Notice, Output, Urgency};
use crate::node::Node;
use crate::presence::row::TableKey;
use crate::presence::row::Weight;
use crate::pubsub::RecentNumbers;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Now;
use crate::wire::{Broadcast, Heartbeat, Sender};

/// How long a node may be silent before its rows are doubted.
pub(crate) const LEASE_MS: u64 = 4_000;
/// How long a node may be silent before its rows are forgotten.
const GONE_MS: u64 = 60_000;
/// How long a gone node is remembered by name.
const FORGOTTEN_MS: u64 = 3_600_000;
/// Who was heard directly this recently is named in heartbeats.
pub(crate) const HEARS_MS: u64 = 1_500;
/// Most nodes that are known at a time.
pub(crate) const PEERS_MAX: usize = 256;
/// Another node, seen from this one.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) name: NodeName,
    pub(crate) region: Region,
    pub(crate) place: Place,
    pub(crate) incarnation: u64,
    pub(crate) state: PeerState,
    /// Wall clock of this node when the state became what it is.
    pub(crate) since_ms: u64,
    /// Directly or through another.
    pub(crate) heard_ms: u64,
    pub(crate) direct_ms: Option<u64>,
    /// When something last came from it directly, whether or not that was late.
    pub(crate) arrived_ms: Option<u64>,
    /// What comes from it directly comes later than the lease allows, and says nothing about now.
    pub(crate) late: bool,
    pub(crate) via: Option<NodeHash>,
    pub(crate) beat: Heartbeat,
    pub(crate) beat_ms: u64,
    /// The sender's moment of the newest heartbeat that came directly.
    pub(crate) direct_beat_ms: Option<u64>,
    /// The heartbeat as it came, to be passed on.
    pub(crate) beat_bytes: Vec<u8>,
    pub(crate) round_trip_ms: Option<u32>,
    pub(crate) exchanged_ms: Option<u64>,
    pub(crate) messages: RecentNumbers,
}

/// How a peer is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PeerState {
    Live,
    Silent,
    Gone,
    Draining,
    Departed,
}

impl PeerState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Silent => "silent",
            Self::Gone => "gone",
            Self::Draining => "draining",
            Self::Departed => "departed",
        }
    }

    pub(crate) fn region(self) -> RegionState {
        match self {
            Self::Live => RegionState::Live,
            Self::Silent => RegionState::Silent,
            Self::Gone => RegionState::Gone,
            Self::Draining | Self::Departed => RegionState::Draining,
        }
    }
}

impl Peer {
    pub(crate) fn key(&self, hash: NodeHash) -> TableKey {
        TableKey { node: hash, incarnation: self.incarnation }
    }

    pub(crate) fn heard_directly(&self, now_ms: u64) -> bool {
        self.direct_ms.is_some_and(|direct_ms| now_ms.saturating_sub(direct_ms) < HEARS_MS)
    }

    /// Whether something comes from it directly, be it late.
    pub(crate) fn arrives(&self, now_ms: u64) -> bool {
        self.arrived_ms.is_some_and(|arrived_ms| now_ms.saturating_sub(arrived_ms) < HEARS_MS)
    }

    pub(crate) fn left(&self) -> bool {
        matches!(self.state, PeerState::Draining | PeerState::Departed)
    }

    /// What its wall clock says now, as far as can be known.
    pub(crate) fn wall_ms(&self, now_ms: u64) -> u64 {
        // Of a late node only one of the two ways may be slow: half of both would be wrong by seconds.
        let half = self.round_trip_ms.filter(|_| !self.late).map_or(0, u64::from) / 2;
        self.beat.wall_ms + now_ms.saturating_sub(self.beat_ms) + half
    }
}

/// How a message reached this node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// Who passed it on, if not its author.
    pub(crate) via: Option<NodeHash>,
    /// Since it was heard.
    pub(crate) age_ms: u64,
}

impl Node {
    /// Makes a peer of somebody who speaks, or a new incarnation of one.
    pub(crate) fn meet(&mut self, hash: NodeHash, sender: &Sender, region: &Region, now: Now) {
        // What was still on its way when a node had left, and its tabs had run out, must not bring it back.
        if hash == self.hash || self.run_out.contains_key(&TableKey { node: hash, incarnation: sender.incarnation }) {
            return;
        }
        let known = self.peers.get(&hash).map(|peer| (peer.incarnation, peer.state));
        match known {
            Some((incarnation, _)) if incarnation >= sender.incarnation => return,
            Some((incarnation, _)) => self.replaced(TableKey { node: hash, incarnation }),
            None => {
                if self.peers.len() >= PEERS_MAX && !self.forget_longest_gone() {
                    return;
                }
            }
        }
        // Somebody else may have said already that this incarnation leaves.
        let held = self.held.contains_key(&TableKey { node: hash, incarnation: sender.incarnation });
        let peer = Peer {
            name: sender.name.clone(),
            region: region.clone(),
            place: Place::default(),
            incarnation: sender.incarnation,
            state: if held { PeerState::Draining } else { PeerState::Live },
            since_ms: now.wall_ms,
            heard_ms: now.mono_ms,
            direct_ms: None,
            arrived_ms: None,
            late: false,
            via: None,
            beat: Heartbeat { region: region.clone(), ..Heartbeat::nothing() },
            beat_ms: 0,
            direct_beat_ms: None,
            beat_bytes: Vec::new(),
            round_trip_ms: None,
            exchanged_ms: None,
            messages: RecentNumbers::default(),
        };
        let key = peer.key(hash);
        let what = if known.is_some() { "is back as a new incarnation" } else { "is heard" };
        self.tell(false, Some(&peer), format!("Node {} {what}.", peer.name));
        self.peers.insert(hash, peer);
        self.presence.open_table(key, region, if held { Weight::Held } else { Weight::Counted });
        self.copies.entry(key).or_default();
        self.regions_stale = true;
    }

    /// A higher incarnation replaces the rows of a lower one, except those that are held.
    fn replaced(&mut self, key: TableKey) {
        if !self.held.contains_key(&key) && !injected(Fault::OldIncarnationStays) {
            self.presence.drop_table(key);
            self.copies.remove(&key);
        }
    }

    fn forget_longest_gone(&mut self) -> bool {
        let gone = self.peers.iter().filter(|(_, peer)| peer.state == PeerState::Gone);
        let Some(hash) = gone.min_by_key(|(_, peer)| peer.heard_ms).map(|(hash, _)| *hash) else { return false };
        self.peers.remove(&hash);
        self.regions_stale = true;
        true
    }

    /// Anything that is heard from an incarnation undoes the judgement, except what comes later than the lease.
    pub(crate) fn hear(&mut self, hash: NodeHash, path: Path, now: Now) {
        let Some(peer) = self.peers.get_mut(&hash) else { return };
        if path.via.is_none() {
            peer.arrived_ms = Some(now.mono_ms);
            if peer.late {
                return;
            }
        }
        let heard_ms = now.mono_ms.saturating_sub(path.age_ms);
        peer.heard_ms = peer.heard_ms.max(heard_ms);
        match path.via {
            None => (peer.direct_ms, peer.via) = (Some(heard_ms), None),
            Some(via) if !peer.heard_directly(now.mono_ms) => peer.via = Some(via),
            Some(_) => {}
        }
        if matches!(peer.state, PeerState::Silent | PeerState::Gone)
            && now.mono_ms.saturating_sub(peer.heard_ms) < LEASE_MS
        {
            let (key, region) = (peer.key(hash), peer.region.clone());
            let gone = peer.state == PeerState::Gone;
            self.judge(hash, PeerState::Live, now);
            self.presence.open_table(key, &region, Weight::Counted);
            if gone {
                self.copies.insert(key, crate::replication::Replica::default());
            }
        }
    }

    pub(crate) fn judge(&mut self, hash: NodeHash, state: PeerState, now: Now) {
        let Some(peer) = self.peers.get_mut(&hash).filter(|peer| peer.state != state) else { return };
        peer.state = state;
        peer.since_ms = now.wall_ms;
        let (warning, what) = match state {
            PeerState::Live => (false, "is heard again: its users count"),
            PeerState::Silent => (true, "is silent: its users are unsure"),
            PeerState::Gone => (true, "has been silent for 60 s: its users are dropped"),
            PeerState::Draining => (false, "is draining: its tabs are held for 30 s"),
            PeerState::Departed => (false, "has left"),
        };
        let peer = peer.clone();
        self.tell(warning, Some(&peer), format!("Node {} {what}.", peer.name));
        self.regions_stale = true;
    }

    /// Finds out who has been silent for too long.
    pub(crate) fn check_liveness(&mut self, now: Now) {
        let hashes: Vec<NodeHash> = self.peers.keys().copied().collect();
        for hash in hashes {
            let peer = &self.peers[&hash];
            let (key, silent_ms) = (peer.key(hash), now.mono_ms.saturating_sub(peer.heard_ms));
            match peer.state {
                PeerState::Live if silent_ms >= LEASE_MS => {
                    self.judge(hash, PeerState::Silent, now);
                    self.presence.weigh(key, Weight::Unsure);
                }
                PeerState::Silent if silent_ms >= GONE_MS => {
                    self.judge(hash, PeerState::Gone, now);
                    self.presence.drop_table(key);
                    self.copies.remove(&key);
                }
                // One that is only late would be met again as a live one at its next word.
                PeerState::Gone if silent_ms >= FORGOTTEN_MS && !peer.arrives(now.mono_ms) => {
                    self.peers.remove(&hash);
                    self.regions_stale = true;
                }
                _ => {}
            }
        }
    }

    pub(crate) fn tell(&mut self, warning: bool, peer: Option<&Peer>, message: String) {
        self.outputs.push(Output::Tell(Notice {
            warning,
            peer: peer.map(|peer| peer.name.as_str().to_owned()),
            region: peer.map(|peer| peer.region.clone()),
            message,
        }));
    }

    /// Publishes to all readers.
    pub(crate) fn say(&mut self, said: &Broadcast) {
        if self.settings.meshed && self.speaking {
            let bytes = said.write(&self.sender());
            let urgency = if matches!(said, Broadcast::Heartbeat(_)) { Urgency::Heartbeat } else { Urgency::High };
            self.outputs.push(Output::Publish { to: None, bytes, urgency });
        }
    }

    pub(crate) fn sender(&self) -> Sender {
        Sender { name: self.settings.name.clone(), incarnation: self.settings.incarnation, birth: self.settings.birth }
    }

    /// Who of these is known to be live: questions go there.
    pub(crate) fn live(&self) -> BTreeSet<NodeHash> {
        self.peers.iter().filter(|(_, peer)| peer.state == PeerState::Live).map(|(hash, _)| *hash).collect()
    }
}
