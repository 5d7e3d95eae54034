//! Nodes that left on purpose: until when their tabs count, compared at every heartbeat so that all nodes know the same.
//!
//! What several nodes know of such a table is merged: the greatest number of each row, the shortest time left. A node
//! whose rows differ asks for the others, so all nodes agree within one or two heartbeats.

use std::collections::BTreeMap;

use crate::id::{NodeHash, Region};
use crate::identity::Identity;
use crate::io::mesh_view::PeerState;
use crate::membership::peer::{HEARS_MS, Path};
use crate::membership::rotation::in_turn;
use crate::membership::{Membership, PEERS_MAX, PeerEvent};
use crate::outputs::Outputs;
use crate::presence::row::TableKey;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Incarnation, Mono, Now};
use crate::wire::HeldTable;

/// How long the tabs of a node that left on purpose still count.
pub(crate) const HELD_MS: u64 = 30_000;
/// How long it is remembered, and said, that a table has run out.
const RUN_OUT_MS: u64 = 120_000;
/// Of one node this many starts are held at a time: a node that is started again and again leaves few visitors each time.
const HELD_OF_ONE_MAX: usize = 8;
/// Most tables that are held at a time, and of which it is remembered that they have run out.
const HELD_MAX: usize = 2 * PEERS_MAX;
const RUN_OUT_MAX: usize = 1_024;
/// How many of those that left a heartbeat names: with more, in turn.
const NAMED: usize = 8;

/// The tables of nodes that left.
#[derive(Debug, Default)]
pub(crate) struct DepartedTables {
    /// Those whose tabs count, and until when.
    held: BTreeMap<TableKey, Mono>,
    /// Those that have run out, and until when that is remembered.
    run_out: BTreeMap<TableKey, Mono>,
    turn: usize,
}

impl DepartedTables {
    pub(super) fn is_held(&self, table: TableKey) -> bool {
        self.held.contains_key(&table)
    }

    pub(super) fn has_run_out(&self, table: TableKey) -> bool {
        self.run_out.contains_key(&table)
    }

    /// This process was suspended: held tabs run out everywhere at the same moment, whichever node slept.
    pub(super) fn shorten(&mut self, ms: u64) {
        self.held.values_mut().for_each(|until| *until = *until - ms);
    }

    /// The lesser time counts.
    fn hold(&mut self, table: TableKey, until: Mono) {
        let known = self.held.entry(table).or_insert(until);
        *known = (*known).min(until);
        if self.of(table.node).count() > HELD_OF_ONE_MAX && !injected(Fault::AllStartsHeld) {
            // Its tabs run out at the next tick, as if they had been held for their time.
            let oldest = self.of(table.node).next().expect("there are several");
            self.held.insert(oldest, Mono::default());
        }
    }

    /// The tables of one node that are held and have not run out, the oldest first.
    fn of(&self, node: NodeHash) -> impl Iterator<Item = TableKey> {
        let first = TableKey { node, incarnation: Incarnation::NONE };
        let last = TableKey { node, incarnation: Incarnation::MAX };
        self.held.range(first..=last).filter(|(_, until)| **until > Mono::default()).map(|(table, _)| *table)
    }

    /// Remembers that a table has run out. Of many the one that would be forgotten first makes room.
    fn ran_out(&mut self, table: TableKey, until: Mono) {
        self.run_out.insert(table, until);
        if self.run_out.len() > RUN_OUT_MAX {
            let first = self.run_out.iter().min_by_key(|(_, until)| **until).map(|(table, _)| *table);
            first.map(|first| self.run_out.remove(&first));
        }
    }
}

impl Membership {
    /// Until when the tabs of a node that left count.
    pub(crate) fn held_until(&self, table: TableKey) -> Option<Mono> {
        self.departed.held.get(&table).copied()
    }

    pub(crate) fn is_held(&self, table: TableKey) -> bool {
        self.departed.is_held(table)
    }

    pub(crate) fn has_run_out(&self, table: TableKey) -> bool {
        self.departed.has_run_out(table)
    }

    /// The greatest incarnation of a node whose tabs are held.
    pub(crate) fn held_incarnation(&self, node: NodeHash) -> Incarnation {
        self.departed.of(node).map(|table| table.incarnation).max().unwrap_or_default()
    }

    /// Tables of nodes that left, for the next heartbeat.
    pub(crate) fn departed_in_turn(&mut self) -> Vec<TableKey> {
        let departed = &mut self.departed;
        let all: Vec<TableKey> = departed.held.keys().chain(departed.run_out.keys()).copied().collect();
        in_turn(&all, &mut departed.turn, NAMED)
    }

