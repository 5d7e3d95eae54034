//! What a node says of itself: its rows, its heartbeat, its leaving; and what the view of the mesh is made of.

use crate::id::{Room, UserId};
use crate::io::output::Output;
use crate::io::settings::KnownRegion;
use crate::membership::drain::LastNumbers;
use crate::membership::heartbeat::HeartbeatSummary;
use crate::membership::known_regions::KnownRegions;
use crate::node::Node;
use crate::presence::row::{RowKey, TableKey, Weight};
use crate::render::mesh_view::MeshSource;
use crate::time::{Incarnation, Mono, Now};
use crate::wire::{Broadcast, CountedTable, HeldTable};

/// Deltas go out at once after a quiet moment, else this far apart.
pub const DELTA_GAP_MS: u64 = 5;

impl Node {
    /// Numbers what has changed here and publishes it: at once, or gathered for a few ms under load.
    pub(super) fn send_deltas(&mut self, now: Now) {
        while let Some(delta) = self.local.number(&mut self.presence, now.mono) {
            self.delta_not_before = now.mono + DELTA_GAP_MS;
            self.out.broadcast(&Broadcast::Delta(delta));
        }
    }

    /// Sends the heartbeat if it is time for it: what all parts say of themselves.
    pub(super) fn beat_if_due(&mut self, now: Now) {
        let silent = !self.me.meshed || self.membership.said_goodbye() || !self.suspension.may_beat(now.mono);
        if silent || !self.membership.heartbeat_is_due(self.me.hash, now.mono) {
            return;
        }
        self.send_deltas(now);
        let cut = self.facts.heartbeat_cut(self.membership.clock(now));
        let left = self.membership.departed_in_turn();
        let held = left.iter().map(|table| self.held(*table, now)).collect();
        let counted = self.membership.counted_in_turn().into_iter();
        let counted = counted.filter(|table| self.replication.counts(*table, now.mono));
        let counted = counted.map(|table| self.counted(table)).collect();
        let own = self.presence.table(self.me.table());
        self.membership.note_own_rows(self.local.sequence(), own.map_or(0, |rows| rows.len() as u64));
        let summary = HeartbeatSummary {
            sequence: self.local.sequence(),
            rows_root: own.map_or(0, |rows| rows.root()),
            cut,
            facts_root: self.facts.root(cut, cut),
            left,
            held,
            published: self.pubsub.published(),
            complete_ms: self.pubsub.complete_ms(&self.membership, now.mono),
            heard_upto: self.pubsub.gone_in_turn(now.mono),
            counted,
        };
        self.membership.send_heartbeat(&self.me, summary, now, &mut self.out);
    }

    /// What is held here of a node that left.
    fn held(&self, table: TableKey, now: Now) -> HeldTable {
        HeldTable {
            left_ms: self.membership.held_until(table).map_or(0, |until| until.since(now.mono)),
            contiguous_upto: self.replication.contiguous_upto(table),
            complete: self.replication.is_complete(table),
            root: self.presence.table(table).map_or(0, |rows| rows.short_root()),
            crashed: self.membership.has_crashed(table),
        }
    }

    /// What is counted here of another node's rows.
    fn counted(&self, table: TableKey) -> CountedTable {
        let counts = self.presence.table(table).filter(|rows| rows.weight() == Weight::Counted);
        let upto = self.replication.contiguous_upto(table);
        CountedTable { table, upto, rows: counts.map_or(0, |rows| rows.len() as u64) }
    }

    /// Rows change no longer; the time for which the others hold them begins.
    pub(super) fn drain(&mut self, now: Now) {
        if self.membership.is_draining() {
            return;
        }
        self.send_deltas(now);
        self.local.drain();
        self.presence.weigh(self.me.table(), Weight::Held);
        self.membership.begin_drain(self.last_numbers(), now.mono, &mut self.out);
        self.render.nodes_changed();
    }

    /// What others must have received of this node in the end.
    pub(super) fn last_numbers(&self) -> LastNumbers {
        LastNumbers { sequence: self.local.sequence(), published: self.pubsub.published() }
    }

    /// Another start of this node was known under a higher incarnation.
    pub(super) fn adopt_incarnation(&mut self, incarnation: Incarnation) {
        let before = self.me.table();
        self.me.incarnation = incarnation;
        self.presence.rename_table(before, self.me.table());
        self.local.adopt_table(self.me.table());
        self.facts.adopt_incarnation(incarnation);
        self.out.adopt_incarnation(incarnation);
    }

    /// Whether it knows by now what the others do.
    pub(super) fn review_catch_up(&mut self, now: Mono) {
        if self.catch_up.complete {
            return;
        }
        let age_ms = now.since(self.started.mono);
        if self.catch_up.review(self.me.hash, &self.membership, &self.replication, age_ms, now) {
            self.render.nodes_changed();
        }
    }

    /// The same node at its start, with the regions of [`Output::KeepRegions`]: they are silent until they are heard.
    pub fn with_known_regions(self, regions: Vec<KnownRegion>) -> Self {
        Self { known_regions: KnownRegions::restore(regions), ..self }
    }

    /// The same node, whose heartbeats name those that it hears up to this many other nodes, instead of 32: for tests.
    #[doc(hidden)]
    pub fn with_named_max(mut self, most: usize) -> Self {
        self.membership.set_named_max(most);
        self
    }

    /// Draws the regions as they are judged now, and keeps for the next start which there are.
    pub(super) fn show_regions(&mut self, now: Now) {
        let regions = self.mesh_source(now).regions();
        let kept = self.known_regions.changed(&self.me.region, &regions);
        kept.into_iter().for_each(|regions| self.out.push(Output::KeepRegions { regions }));
        self.render.show_regions(regions, now.mono);
    }

    /// What the view of the mesh is made of.
    pub(super) fn mesh_source(&self, now: Now) -> MeshSource<'_> {
        MeshSource {
            me: &self.me,
            local: &self.local,
            membership: &self.membership,
            known_regions: &self.known_regions,
            discovery: &self.discovery,
            replication: &self.replication,
            presence: &self.presence,
            facts: &self.facts,
            receipts: &self.receipts,
            catch_up: self.catch_up,
            suspended_ms: self.suspension.total_ms(),
            started: self.started,
            now,
        }
    }

    pub(super) fn row_key(&self, room: &Room, user: UserId) -> RowKey {
        RowKey::new(room.hash(self.me.digest), user)
    }

    /// Whether the counts that are derived from rows as they change equal a plain recount: for tests.
    #[doc(hidden)]
    pub fn counts_are_right(&self) -> bool {
        self.presence.recounted() == self.presence.derived()
    }

    /// What every node says of a user in a room, as it is known here: for tests that explain a difference.
    #[doc(hidden)]
    pub fn rows_of(&self, room: &Room, user: UserId) -> Vec<String> {
        self.presence.rows_of(&self.row_key(room, user))
    }

    /// The facts of a room, with their stamps: for tests that explain a difference.
    #[doc(hidden)]
    pub fn facts_of(&self, room: &Room) -> Vec<String> {
        self.facts.described(room)
    }

    /// How many messages were not relayed, though another node can't hear their author: for tests.
    #[doc(hidden)]
    pub fn not_relayed(&self) -> u64 {
        self.membership.not_relayed()
    }
}
