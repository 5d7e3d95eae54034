//! Replicas of other nodes' tables: kept by deltas, compared at every heartbeat, repaired where something is missing.

mod answers;
pub(crate) mod catch_up;
mod repair;
mod replica;

use std::collections::BTreeMap;

use crate::id::NodeHash;
use crate::io::mesh_view::PeerState;
use crate::membership::Membership;
use crate::presence::Presence;
use crate::presence::row::{Removed, Row, TableKey};
use crate::replication::replica::Replica;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Mono;
use crate::wire::{Delta, Heartbeat, HeldTable};

/// A root that differs (a fault) has everything requested again at most this often.
const FAULT_MS: u64 = 60_000;
/// Most rows that are taken of one node.
const ROWS_MAX: usize = 2_000_000;
/// How long removals of others are remembered.
pub const REMOVED_MS: u64 = 60_000;
/// How many removals of one node are remembered.
pub const REMOVED_MAX: usize = 65_536;

/// What a comparison of a replica with its node's table has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Comparison {
    /// No difference, or nothing that can be compared yet.
    Equal,
    /// A fault of either node: everything is requested again.
    Differs,
    /// This node has relayed rows that their author does not have. They are gone.
    Denied { relay: NodeHash },
}

/// All replicas.
#[derive(Debug, Default)]
pub(crate) struct Replication {
    replicas: BTreeMap<TableKey, Replica>,
    /// Whole tables that were requested since the start.
    tables_asked: u64,
    /// Differences of row roots found since the start.
    root_faults: u64,
    /// Gaps that were repaired, or are being repaired, since the start.
    gaps: u64,
    /// A first exchange is complete.
    exchanged: bool,
    /// A replica was repaired since that was last asked.
    repaired: bool,
}

impl Replication {
    pub(crate) fn open(&mut self, table: TableKey) {
        self.replicas.entry(table).or_default();
    }

    /// Begins a replica again, whose rows were dropped.
    pub(crate) fn reopen(&mut self, table: TableKey) {
        self.replicas.insert(table, Replica::default());
    }

    pub(crate) fn close(&mut self, table: TableKey) {
        self.replicas.remove(&table);
    }

    pub(crate) fn tables_asked(&self) -> u64 {
        self.tables_asked
    }

    pub(crate) fn root_faults(&self) -> u64 {
        self.root_faults
    }

    pub(crate) fn gaps(&self) -> u64 {
        self.gaps
    }

    pub(crate) fn exchanged(&self) -> bool {
        self.exchanged
    }

    /// Whether nothing is missing of the tables of live nodes, nor of held ones what others are known to have.
    pub(crate) fn knows_all(&self, membership: &Membership) -> bool {
        let live = membership.peers().filter(|(_, peer)| peer.state == PeerState::Live);
        let held = self.replicas.iter().filter(|(table, _)| membership.is_held(**table));
        live.map(|(hash, peer)| peer.table(hash)).all(|table| self.is_current(table))
            && held.map(|(_, replica)| replica).all(Replica::is_settled)
    }

    /// Whether a replica was repaired since the last call.
    pub(crate) fn take_repaired(&mut self) -> bool {
        std::mem::take(&mut self.repaired)
    }

    /// The number up to which nothing of a table is missed.
    pub(crate) fn contiguous_upto(&self, table: TableKey) -> u64 {
        self.replicas.get(&table).map_or(0, |replica| replica.contiguous_upto)
    }

    /// Whether nothing is missing of a table whose node has left.
    pub(crate) fn is_complete(&self, table: TableKey) -> bool {
        self.replicas.get(&table).is_some_and(Replica::is_complete)
    }

    /// Whether nothing is missing of a table but what is on its way.
    pub(crate) fn is_current(&self, table: TableKey) -> bool {
        self.replicas.get(&table).is_some_and(Replica::is_current)
    }

    /// Whether what is counted of a table is worth comparing: it lacks nothing, or has for long.
    pub(crate) fn counts(&self, table: TableKey, now: Mono) -> bool {
        self.replicas.get(&table).is_none_or(|replica| replica.counts(now))
    }

    /// Whether something is missing of a table whose node has left.
    pub(crate) fn is_incomplete(&self, table: TableKey) -> bool {
        self.replicas.get(&table).is_some_and(|replica| !replica.is_complete())
    }

    /// A node has left: its table changes no longer after this number.
    pub(crate) fn ends_at(&mut self, table: TableKey, number: u64, now: Mono) {
        if let Some(replica) = self.replicas.get_mut(&table) {
            replica.ends_at(number, now);
        }
    }

