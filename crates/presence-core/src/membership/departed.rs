//! Tables whose node has left or was killed: until when their tabs count, compared at every heartbeat so that all nodes know
//! the same.
//!
//! What several nodes know of such a table is merged: the greatest number of each row, the shortest time left. A node
//! whose rows differ asks for the others, so all nodes agree within one or two heartbeats.

use crate::id::{NodeHash, Region};
use crate::identity::Identity;
use crate::io::mesh_view::PeerState;
use crate::membership::holds::{Departure, Hold};
use crate::membership::peer::{LEASE_MS, Path};
use crate::membership::rotation::in_turn;
use crate::membership::{Membership, PEERS_MAX, PeerEvent};
use crate::outputs::Outputs;
use crate::presence::row::TableKey;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Incarnation, Mono, Now};
use crate::wire::{HeldTable, RowsAnswer};

/// How long the tabs of a node that left on purpose still count.
pub(crate) const HELD_MS: u64 = 30_000;
/// How long the tabs of a node that was killed count once its next start is heard.
const CRASHED_MS: u64 = 20_000;
/// How long it is remembered, and said, that a table has run out.
const RUN_OUT_MS: u64 = 120_000;
/// Most tables that are held at a time.
const HELD_MAX: usize = 2 * PEERS_MAX;
/// How many of those that left a heartbeat names: with more, in turn.
const NAMED: usize = 8;

impl Membership {
    /// Until when the tabs of a node that left count.
    pub(crate) fn held_until(&self, table: TableKey) -> Option<Mono> {
        self.departed.held.get(&table).map(|hold| hold.until)
    }

    /// Whether the node of a table that is held, or has run out, was killed.
    pub(crate) fn has_crashed(&self, table: TableKey) -> bool {
        self.departed.departure(table) == Some(Departure::Crashed)
    }

    pub(crate) fn is_held(&self, table: TableKey) -> bool {
        self.departed.is_held(table)
    }

    pub(crate) fn has_run_out(&self, table: TableKey) -> bool {
        self.departed.has_run_out(table)
    }

    pub(crate) fn has_left_for_good(&self, table: TableKey) -> bool {
        self.departed.has_left_for_good(table)
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
        let departure = Departure::crashed(theirs.is_some_and(|held| held.crashed));
        let full = !known && self.departed.held.len() >= PEERS_MAX;
        if table == me.table() || self.departed.is_over(table, departure) || full {
            return false;
        }
        let left_ms = theirs.map_or(HELD_MS, |held| held.left_ms.saturating_sub(path.age_ms)).min(HELD_MS);
        let hold = Hold { until: now.mono + left_ms, departure, hearsay: true };
        if self.knows_better(table, hold, now.mono) {
            return false;
        }
        if !known || !injected(Fault::DepartedNotCompared) {
            self.departed.hold(table, hold);
        }
        self.departed(table, None);
        let current = self.peers.get(&table.node).is_some_and(|peer| peer.incarnation == table.incarnation);
        if current && self.peers.get(&table.node).is_some_and(|peer| !peer.left()) {
            self.judge(table.node, PeerState::Draining, now, out);
        }
        true
    }

    /// Its rows count as those of a table that changes no longer.
    fn departed(&mut self, table: TableKey, region: Option<Region>) {
        if let Some(hold) = self.departed.held.get(&table) {
            self.events.push(PeerEvent::Departed { table, region, weight: hold.departure.weight() });
        }
    }

    /// A newer heartbeat shows that a node lives. If it was taken for killed, its rows count again: it may have been met through a
    /// relay, which could have repeated what a dead node had said. The same holds for a node of which only others have said that
    /// it leaves.
    pub(super) fn goes_on(&mut self, node: NodeHash, now: Now, out: &mut Outputs) {
        let Some(peer) = self.peers.get(&node) else { return };
        let (table, region) = (peer.table(node), peer.region.clone());
        let stays = peer.left() && !peer.said_farewell && !peer.beat.draining;
        if !stays && !self.has_crashed(table) {
            return;
        }
        let was = if self.has_run_out(table) { PeerState::Gone } else { PeerState::Silent };
        self.departed.release(table);
        if stays {
            self.judge(node, PeerState::Live, now, out);
        }
        self.events.push(PeerEvent::Recovered { table, region, was });
    }

    /// Whether another node is mistaken about this table. That a node was killed shows where its next start is heard:
    /// until then it is here what it is.
    fn knows_better(&self, table: TableKey, said: Hold, now: Mono) -> bool {
        let current = self
            .peers
            .get(&table.node)
            .is_some_and(|peer| peer.incarnation == table.incarnation && peer.state != PeerState::Gone && !peer.left());
        (said.departure == Departure::Crashed && current) || self.says_that_it_stays(table, said, now)
    }

