//! The other nodes: which there are, how each is judged, and what is said to and by them every second.

pub(crate) mod belief;
pub(crate) mod clock_skew;
pub(crate) mod departed;
pub(crate) mod drain;
mod hearing;
pub(crate) mod heartbeat;
mod holds;
pub(crate) mod known_regions;
pub(crate) mod peer;
pub(crate) mod relay;
mod rotation;
mod round_trips;

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{NodeHash, Region};
use crate::identity::Identity;
use crate::io::mesh_view::PeerState;
use crate::io::output::Severity;
use crate::membership::belief::Beliefs;
use crate::membership::clock_skew::ClockSkew;
use crate::membership::drain::Drain;
use crate::membership::hearing::NamedMax;
use crate::membership::heartbeat::HeartbeatSchedule;
use crate::membership::holds::DepartedTables;
use crate::membership::peer::{LEASE_MS, Path, Peer};
use crate::membership::relay::Relay;
pub(crate) use crate::membership::rotation::in_turn;
use crate::outputs::Outputs;
use crate::presence::row::{TableKey, Weight};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Mono, Now};
use crate::wire::{Heartbeat, SenderId};

/// How long a node may be silent before its rows are dropped.
const GONE_MS: u64 = 60_000;
/// How long a gone node is remembered by name.
const FORGOTTEN_MS: u64 = 3_600_000;
/// The operator hears of nodes that are too many this often.
const FULL_TOLD_MS: u64 = 60_000;
/// Most other nodes that are known at a time.
pub(crate) const PEERS_MAX: usize = 256;

/// What became different about another node, for the parts that hold something of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum PeerEvent {
    /// It is heard for the first time, or as a new incarnation that replaces the rows of an older one.
    Met { table: TableKey, region: Region, weight: Weight, replaced: Option<TableKey> },
    /// It was silent, or taken for killed, and is heard again; a gone one's rows were dropped.
    Recovered { table: TableKey, region: Region, was: PeerState },
    /// It was silent for a lease.
    FellSilent { table: TableKey },
    /// It was silent past the limit; its rows are dropped.
    Gone { table: TableKey },
    /// Its state is different.
    Judged,
    /// It is forgotten.
    Forgotten { node: NodeHash },
    /// It left on purpose, or another start of it is heard: all its tabs count for a while. The region is that of a table
    /// that may not be open yet.
    Departed { table: TableKey, region: Option<Region>, weight: Weight },
    /// What was held of it has run out.
    HoldEnded { table: TableKey },
}

/// All that is known of the other nodes.
#[derive(Debug, Default)]
pub(crate) struct Membership {
    peers: BTreeMap<NodeHash, Peer>,
    departed: DepartedTables,
    heartbeats: HeartbeatSchedule,
    skew: ClockSkew,
    relay: Relay,
    drain: Option<Drain>,
    beliefs: Beliefs,
    named_max: NamedMax,
    /// When this process started, or last went on after a suspension, and until when it rested then.
    resumed_at: Mono,
    grace_until: Mono,
    events: Vec<PeerEvent>,
    /// When the operator was told of a node that is one too many.
    full_told_at: Option<Mono>,
}

impl Membership {
    /// Nothing is known at a node's start.
    pub(crate) fn new(started: Mono) -> Self {
        Self { resumed_at: started, ..Self::default() }
    }

    pub(crate) fn peer(&self, node: NodeHash) -> Option<&Peer> {
        self.peers.get(&node)
    }