    /// A heartbeat names a table whose node has left. Returns whether its rows are to be compared.
    pub(crate) fn heard_of_departed(
        &mut self,
        me: &Identity,
        table: TableKey,
        theirs: Option<HeldTable>,
        path: Path,
        now: Now,
        out: &mut Outputs,
    ) -> bool {
        let known = self.departed.is_held(table);
        if table == me.table() || self.departed.has_run_out(table) || (!known && self.departed.held.len() >= PEERS_MAX)
        {
            return false;
        }
        if self.says_that_it_stays(table, now.mono) {
            return false;
        }
        let left_ms = theirs.map_or(HELD_MS, |held| held.left_ms.saturating_sub(path.age_ms));
        if !known || !injected(Fault::DepartedNotCompared) {
            self.departed.hold(table, now.mono + left_ms.min(HELD_MS));
        }
        self.events.push(PeerEvent::Departed { table, region: None });
        if self.peers.get(&table.node).is_some_and(|peer| peer.incarnation == table.incarnation && !peer.left()) {
            self.judge(table.node, PeerState::Draining, now, out);
        }
        true
    }

    /// Whether the node of a table has said just now, itself, that it is there and not draining: no other knows better.
    fn says_that_it_stays(&self, table: TableKey, now: Mono) -> bool {
        let peer = self.peers.get(&table.node).filter(|peer| peer.incarnation == table.incarnation);
        let says = peer.is_some_and(|peer| {
            peer.state == PeerState::Live && !peer.beat.draining && now.since(peer.beat_at) < HEARS_MS
        });
        says && !injected(Fault::HearsayOfLeaving)
    }

    /// A node has left: its tabs are held. What has run out is not held again.
    pub(crate) fn hold(&mut self, table: TableKey, region: &Region, left_ms: u64, now: Mono) {
        let fits = self.departed.is_held(table) || self.departed.held.len() < HELD_MAX;
        if fits && !self.departed.has_run_out(table) {
            self.departed.hold(table, now + left_ms.min(HELD_MS));
            self.events.push(PeerEvent::Departed { table, region: Some(region.clone()) });
        }
    }

    /// Another node says of a table how long its tabs are held, and in which region its node was.
    pub(crate) fn heard_hold(&mut self, table: TableKey, held_ms: Option<u64>, region: Option<&Region>, now: Mono) {
        if self.says_that_it_stays(table, now) {
            return;
        }
        match (held_ms, region) {
            (Some(0), _) if self.departed.held.len() < HELD_MAX => {
                self.departed.held.insert(table, now);
            }
            (Some(held_ms), Some(region)) => self.hold(table, region, held_ms, now),
            // It is not known there yet that this node has left.
            (None, Some(region)) if self.departed.is_held(table) => {
                self.events.push(PeerEvent::Departed { table, region: Some(region.clone()) });
            }
            _ => {}
        }
    }

    /// Forgets tables whose held time has run out, and the nodes that left them.
    pub(crate) fn end_holds(&mut self, now: Mono) {
        let over: Vec<TableKey> =
            self.departed.held.iter().filter(|(_, until)| **until <= now).map(|(table, _)| *table).collect();
        for table in over.into_iter().filter(|_| !injected(Fault::EndlessHold)) {
            self.departed.held.remove(&table);
            self.departed.ran_out(table, now + RUN_OUT_MS);
            self.events.push(PeerEvent::HoldEnded { table });
            let peer = self.peers.get(&table.node);
            if peer.is_some_and(|peer| peer.incarnation == table.incarnation && peer.left()) {
                self.peers.remove(&table.node);
                self.events.push(PeerEvent::Forgotten { node: table.node });
            }
        }
        self.departed.run_out.retain(|_, until| *until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(number: u64) -> TableKey {
        TableKey { node: NodeHash(7), incarnation: Incarnation::new(number) }
    }

    #[test]
    fn of_a_node_that_is_started_again_and_again_the_last_starts_are_held() {
        let mut membership = Membership::default();
        let region = Region::new("ams").expect("a code");
        for number in 1..=10_000 {
            membership.hold(start(number), &region, HELD_MS, Mono(1_000));
            membership.end_holds(Mono(1_000));
        }
        let held: Vec<TableKey> = membership.departed.held.keys().copied().collect();
        assert_eq!(held, (9_993..=10_000).map(start).collect::<Vec<_>>());
        assert_eq!(membership.departed.run_out.len(), RUN_OUT_MAX);
        let ended = membership.take_events().into_iter().filter(|event| matches!(event, PeerEvent::HoldEnded { .. }));
        assert_eq!(ended.count(), 9_992, "the tables of the others are dropped");
    }
}
