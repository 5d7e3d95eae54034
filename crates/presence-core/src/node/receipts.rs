//! Receipts of writes, carried between the facts, the pages and the other nodes.

use crate::facts::FactChange;
use crate::id::NodeHash;
use crate::node::Node;
use crate::receipts::FOLLOWED_MS;
use crate::time::{Mono, Now};
use crate::wire::ReceiptBundle;

impl Node {
    /// What became different about facts, to those who follow them.
    pub(super) fn settle_facts(&mut self, now: Now) {
        for change in self.facts.take_changes() {
            self.follow(&change, now);
            self.render.fact_changed(change, now);
        }
    }

    /// What the passing of time alone changes.
    pub(super) fn tend_receipts(&mut self, now: Mono) {
        self.receipts.prune(now);
        self.render.tend_minute(|room| self.local.is_drawn(room), now);
    }

    /// Follows a write that asks for receipts. What is older comes late, from a node that lacked it for a while.
    fn follow(&mut self, change: &FactChange, now: Now) {
        let time = self.membership.node_time(now);
        let fresh = change.asks.as_ref().filter(|asked| time.since(asked.stamp.time) < FOLLOWED_MS);
        let shown = self.render.view(&change.room).map_or(0, |view| view.version);
        self.receipts.follow(&self.me, change, fresh, shown, now.mono);
    }

    /// Receipts that another node sends for writes of this one.
    pub(super) fn take_receipts(&mut self, from: NodeHash, bundle: &ReceiptBundle, now: Now) {
        if let Some(peer) = self.membership.peer(from) {
            self.receipts.take(self.me.hash, &peer.region, bundle, now.mono);
        }
    }

    /// What follows from the last input: rooms that no page shows, and what pages and other nodes are told.
    pub(super) fn settle_receipts(&mut self, now: Now) {
        for room in self.receipts.unshown() {
            let view = self.render.view(&room).filter(|_| !self.local.is_drawn(&room.hash(self.me.digest)));
            if let Some(version) = view.map(|view| view.version) {
                self.receipts.shown(&self.me, &room, version, false, now.mono);
            }
        }
        for change in self.receipts.take_changes() {
            self.render.receipts_changed(change, now.mono);
        }
        self.receipts.send(now.mono, &mut self.out);
    }
}