    /// The nearest node that is live, except these.
    pub(crate) fn nearest(&self, except: &BTreeSet<NodeHash>, now: Mono) -> Option<NodeHash> {
        let live = self.peers.iter().filter(|(_, peer)| peer.state == PeerState::Live && peer.heard_directly(now));
        let others = live.filter(|(hash, _)| !except.contains(hash));
        others.min_by_key(|(_, peer)| peer.round_trip_ms().unwrap_or(u32::MAX)).map(|(hash, _)| *hash)
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = (NodeHash, &Peer)> {
        self.peers.iter().map(|(hash, peer)| (*hash, peer))
    }

    /// Whether no other node is live.
    pub(crate) fn is_alone(&self) -> bool {
        self.peers.values().all(|peer| peer.state != PeerState::Live)
    }

    /// What became different since the last call, in order.
    pub(crate) fn take_events(&mut self) -> Vec<PeerEvent> {
        std::mem::take(&mut self.events)
    }

    /// This process goes on after it was suspended.
    pub(crate) fn resume(&mut self, suspended_ms: u64, grace_until: Mono, now: Mono) {
        (self.resumed_at, self.grace_until) = (now, grace_until);
        self.departed.shorten(suspended_ms);
    }

    /// A node of this incarnation says something: its table, if the node is known.
    pub(crate) fn hear_from(
        &mut self,
        me: &Identity,
        sender: &SenderId,
        path: Path,
        now: Now,
        out: &mut Outputs,
    ) -> Option<TableKey> {
        let table = me.table_of(sender);
        self.peers.get(&table.node).filter(|peer| peer.incarnation == table.incarnation)?;
        // Of what is relayed only heartbeats are signed, and rise: nothing else proves that its author lives.
        if path.via.is_none() {
            self.hear(table.node, path, now, out);
        }
        Some(table)
    }

    /// Makes a peer of a node that speaks, or a new incarnation of one.
    fn meet(&mut self, me: &Identity, sender: &SenderId, beat: &Heartbeat, path: Path, now: Now, out: &mut Outputs) {
        let (table, region) = (me.table_of(sender), &beat.region);
        // What was still on its way when a node had left, and its tabs had run out, must not bring it back.
        if table.node == me.hash || self.departed.has_left_for_good(table) {
            return;
        }
        let known = self.peers.get(&table.node).map(|peer| peer.incarnation);
        // Where two nodes had one name, the one that goes on may be the one that started earlier.
        let goes_on = path.via.is_none() && self.peers.get(&table.node).is_some_and(Peer::is_silent);
        if known.is_some_and(|incarnation| {
            incarnation == table.incarnation || (incarnation > table.incarnation && !goes_on)
        }) {
            return;
        }
        if known.is_none() && self.peers.len() >= PEERS_MAX && !self.forget_longest_gone() {
            return self.tell_full(sender, region, now.mono, out);
        }
        self.departed.refute(table);
        if path.via.is_none() {
            self.departed.goes_on(table);
        }
        let older = self.peers.get(&table.node).map(|peer| (peer.table(table.node), peer.region.clone(), peer.state));
        // Another node may have said already that this incarnation leaves.
        let held = self.departed.is_held(table);
        let (state, weight) = match self.has_crashed(table) {
            _ if !held => (PeerState::Live, Weight::Counted),
            true => (PeerState::Live, Weight::Expected),
            false => (PeerState::Draining, Weight::Held),
        };
        let what = match known {
            Some(incarnation) if incarnation > table.incarnation => "is heard in its earlier incarnation",
            Some(_) => "is back as a new incarnation",
            None => "is heard",
        };
        out.notice(Severity::Info, &sender.name, region, format!("Node {} {what}.", sender.name));
        let before = self.peers.get(&table.node).map(|peer| (peer.pinned_key(), peer.met)).unwrap_or_default();
        let mut peer = Peer::new(sender, region, state, now);
        (peer.key, peer.met) = before;
        self.peers.insert(table.node, peer);
        self.note_met(table.node);
        let replaced = older.filter(|_| !injected(Fault::OldIncarnationStays)).filter(|(older, region, state)| {
            // The rows of a gone one were dropped already.
            *state == PeerState::Gone || !self.hold_crashed(*older, region, now.mono)
        });
        let replaced = replaced.map(|(older, _, _)| older);
        self.events.push(PeerEvent::Met { table, region: region.clone(), weight, replaced });
    }

    /// Tells the operator, once a minute, that the mesh has too many nodes.
    fn tell_full(&mut self, sender: &SenderId, region: &Region, now: Mono, out: &mut Outputs) {
        if self.full_told_at.is_none_or(|at| now.since(at) >= FULL_TOLD_MS) {
            self.full_told_at = Some(now);
            let text = format!(
                "Node {} is not counted: this node already knows {PEERS_MAX} others, its limit. Run fewer nodes, or \
                 several meshes.",
                sender.name
            );
            out.notice(Severity::Warning, &sender.name, region, text);
        }
    }

    fn forget_longest_gone(&mut self) -> bool {
        let gone = self.peers.iter().filter(|(_, peer)| peer.state == PeerState::Gone);
        let Some(hash) = gone.min_by_key(|(_, peer)| peer.heard_at).map(|(hash, _)| *hash) else { return false };
        self.peers.remove(&hash);
        self.events.push(PeerEvent::Forgotten { node: hash });
        true
    }

    /// Anything that is heard from an incarnation undoes the judgement, except what comes later than the lease.
    fn hear(&mut self, hash: NodeHash, path: Path, now: Now, out: &mut Outputs) {
        let Some(peer) = self.peers.get_mut(&hash) else { return };
        if !peer.heard(path, now.mono) {
            return;
        }
        let was = peer.state;
        if matches!(was, PeerState::Silent | PeerState::Gone) && now.mono.since(peer.heard_at) < LEASE_MS {
            let (table, region) = (peer.table(hash), peer.region.clone());
            self.judge(hash, PeerState::Live, now, out);
            self.events.push(PeerEvent::Recovered { table, region, was });
        }
    }

    fn judge(&mut self, hash: NodeHash, state: PeerState, now: Now, out: &mut Outputs) {
        let Some(peer) = self.peers.get_mut(&hash).filter(|peer| peer.state != state) else { return };
        peer.state = state;
        peer.state_since = now.wall;
        let (severity, what) = match state {
            PeerState::Live => (Severity::Info, "is heard again: its users count again"),
            PeerState::Silent => (Severity::Warning, "is silent: its users are unsure"),
            PeerState::Gone => (Severity::Warning, "has been silent for 60 s: its users are dropped"),
            PeerState::Draining => (Severity::Info, "is draining: its tabs are held for 30 s"),
            PeerState::Departed => (Severity::Info, "has left"),
        };
        out.notice(severity, &peer.name, &peer.region, format!("Node {} {what}.", peer.name));
        self.events.push(PeerEvent::Judged);
    }

    /// Finds out which nodes have been silent for too long. Returns when the next lease ends.
    pub(crate) fn check_liveness(&mut self, now: Now, out: &mut Outputs) -> Option<Mono> {
        let hashes: Vec<NodeHash> = self.peers.keys().copied().collect();
        for hash in hashes {
            let peer = &self.peers[&hash];
            let (table, silent_ms) = (peer.table(hash), now.mono.since(peer.heard_at));
            match peer.state {
                PeerState::Live if silent_ms >= LEASE_MS => {
                    self.judge(hash, PeerState::Silent, now, out);
                    self.events.push(PeerEvent::FellSilent { table });
                }
                PeerState::Silent if silent_ms >= GONE_MS => {
                    self.judge(hash, PeerState::Gone, now, out);
                    self.events.push(PeerEvent::Gone { table });
                }
                // One that is only late would be met again as a live one at its next word.
                PeerState::Gone if silent_ms >= FORGOTTEN_MS && !peer.arrives(now.mono) => {
                    self.peers.remove(&hash);
                    self.events.push(PeerEvent::Forgotten { node: hash });
                }
                _ => {}
            }
        }
        self.peers.values().filter(|peer| peer.state == PeerState::Live).map(|peer| peer.heard_at + LEASE_MS).min()
    }
}
