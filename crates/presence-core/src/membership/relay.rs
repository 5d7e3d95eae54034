//! Relaying: what a node can't hear directly, one other relays to it. One hop, decided from heartbeats alone, and bounded.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{NodeHash, Region};
use crate::identity::Identity;
use crate::io::mesh_view::PeerState;
use crate::io::output::Recipients;
use crate::membership::Membership;
use crate::membership::peer::Peer;
use crate::outputs::Outputs;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Mono;
use crate::wire::{self, Broadcast, Relayed, SenderId};

/// Most messages that are relayed in a second, each to the nodes of one region: beyond that, deltas and facts heal by being asked
/// for.
const RELAYED_PER_SECOND: u32 = 500;
/// Of those, how many are kept for heartbeats, without which the author would seem silent.
const RELAYED_BEATS: u32 = 100;
/// A node whose last tick is longer ago has too much to do already.
const TICK_LATE_MS: u64 = 600;

/// From which author to which reader this node relays, and how much of that it may do.
#[derive(Debug, Default)]
pub(super) struct Relay {
    pairs: BTreeSet<(NodeHash, NodeHash)>,
    second: u64,
    count: u32,
    /// Messages that were to be relayed, but were too many or came while this node was too busy.
    dropped: u64,
    ticked_at: Mono,
}

/// What is relayed: a part of what may be sent in a second is reserved for heartbeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Relaying {
    Heartbeat,
    Other,
}

impl Relaying {
    /// `None`: it is for one reader only.
    pub(crate) fn of(broadcast: &Broadcast) -> Option<Self> {
        match broadcast {
            Broadcast::Heartbeat(_) => Some(Self::Heartbeat),
            Broadcast::Receipts(_) => None,
            _ => Some(Self::Other),
        }
    }
}

impl Relay {
    fn allows(&mut self, relaying: Relaying, now: Mono) -> bool {
        let most = match relaying {
            Relaying::Heartbeat => RELAYED_PER_SECOND,
            Relaying::Other => RELAYED_PER_SECOND - RELAYED_BEATS,
        };
        if self.second != now.second() {
            (self.second, self.count) = (now.second(), 0);
        }
        let allowed = now.since(self.ticked_at) <= TICK_LATE_MS && self.count < most;
        self.count += u32::from(allowed);
        self.dropped += u64::from(!allowed);
        allowed
    }
}

impl Membership {
    /// The node ticks: it is not too busy to relay.
    pub(crate) fn ticked(&mut self, now: Mono) {
        self.relay.ticked_at = now;
    }

    /// How many messages were not relayed, though another node can't hear their author.
    pub(crate) fn not_relayed(&self) -> u64 {
        self.relay.dropped
    }

    /// Whether a relayed message is its author's: signed with the key that its author was first heard with. The first one
    /// stays until the author is gone. One of a version that signs nothing must have been heard directly.
    pub(crate) fn believes_relayed(&self, me: &Identity, author: &SenderId, message: &[u8]) -> bool {
        let peer = self.peers.get(&me.table_of(author).node);
        let known = peer.filter(|peer| peer.state != PeerState::Gone).and_then(|peer| peer.key);
        match (wire::signature(message), &me.key) {
            _ if injected(Fault::RelayedUnsigned) => true,
            (Some((signed, signature)), Some(key)) => {
                known.is_none_or(|known| known == signature.public) && signature.is_of(signed, key)
            }
            _ => known.is_none() && peer.is_some_and(|peer| peer.met),
        }
    }

    /// Whether a message that came over a link of its author's name is that author's. With one secret for all, each node can
    /// make a certificate in any name: it must be signed with the key that the name was first heard with, until that node has
    /// left or is gone. One of a version that signs nothing has no key.
    pub(crate) fn believes_direct(&self, me: &Identity, author: &SenderId, message: &[u8]) -> bool {
        let Some(key) = me.key.as_ref().filter(|_| !injected(Fault::AnyKey)) else { return true };
        let known = self.peers.get(&me.table_of(author).node).and_then(Peer::pinned_key);
        match (known, wire::signature(message)) {
            (None, None) => true,
            (None, Some((signed, signature))) => signature.is_of(signed, key),
            (Some(known), Some((signed, signature))) => known == signature.public && signature.is_of(signed, key),
            (Some(_), None) => false,
        }
    }