    /// Whether the node of a table has said itself that it is there and not draining, just now or after the moment when it is
    /// said to have left: no other knows better.
    fn says_that_it_stays(&self, table: TableKey, said: Hold, now: Mono) -> bool {
        let left_ago_ms = HELD_MS - said.until.since(now);
        let peer = self.peers.get(&table.node).filter(|peer| peer.incarnation == table.incarnation);
        let says = peer.is_some_and(|peer| {
            let fresh_ms = left_ago_ms.saturating_sub(LEASE_MS).max(peer.hears_ms());
            peer.state == PeerState::Live && !peer.beat.draining && now.since(peer.beat_at) < fresh_ms
        });
        says && !injected(Fault::HearsayOfLeaving)
    }

    /// A node has left: its tabs are held.
    pub(crate) fn hold(&mut self, table: TableKey, region: &Region, left_ms: u64, now: Mono) {
        let (until, departure) = (now + left_ms.min(HELD_MS), Departure::Drained);
        self.hold_as(table, region, Hold { until, departure, hearsay: false });
    }

    /// Another start of a node is heard, that did not say that it leaves: its tabs are expected back. Whether they are held,
    /// by now or already.
    pub(super) fn hold_crashed(&mut self, table: TableKey, region: &Region, now: Mono) -> bool {
        if !injected(Fault::CrashDropsRows) {
            let (until, departure) = (now + CRASHED_MS, Departure::Crashed);
            self.hold_as(table, region, Hold { until, departure, hearsay: false });
        }
        self.departed.is_held(table)
    }

    /// What has run out is not held again.
    fn hold_as(&mut self, table: TableKey, region: &Region, hold: Hold) {
        let fits = self.departed.is_held(table) || self.departed.held.len() < HELD_MAX;
        if fits && !self.departed.is_over(table, hold.departure) {
            self.departed.hold(table, hold);
            self.departed(table, Some(region.clone()));
        }
    }

    /// Another node answers with rows of a table: how long its tabs are held, and in which region its node was.
    pub(crate) fn heard_hold(&mut self, table: TableKey, page: &RowsAnswer, now: Mono) {
        let until = now + page.held_ms.unwrap_or(HELD_MS).min(HELD_MS);
        let hold = Hold { until, departure: Departure::crashed(page.crashed), hearsay: true };
        if self.knows_better(table, hold, now) {
            return;
        }
        match (page.held_ms, page.region.as_ref()) {
            (Some(0), _) if self.departed.held.len() < HELD_MAX => {
                self.departed.hold(table, hold);
            }
            (Some(_), Some(region)) => self.hold_as(table, region, hold),
            // It is not known there yet that this node has left.
            (None, Some(region)) => self.departed(table, Some(region.clone())),
            _ => {}
        }
    }

    /// Forgets tables whose held time has run out, and the nodes that left them.
    pub(crate) fn end_holds(&mut self, now: Mono) {
        let over = self.departed.held.iter().filter(|(_, hold)| hold.until <= now);
        let over: Vec<(TableKey, Hold)> = over.map(|(table, hold)| (*table, *hold)).collect();
        for (table, hold) in over.into_iter().filter(|_| !injected(Fault::EndlessHold)) {
            self.departed.held.remove(&table);
            self.departed.ran_out(table, Hold { until: now + RUN_OUT_MS, ..hold });
            self.events.push(PeerEvent::HoldEnded { table });
            let peer = self.peers.get(&table.node);
            if peer.is_some_and(|peer| peer.incarnation == table.incarnation && peer.left()) {
                self.peers.remove(&table.node);
                self.events.push(PeerEvent::Forgotten { node: table.node });
            }
        }
        self.departed.run_out.retain(|_, hold| hold.until > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::holds::RUN_OUT_MAX;

    fn start(number: u64) -> TableKey {
        TableKey { node: NodeHash(7), incarnation: Incarnation::new(number) }
    }

    #[test]
    fn a_node_that_was_taken_for_killed_until_that_ran_out_may_have_left_on_purpose_since() {
        let mut membership = Membership::default();
        let region = Region::new("ams").expect("a code");
        membership.hold_crashed(start(1), &region, Mono(1_000));
        membership.end_holds(Mono(1_000) + CRASHED_MS);
        membership.hold_crashed(start(1), &region, Mono(30_000));
        assert!(!membership.is_held(start(1)), "what has run out is not held again");
        membership.hold(start(1), &region, 7_000, Mono(30_000));
        assert!(membership.is_held(start(1)) && !membership.has_run_out(start(1)));
        // A node that took it for killed, too, says that it has run out.
        let page = RowsAnswer { held_ms: Some(0), crashed: true, ..RowsAnswer::default() };
        membership.heard_hold(start(1), &page, Mono(31_000));
        membership.end_holds(Mono(32_000));
        assert_eq!(membership.held_until(start(1)), Some(Mono(37_000)));
        membership.end_holds(Mono(37_000));
        membership.hold(start(1), &region, 7_000, Mono(37_000));
        assert!(!membership.is_held(start(1)));
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
