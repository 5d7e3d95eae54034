//! Drain round: what a node can't hear directly, one other passes on. One hop, decided from heartbeats alone, and bounded.

use std::collections::BTreeSet;

use crate::id::NodeHash;
use crate::io::output::{Output, Urgency};
use crate::membership::PeerState;
use crate::node::Node;
use crate::time::Now;
use crate::wire::{Broadcast, Relayed};

/// Most messages that are passed on in a second: beyond that, deltas and facts heal by being asked for.
const PASSED_PER_SECOND: u32 = 500;
/// As many of those are kept for heartbeats, without which the author would seem silent.
const PASSED_BEATS: u32 = 100;
/// A node whose last tick is longer ago has too much to do already.
const TICK_LATE_MS: u64 = 600;

/// How much was passed on in this second.
#[derive(Debug, Default)]
pub(crate) struct RelayBudget {
    second: u64,
    count: u32,
}

impl RelayBudget {
    fn allows(&mut self, most: u32, now_ms: u64) -> bool {
        if self.second != now_ms / 1_000 {
            *self = Self { second: now_ms / 1_000, count: 0 };
        }
        let allowed = self.count < most;
        self.count += u32::from(allowed);
        allowed
    }
}

impl Node {
    /// Whom this node passes on what `author` publishes: those that name us but not the author, where of the nodes
    /// that they name and that name the author we are the lowest.
    fn needs_passing(&self, author: NodeHash, now_ms: u64) -> Vec<NodeHash> {
        let hears_author = |node: &NodeHash| {
            if *node == self.hash {
                self.peers.get(&author).is_some_and(|peer| peer.heard_directly(now_ms))
            } else {
                self.peers.get(node).is_some_and(|peer| peer.beat.names(author))
            }
        };
        let deaf = self.peers.iter().filter(|(hash, peer)| {
            **hash != author
                && peer.state == PeerState::Live
                && peer.heard_directly(now_ms)
                && !peer.beat.names(author)
                && peer.beat.hears.iter().copied().filter(|node| hears_author(node)).min() == Some(self.hash)
        });
        deaf.map(|(hash, _)| *hash).collect()
    }

    /// Passes on what was heard directly from its author.
    pub(crate) fn relay(&mut self, author: NodeHash, bytes: &[u8], heartbeat: bool, now: Now) {
        for reader in self.needs_passing(author, now.mono_ms) {
            let begun = !self.passing.insert((author, reader));
            if !begun && !heartbeat {
                self.pass_heartbeat(author, reader, now);
            }
            let most = if heartbeat { PASSED_PER_SECOND } else { PASSED_PER_SECOND - PASSED_BEATS };
            self.pass(reader, 0, bytes.to_vec(), most, now);
        }
    }

    /// Begins to pass on, with the author's last heartbeat, where it has become necessary; ends where it is not.
    pub(crate) fn review_passing(&mut self, now: Now) {
        let authors: Vec<NodeHash> =
            self.peers.iter().filter(|(_, peer)| peer.heard_directly(now.mono_ms)).map(|(hash, _)| *hash).collect();
        let mut needed: BTreeSet<(NodeHash, NodeHash)> = BTreeSet::new();
        for author in authors {
            needed.extend(self.needs_passing(author, now.mono_ms).into_iter().map(|reader| (author, reader)));
        }
        let begun: Vec<(NodeHash, NodeHash)> = needed.difference(&self.passing).copied().collect();
        for (author, reader) in begun {
            self.pass_heartbeat(author, reader, now);
        }
        self.passing = needed;
    }

    fn pass_heartbeat(&mut self, author: NodeHash, reader: NodeHash, now: Now) {
        let Some(peer) = self.peers.get(&author).filter(|peer| !peer.beat_bytes.is_empty()) else { return };
        let (age_ms, bytes) = (now.mono_ms.saturating_sub(peer.beat_ms), peer.beat_bytes.clone());
        self.pass(reader, age_ms, bytes, PASSED_PER_SECOND, now);
    }

    /// Passes a message on, unless `most` of them have been passed on in this second.
    fn pass(&mut self, reader: NodeHash, age_ms: u64, message: Vec<u8>, most: u32, now: Now) {
        if !self.speaking {
            return;
        }
        let ticks_late = now.mono_ms.saturating_sub(self.ticked_ms) > TICK_LATE_MS;
        if ticks_late || !self.passed_on.allows(most, now.mono_ms) {
            self.not_passed += 1;
            return;
        }
        let bytes = Broadcast::Relayed(Relayed { age_ms, message }).write(&self.sender());
        self.outputs.push(Output::Publish { to: Some(reader), bytes, urgency: Urgency::High });
    }
}