    /// Whether the key of a node is known.
    pub(crate) fn knows_key_of(&self, node: NodeHash) -> bool {
        !injected(Fault::AnyKey) && self.peers.get(&node).is_some_and(|peer| peer.pinned_key().is_some())
    }

    /// Whether this node relays to that reader what `author` publishes: the reader names us but not the author, and of the nodes
    /// that it names and that name the author we are the lowest.
    fn relays(&self, me: NodeHash, author: NodeHash, reader: &Peer, now: Mono) -> bool {
        let hears_author = |node: &NodeHash| {
            if *node == me {
                self.peers.get(&author).is_some_and(|peer| peer.heard_directly(now))
            } else {
                self.peers.get(node).is_some_and(|peer| peer.hears(author))
            }
        };
        reader.state == PeerState::Live
            && reader.heard_directly(now)
            && reader.heard_nodes.iter().find(hears_author) == Some(me)
    }

    /// The nodes to which this node relays what `author` publishes.
    fn readers_of(&self, me: NodeHash, author: NodeHash, now: Mono) -> Vec<NodeHash> {
        let deaf = self.peers.iter().filter(|(_, peer)| peer.heard_nodes.missing().contains(&author));
        deaf.filter(|(_, peer)| self.relays(me, author, peer, now)).map(|(hash, _)| *hash).collect()
    }

    /// Relays what was heard directly from its author.
    pub(crate) fn relay(
        &mut self,
        me: NodeHash,
        author: NodeHash,
        message: &[u8],
        relaying: Relaying,
        now: Mono,
        out: &mut Outputs,
    ) {
        let readers = self.readers_of(me, author, now);
        let begun = readers.iter().copied().filter(|reader| self.relay.pairs.insert((author, *reader))).collect();
        if relaying == Relaying::Other {
            self.relay_heartbeat(author, begun, now, out);
        }
        self.relay_to(readers, &Relayed { age_ms: 0, message: message.to_vec() }, relaying, now, out);
    }

    /// Begins to relay, with the author's last heartbeat, where it has become necessary; ends where it is not.
    pub(crate) fn review_relays(&mut self, me: NodeHash, now: Mono, out: &mut Outputs) {
        let deaf = self.peers.iter().filter(|(_, reader)| !reader.heard_nodes.missing().is_empty());
        let needed: BTreeSet<(NodeHash, NodeHash)> = deaf
            .flat_map(|(hash, reader)| {
                let authors = reader.heard_nodes.missing().iter().filter(|author| {
                    let heard = self.peers.get(author).is_some_and(|peer| peer.heard_directly(now));
                    heard && self.relays(me, **author, reader, now)
                });
                authors.map(move |author| (*author, *hash))
            })
            .collect();
        let mut begun: BTreeMap<NodeHash, Vec<NodeHash>> = BTreeMap::new();
        for (author, reader) in needed.difference(&self.relay.pairs) {
            begun.entry(*author).or_default().push(*reader);
        }
        for (author, readers) in begun {
            self.relay_heartbeat(author, readers, now, out);
        }
        self.relay.pairs = needed;
    }

    fn relay_heartbeat(&mut self, author: NodeHash, readers: Vec<NodeHash>, now: Mono, out: &mut Outputs) {
        let Some(peer) = self.peers.get(&author).filter(|peer| !peer.beat_bytes.is_empty()) else { return };
        let relayed = Relayed { age_ms: now.since(peer.beat_at), message: peer.beat_bytes.clone() };
        self.relay_to(readers, &relayed, Relaying::Heartbeat, now, out);
    }

    /// Orders one message for each region of these readers.
    fn relay_to(
        &mut self,
        readers: Vec<NodeHash>,
        relayed: &Relayed,
        relaying: Relaying,
        now: Mono,
        out: &mut Outputs,
    ) {
        let mut regions: BTreeMap<Region, Vec<NodeHash>> = BTreeMap::new();
        for (reader, peer) in readers.into_iter().filter_map(|reader| Some((reader, self.peers.get(&reader)?))) {
            regions.entry(peer.region.clone()).or_default().push(reader);
        }
        for (region, nodes) in regions {
            if out.announced() && self.relay.allows(relaying, now) {
                let to = match nodes[..] {
                    [one] => Recipients::One(one),
                    _ => Recipients::Several { region, nodes },
                };
                out.relay(to, relayed.clone());
            }
        }
    }
}
