//! What nodes hold of one that left: compared at every heartbeat, or pages would differ where nobody heard it whole.
//!
//! All that is known of such a table is joined: of a row the greatest number, of the time that is left the least. Who
//! misses something asks whoever shows other rows, so all know the same within a heartbeat or two.

use crate::id::{NodeHash, Region};
use crate::membership::rotation::in_turn;
use crate::membership::{PEERS_MAX, Path, PeerState};
use crate::node::Node;
use crate::presence::row::TableKey;
use crate::presence::row::Weight;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Now;
use crate::wire::Held;

/// How long the tabs of a node that left on purpose still count.
pub(crate) const HELD_MS: u64 = 30_000;
/// How long it is remembered, and said, that a table has run out.
const RUN_OUT_MS: u64 = 120_000;
/// How many of those that left a heartbeat names: with more, in turn.
const NAMED: usize = 8;

impl Node {
    /// Who left, and what is known of them here, for a heartbeat.
    pub(crate) fn name_left(&mut self, now_ms: u64) -> (Vec<TableKey>, Vec<Held>) {
        let all: Vec<TableKey> = self.held.keys().chain(self.run_out.keys()).copied().collect();
        let left = in_turn(&all, &mut self.beating.left, NAMED);
        let held = left.iter().map(|key| self.held_of(*key, now_ms)).collect();
        (left, held)
    }

    fn held_of(&self, key: TableKey, now_ms: u64) -> Held {
        let until_ms = self.held.get(&key).copied().unwrap_or(0);
        let (whole, complete) = self.copies.get(&key).map_or((0, false), |copy| (copy.whole, copy.complete()));
        let root = self.presence.table(key).map_or(0, |rows| rows.table.short_root());
        Held { left_ms: until_ms.saturating_sub(now_ms), whole, complete, root }
    }

    /// A heartbeat names somebody who has left, and says what its sender holds.
    pub(crate) fn heard_of_left(&mut self, from: NodeHash, key: TableKey, theirs: Option<Held>, path: Path, now: Now) {
        let known = self.held.contains_key(&key);
        if key == self.own.key || self.run_out.contains_key(&key) || (!known && self.held.len() >= PEERS_MAX) {
            return;
        }
        let left_ms = theirs.map_or(HELD_MS, |held| held.left_ms.saturating_sub(path.age_ms));
        if left_ms == 0 && !known && self.presence.table(key).is_none() {
            return;
        }
        if !known || !injected(Fault::DepartedNotCompared) {
            self.hold_until(key, now.mono_ms + left_ms.min(HELD_MS));
        }
        self.presence.weigh(key, Weight::Held);
        if self.peers.get(&key.node).is_some_and(|peer| peer.incarnation == key.incarnation && !peer.left()) {
            self.judge(key.node, PeerState::Draining, now);
        }
        self.compare_held(from, key, theirs, now);
    }

    /// Who may know more is asked.
    fn compare_held(&mut self, from: NodeHash, key: TableKey, theirs: Option<Held>, now: Now) {
        let ours = self.held_of(key, now.mono_ms);
        let copy = self.copies.entry(key).or_default();
        if let Some(theirs) = theirs.filter(|theirs| theirs.complete) {
            copy.ends_at(theirs.whole, now.mono_ms);
        }
        let differs = theirs.is_none_or(|theirs| theirs.root != ours.root || theirs.whole > ours.whole);
        if differs && !copy.complete() && !injected(Fault::DepartedNotCompared) {
            copy.differs.insert(from);
        }
    }

    /// A node has left: its tabs are held. What has run out is not taken again.
    pub(crate) fn hold(&mut self, key: TableKey, region: &Region, left_ms: u64, now: Now) {
        if self.run_out.contains_key(&key) {
            return;
        }
        self.hold_until(key, now.mono_ms + left_ms.min(HELD_MS));
        self.presence.open_table(key, region, Weight::Held);
    }

    /// The lesser time counts.
    fn hold_until(&mut self, key: TableKey, until_ms: u64) {
        let known = self.held.entry(key).or_insert(until_ms);
        *known = (*known).min(until_ms);
    }

    /// Forgets tables whose held time has run out, and the nodes that left them.
    pub(crate) fn end_held(&mut self, now: Now) {
        let over: Vec<TableKey> =
            self.held.iter().filter(|(_, until_ms)| **until_ms <= now.mono_ms).map(|(key, _)| *key).collect();
        for key in over.into_iter().filter(|_| !injected(Fault::EndlessHold)) {
            self.held.remove(&key);
            self.run_out.insert(key, now.mono_ms + RUN_OUT_MS);
            self.presence.drop_table(key);
            self.copies.remove(&key);
            if self.peers.get(&key.node).is_some_and(|peer| peer.incarnation == key.incarnation && peer.left()) {
                self.peers.remove(&key.node);
                self.regions_stale = true;
            }
        }
        self.run_out.retain(|_, until_ms| *until_ms > now.mono_ms);
    }
}