    /// A delta of another node, directly or relayed.
    pub(crate) fn take_delta(&mut self, table: TableKey, delta: Delta, presence: &mut Presence, now: Mono) {
        self.take_rows(table, delta.rows, &delta.removed, delta.upto, presence, now);
        if let Some(replica) = self.replicas.get_mut(&table) {
            replica.received(delta.after, delta.upto, now);
        }
    }

    /// Takes rows and removals that are newer than what is known of their keys. What is numbered at or below the number up
    /// to which this replica misses nothing is no news: its removal may be forgotten already.
    fn take_rows(
        &mut self,
        table: TableKey,
        rows: Vec<Row>,
        removed: &[Removed],
        upto: u64,
        presence: &mut Presence,
        now: Mono,
    ) {
        let news = self.contiguous_upto(table).saturating_add(1)..=upto;
        for row in rows {
            let Some(known) = presence.table(table) else { return };
            if news.contains(&row.number) && row.number > known.number(&row.key) && known.len() < ROWS_MAX {
                presence.set(table, row.cut());
            }
        }
        for removed in removed {
            let newer = presence.table(table).is_some_and(|known| removed.number > known.number(&removed.key));
            if news.contains(&removed.number) && newer && !injected(Fault::RemovalsIgnored) {
                presence.remove(table, *removed, now);
            }
        }
    }

    /// A node says that it has changed its rows up to this number.
    pub(crate) fn announced(&mut self, table: TableKey, sequence: u64, now: Mono) {
        if let Some(replica) = self.replicas.get_mut(&table) {
            replica.announced = replica.announced.max(sequence);
            replica.expect(sequence, now);
        }
    }

    /// Whether rows of a table came from a relay, and its node has not confirmed them yet.
    pub(crate) fn is_relayed(&self, table: TableKey) -> bool {
        self.replicas.get(&table).is_some_and(|replica| replica.relayed_by.is_some())
    }

    /// Compares a replica with the root in its node's heartbeat. One that differs is begun again: without any rows, if a relay
    /// made them up.
    pub(crate) fn compare(
        &mut self,
        table: TableKey,
        beat: &Heartbeat,
        presence: &mut Presence,
        now: Mono,
    ) -> Comparison {
        let Some(replica) = self.replicas.get_mut(&table) else { return Comparison::Equal };
        let beyond = replica.is_beyond(beat.sequence, now);
        let comparable = replica.is_comparable(beat.sequence);
        let equal = presence.table(table).map(|rows| rows.root().to_be_bytes()) == Some(beat.rows_root);
        if !beyond && (equal || !comparable) {
            if comparable {
                replica.relayed_by = None;
            }
            return Comparison::Equal;
        }
        if let Some(relay) = replica.relayed_by {
            *replica = Replica::denied(relay, now);
            self.root_faults += 1;
            presence.doubt(table, 0, now);
            return Comparison::Denied { relay };
        }
        if replica.faulted_at.is_some_and(|at| now.since(at) < FAULT_MS) {
            return Comparison::Equal;
        }
        *replica = Replica::faulted(replica.whole_table_at, now);
        self.root_faults += 1;
        presence.doubt(table, beat.sequence, now);
        Comparison::Differs
    }

    /// Another node says what it holds of one that left: the one that may know more is asked.
    pub(crate) fn compare_held(
        &mut self,
        from: NodeHash,
        table: TableKey,
        theirs: Option<HeldTable>,
        presence: &Presence,
        now: Mono,
    ) {
        let root = presence.table(table).map_or(0, |rows| rows.short_root());
        let replica = self.replicas.entry(table).or_default();
        if let Some(theirs) = theirs.filter(|theirs| theirs.complete) {
            replica.ends_at(theirs.contiguous_upto, now);
        }
        let differs =
            theirs.is_none_or(|theirs| theirs.root != root || theirs.contiguous_upto > replica.contiguous_upto);
        if differs && !replica.is_complete() && !injected(Fault::DepartedNotCompared) {
            replica.differs.insert(from);
        }
    }

    /// Forgets removals that no node will ask for.
    pub(crate) fn prune(&self, presence: &mut Presence, now: Mono) {
        for (table, replica) in &self.replicas {
            presence.prune_removals(*table, REMOVED_MAX, replica.contiguous_upto, now - REMOVED_MS);
        }
    }
}
