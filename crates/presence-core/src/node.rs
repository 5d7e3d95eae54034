//! A node: input in, outputs out. It holds the parts, and passes events between them.

mod deadlines;
mod history;
mod inbound;
mod inputs;
mod moves;
pub(crate) mod own_state;
mod receipts;
mod reflex;
mod rejections;
pub(crate) mod suspension;

use std::sync::Arc;

use crate::discovery::Discovery;
use crate::facts::Facts;
use crate::id::NodeHash;
use crate::identity::Identity;
use crate::io::Input;
use crate::io::mesh_view::PeerState;
use crate::io::output::Output;
use crate::io::settings::{FactSettings, Settings};
use crate::local::LocalVisitors;
use crate::membership::known_regions::KnownRegions;
use crate::membership::{Membership, PeerEvent};
use crate::node::deadlines::Deadline;
use crate::node::rejections::Rejections;
use crate::node::suspension::Suspension;
use crate::outputs::Outputs;
use crate::presence::Presence;
use crate::presence::row::Weight;
use crate::pubsub::PubSub;
use crate::receipts::ReceiptTracker;
use crate::render::Renderer;
use crate::render::view::RoomSource;
use crate::replication::Replication;
use crate::replication::catch_up::CatchUp;
use crate::time::{Incarnation, Mono, Now};

/// A node that no other one answers begins to publish after this.
const ANNOUNCED_MS: u64 = 3_000;
/// Ticks come at least this often.
pub const TICK_MS: u64 = 200;

/// One running node. The driver owns it, alone.
pub struct Node {
    me: Identity,
    local: LocalVisitors,
    presence: Presence,
    facts: Facts,
    membership: Membership,
    known_regions: KnownRegions,
    discovery: Discovery,
    replication: Replication,
    render: Renderer,
    pubsub: PubSub,
    receipts: ReceiptTracker,
    out: Outputs,
    rejections: Rejections,
    suspension: Suspension,
    catch_up: CatchUp,
    started: Now,
    ticked_at: Mono,
    tick_due: Mono,
    delta_not_before: Mono,
    deadline: Deadline,
    fact_settings: FactSettings,
}

impl Node {
    /// A node at its start, with what it kept on disk: the records of [`Output::Keep`] and the addresses of
    /// [`Output::Remember`]. A record that can't be read is skipped. Outputs of the start (views, first dials) come
    /// with the first [`Input::Ticked`].
    pub fn new(settings: Settings, records: &[Vec<u8>], addresses: Vec<String>, now: Now) -> Self {
        let Settings { region, place, name, incarnation, birth, advertised, meshed, digest, key, facts: fact_settings } =
            settings;
        let (hash, incarnation) = (NodeHash::of(&name, digest), Incarnation::new(incarnation));
        let me = Identity { name, hash, incarnation, birth, region, place, meshed, digest, key };
        let mut presence = Presence::new(digest);
        presence.open_table(me.table(), &me.region, Weight::Counted);
        let mut membership = Membership::new(now.mono);
        let facts = Facts::restore(&me, records, membership.clock(now));
        if let Some(newest) = facts.newest_time().filter(|newest| newest.0 > now.wall.0) {
            membership.believe_kept_time(newest, now.mono);
        }
        let mut render = Renderer::new();
        facts.rooms().iter().for_each(|room| render.open(room, now.mono));
        Self {
            local: LocalVisitors::new(me.table(), now.mono),
            discovery: Discovery::new(advertised, addresses, now.mono),
            replication: Replication::default(),
            pubsub: PubSub::default(),
            receipts: ReceiptTracker::default(),
            out: Outputs::new(me.sender(), me.key.clone(), meshed),
            rejections: Rejections::default(),
            suspension: Suspension::new(now.mono),
            catch_up: CatchUp::new(meshed),
            started: now,
            ticked_at: now.mono,
            tick_due: now.mono + TICK_MS,
            delta_not_before: Mono::default(),
            deadline: Deadline::default(),
            fact_settings,
            me,
            presence,
            facts,
            membership,
            known_regions: KnownRegions::default(),
            render,
        }
    }

