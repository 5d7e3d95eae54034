//! Going round: what a node can't hear directly, one other passes on. One hop, decided from heartbeats alone.

use std::collections::BTreeSet;

use crate::id::NodeHash;
use crate::input::{Now, Output, Urgency};
use crate::node::Node;
use crate::peer::Judged;
use crate::wire::{Passed, Said};

impl Node {
    /// Whom this node passes on what `author` publishes: those that name us but not the author, where of the nodes
    /// that they name and that name the author we are the lowest.
    fn needs_passing(&self, author: NodeHash, now_ms: u64) -> Vec<NodeHash> {
        let hears_author = |node: &NodeHash| {
            if *node == self.hash {
                self.peers.get(&author).is_some_and(|peer| peer.heard_directly(now_ms))
            } else {
                self.peers.get(node).is_some_and(|peer| peer.beat.hears.contains(&author))
            }
        };
        let deaf = self.peers.iter().filter(|(hash, peer)| {
            **hash != author
                && peer.state == Judged::Live
                && peer.heard_directly(now_ms)
                && !peer.beat.hears.contains(&author)
                && peer.beat.hears.iter().copied().filter(|node| hears_author(node)).min() == Some(self.hash)
        });
        deaf.map(|(hash, _)| *hash).collect()
    }

    /// Passes on what was heard directly from its author.
    pub(crate) fn pass_on(&mut self, author: NodeHash, bytes: &[u8], heartbeat: bool, now: Now) {
        for reader in self.needs_passing(author, now.mono_ms) {
            let begun = !self.passing.insert((author, reader));
            if !begun && !heartbeat {
                self.pass_heartbeat(author, reader, now);
            }
            self.pass(reader, 0, bytes.to_vec());
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
        self.pass(reader, age_ms, bytes);
    }

    fn pass(&mut self, reader: NodeHash, age_ms: u64, message: Vec<u8>) {
        if self.speaking {
            let bytes = Said::Passed(Passed { age_ms, message }).write(&self.sender());
            self.outputs.push(Output::Publish { to: Some(reader), bytes, urgency: Urgency::High });
        }
    }
}