    /// Takes one input and says what is to be done.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Output> {
        let now = self.resume(now);
        if !self.suspension.is_in_grace(now.mono) {
            for parked in self.suspension.unpark() {
                self.take(parked, now);
            }
            self.take(input, now);
        } else if Suspension::is_parked(&input) {
            self.suspension.park(input);
        } else if input == Input::Ticked {
            self.ticked(now.mono);
            self.beat_if_due(now);
        } else {
            self.suspension.unpark_ended(&input);
            self.take(input, now);
        }
        self.settle(now);
        self.note_deadline(now);
        self.out.take()
    }

    fn tick(&mut self, now: Now) {
        self.ticked(now.mono);
        self.local.expire(&mut self.presence, now.mono);
        self.membership.remember_clocks(now, &mut self.out);
        self.facts.tend(self.membership.clock(now), now.mono, &mut self.out);
        if self.me.meshed {
            self.tick_mesh(now);
        }
        self.membership.tend_drain(self.me.meshed, self.last_numbers(), now.mono, &mut self.out);
        self.tend_history(now);
        self.presence.prune_queries(now.mono);
        self.tend_receipts(now.mono);
        if self.render.mesh_view_is_due(now.mono) {
            let mesh = self.mesh_source(now).mesh();
            self.out.push(Output::Mesh(Arc::new(mesh)));
        }
    }

    fn tick_mesh(&mut self, now: Now) {
        if now.mono.since(self.started.mono) >= ANNOUNCED_MS {
            self.out.announce();
        }
        let lease_ends = self.membership.check_liveness(now, &mut self.out);
        self.tick_due = lease_ends.map_or(self.tick_due, |ends| self.tick_due.min(ends));
        self.membership.end_holds(now.mono);
        self.settle_peers();
        if !self.membership.said_goodbye() {
            self.discovery.tend(&self.me, &self.membership, now.mono, &mut self.out);
            self.replication.repair(self.me.hash, &self.membership, &mut self.discovery, now.mono, &mut self.out);
            self.membership.review_relays(self.me.hash, now.mono, &mut self.out);
        }
        self.beat_if_due(now);
        self.replication.prune(&mut self.presence, now.mono);
        self.review_catch_up(now.mono);
    }

    /// What became different about other nodes, to the parts that hold something of them.
    fn settle_peers(&mut self) {
        for event in self.membership.take_events() {
            match event {
                PeerEvent::Met { table, region, weight, replaced } => {
                    if let Some(replaced) = replaced {
                        self.presence.drop_table(replaced);
                        self.replication.close(replaced);
                    }
                    self.known_regions.heard(&region);
                    self.presence.open_table(table, &region, weight);
                    self.replication.open(table);
                    self.forget_exchanges(table.node);
                    self.render.nodes_changed();
                }
                PeerEvent::Judged => self.render.nodes_changed(),
                PeerEvent::FellSilent { table } => self.presence.weigh(table, Weight::Unsure),
                PeerEvent::Recovered { table, region, was } => {
                    self.facts.forget_peer(table.node);
                    self.pubsub.recovered(table);
                    self.presence.open_table(table, &region, Weight::Counted);
                    if was == PeerState::Gone {
                        self.replication.reopen(table);
                    }
                }
                PeerEvent::Departed { table, region: Some(region), weight } => {
                    self.presence.open_table(table, &region, weight);
                }
                PeerEvent::Departed { table, region: None, weight } => self.presence.weigh(table, weight),
                PeerEvent::Gone { table } | PeerEvent::HoldEnded { table } => {
                    self.presence.drop_table(table);
                    self.replication.close(table);
                }
                PeerEvent::Forgotten { node } => {
                    self.forget_exchanges(node);
                    self.render.nodes_changed();
                }
            }
        }
    }

    /// What follows from every input: rows and facts that others must know, and pages that look different.
    fn settle(&mut self, now: Now) {
        let touched = self.presence.take_touched();
        self.local.review(&touched, &mut self.presence, now.mono);
        self.local.collect(&touched, &mut self.presence, now.mono);
        self.local.take_expected(&mut self.presence, now.mono);
        let draining = self.membership.is_draining();
        let may_send = now.mono >= self.delta_not_before && !self.suspension.is_in_grace(now.mono);
        if self.local.has_news() && may_send && !draining {
            self.send_deltas(now);
        }
        if self.facts.publish_due().is_some_and(|due| due <= now.mono || draining) {
            self.facts.publish(self.me.hash, now.mono, &mut self.out);
        }
        self.facts.seek_confirmation(&self.membership, &mut self.discovery, now.mono, &mut self.out);
        self.presence.take_transitions().into_iter().for_each(|transition| self.out.push(transition.into()));
        self.settle_facts(now);
        for (hash, changes) in self.presence.take_changes() {
            let name = self.presence.room(&hash).and_then(|room| room.name.as_ref());
            self.render.rows_changed(hash, name, changes, now.mono);
        }
        self.pubsub.say_complete(&self.membership, now.mono, &mut self.out);
        if self.replication.take_repaired() {
            self.render.nodes_changed();
        }
        if self.render.regions_are_due(now.mono) {
            self.show_regions(now);
        }
        if self.render.is_due(now.mono) {
            let (facts, local, time) = (&self.facts, &self.local, self.membership.node_time(now));
            let source = RoomSource::new(&self.me, &self.presence, facts, local, &self.receipts, time);
            self.render.draw(&source, now.mono, &mut self.out);
        }
        self.settle_receipts(now);
    }
}
