//! Input in, outputs out: where presence, facts, peers and the app meet.

pub(crate) mod reflex;
pub(crate) mod suspension;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app::App;
use crate::app::change::Change;
use crate::app::fragment::Fragment;
use crate::app::view::{Place, RegionView};
use crate::discovery::{Address, Link, PendingRequest};
use crate::facts::anti_entropy::PendingFacts;
use crate::facts::hybrid_clock::HybridClock;
use crate::facts::restamp::Restamps;
use crate::facts::{self, FactKey, Facts};
use crate::id::{ConnectionId, Digest, LinkId, NodeHash, NodeName, Region, Room, UserId};
use crate::io::output::Output;
use crate::io::{Ended, Input};
use crate::local::subscriptions::SubscribedTo;
use crate::local::{LocalVisitors, row_key};
use crate::membership::clock_skew::ClockSkew;
use crate::membership::drain::Drain;
use crate::membership::heartbeat::HeartbeatSchedule;
use crate::membership::relay::RelayBudget;
use crate::membership::{Path, Peer};
use crate::node::suspension::Suspension;
use crate::presence::members::MemberIndex;
use crate::presence::row::TableKey;
use crate::presence::row::Weight;
use crate::presence::{Presence, Transition};
use crate::render::{Renderer, Source};
use crate::replication::Replica;
use crate::time::Now;
use crate::wire::{Broadcast, Sender};

/// If nothing came in for longer than this, the node itself was away.
const AWAY_MS: u64 = 2_000;
/// How long nothing fires after that.
const REST_MS: u64 = 1_000;
/// A node that nobody answers begins to publish after this.
const SPEAK_MS: u64 = 3_000;
/// The mesh is viewed anew this often.
const MESH_VIEW_MS: u64 = 1_000;
/// Round-trip times are drawn at most this often.
const ROUND_TRIP_MS: u64 = 5_000;
/// Ticks come at least this often.
const TICK_MS: u64 = 200;

/// What a node is told once, at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its region.
    pub region: Region,
    /// The region's name and place, announced to the others.
    pub place: Place,
    /// Its name, unique in the mesh.
    pub name: NodeName,
    /// Greater than at any start before.
    pub incarnation: u64,
    /// A random number drawn at this start: two nodes with one name differ in it.
    pub birth: u64,
    /// Its addresses as others reach them.
    pub advertised: Vec<String>,
    /// Whether there is a mesh at all; a node alone publishes nothing.
    pub meshed: bool,
    /// SHA-256.
    pub digest: Digest,
}

/// One running node. The driver owns it, alone.
pub struct Node {
    pub(crate) settings: Settings,
    pub(crate) hash: NodeHash,
    pub(crate) app: Arc<dyn App>,
    pub(crate) outputs: Vec<Output>,

    // What is so.
    pub(crate) presence: Presence,
    pub(crate) own: LocalVisitors,
    pub(crate) facts: Facts,
    pub(crate) clock: HybridClock,
    pub(crate) entries: u64,
    pub(crate) restamps: Restamps,

    // Who says so.
    pub(crate) peers: BTreeMap<NodeHash, Peer>,
    pub(crate) copies: BTreeMap<TableKey, Replica>,
    /// Tables of nodes that left, and until when their tabs count.
    pub(crate) held: BTreeMap<TableKey, u64>,
    /// Tables that have run out, and until when that is remembered.
    pub(crate) run_out: BTreeMap<TableKey, u64>,
    /// The latest stamp that is shown: pages change with it only where it is renewed.
    pub(crate) shown_limit_ms: u64,
    /// Facts that are not shown, since they are stamped too far ahead.
    pub(crate) hidden: BTreeSet<FactKey>,
    pub(crate) quotas: BTreeMap<NodeHash, (u64, u32)>,
    /// Who is in the rooms that somebody has asked for lately.
    pub(crate) rolls: MemberIndex,

    // How they are reached.
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) addresses: BTreeMap<String, Address>,
    pub(crate) said_hello: BTreeMap<NodeName, (u64, Vec<String>)>,
    pub(crate) questions: BTreeMap<u64, PendingRequest>,
    pub(crate) asked: u64,
    pub(crate) remembered: Option<(Vec<String>, u64)>,
    pub(crate) passing: BTreeSet<(NodeHash, NodeHash)>,
    pub(crate) passed_on: RelayBudget,
    pub(crate) beating: HeartbeatSchedule,
    pub(crate) delta_not_before_ms: u64,
    pub(crate) pending_facts: PendingFacts,
    /// A hello was answered, or nobody is there to answer one.
    pub(crate) speaking: bool,
    pub(crate) exchanged: bool,
    pub(crate) leaving: Option<Drain>,

    // What it looks like.
    pub(crate) render: Renderer,
    regions: Vec<RegionView>,
    pub(crate) regions_stale: bool,
    regions_ms: u64,
    mesh_ms: Option<u64>,

    // Time.
    pub(crate) clocks: ClockSkew,
    pub(crate) started_ms: u64,
    pub(crate) started_wall_ms: u64,
    pub(crate) ticked_ms: u64,
    pub(crate) away: Suspension,
    pub(crate) awake_ms: u64,

    // Counters.
    pub(crate) tables_asked: u64,
    pub(crate) root_faults: u64,
    pub(crate) unread: u64,
    /// Messages that were to be passed on, but were too many or came while this node was too busy.
    pub(crate) not_passed: u64,
    pub(crate) published: u64,
}

impl Node {
    /// A node at its start, with what it kept on disk: the records of [`Output::Keep`] and the addresses of
    /// [`Output::Remember`]. A record that can't be read is skipped. Outputs of the start (views, first dials) come
    /// with the first [`Input::Ticked`].
    pub fn new(settings: Settings, app: Arc<dyn App>, records: &[Vec<u8>], addresses: Vec<String>, now: Now) -> Self {
        let hash = NodeHash::of(&settings.name, settings.digest);
        let key = TableKey { node: hash, incarnation: settings.incarnation };
        let digest = settings.digest;
        let mut node = Self {
            hash,
            app,
            outputs: Vec::new(),
            presence: Presence::new(digest),
            own: LocalVisitors::new(key, now.mono_ms),
            facts: Facts::new(hash, digest),
            clock: HybridClock::new(hash, settings.incarnation),
            entries: 0,
            restamps: Restamps::default(),
            peers: BTreeMap::new(),
            copies: BTreeMap::new(),
            held: BTreeMap::new(),
            run_out: BTreeMap::new(),
            shown_limit_ms: now.wall_ms.saturating_add(facts::FUTURE_MS),
            hidden: BTreeSet::new(),
            quotas: BTreeMap::new(),
            rolls: MemberIndex::default(),
            links: BTreeMap::new(),
            addresses: BTreeMap::new(),
            said_hello: BTreeMap::new(),
            questions: BTreeMap::new(),
            asked: 0,
            remembered: None,
            passing: BTreeSet::new(),
            passed_on: RelayBudget::default(),
            beating: HeartbeatSchedule::default(),
            delta_not_before_ms: 0,
            pending_facts: PendingFacts::default(),
            speaking: false,
            exchanged: false,
            leaving: None,
            render: Renderer::default(),
            regions: Vec::new(),
            regions_stale: true,
            regions_ms: 0,
            mesh_ms: None,
            clocks: ClockSkew::default(),
            started_ms: now.mono_ms,
            started_wall_ms: now.wall_ms,
            ticked_ms: now.mono_ms,
            away: Suspension::since(now.mono_ms),
            awake_ms: 0,
            tables_asked: 0,
            root_faults: 0,
            unread: 0,
            not_passed: 0,
            published: 0,
            settings,
        };
        node.presence.open_table(key, &node.settings.region.clone(), Weight::Counted);
        node.restore(records, now);
        node.remember(addresses, now);
        node
    }

    fn restore(&mut self, records: &[Vec<u8>], now: Now) {
        for record in records {
            self.facts.merge(record, u64::MAX, now.wall_ms);
        }
        if let Some(newest) = self.facts.newest() {
            self.clock.see(newest);
            // It was believed once. A clock that is slow must not hide it from a node that starts alone.
            if newest.time_ms > now.wall_ms {
                self.clocks = ClockSkew { wall_ms: vec![newest.time_ms], at_ms: now.mono_ms };
            }
            self.shown_limit_ms = self.shown_limit_ms.max(newest.time_ms);
        }
        for room in self.facts.rooms() {
            self.render.open(&room, now.mono_ms);
        }
    }

    /// Takes one input and says what is to be done.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Output> {
        let now = self.awake(now);
        if self.away.resting(now.mono_ms) {
            match input {
                Input::Joined { .. }
                | Input::Looked { .. }
                | Input::Listened { .. }
                | Input::Clicked { .. }
                | Input::Served { .. } => {
                    self.away.park(input);
                }
                Input::Ticked => self.ticked_ms = now.mono_ms,
                input => {
                    self.away.unpark_ended(&input);
                    self.take(input, now);
                }
            }
        } else {
            for parked in self.away.unpark() {
                self.take(parked, now);
            }
            self.take(input, now);
        }
        self.settle(now);
        std::mem::take(&mut self.outputs)
    }

    /// The `mono_ms` at which [`Input::Ticked`] is due next, at the latest 200 ms after the last one.
    pub fn wake_at_ms(&self) -> u64 {
        let tick_ms = self.ticked_ms + TICK_MS;
        let delta_ms = self.own.has_news().then_some(self.delta_not_before_ms);
        let sooner = [self.render.due_ms(), delta_ms, self.pending_facts.due_ms(), self.own.share_due_ms()];
        let due_ms = sooner.into_iter().flatten().chain([tick_ms]).min();
        due_ms.unwrap_or(tick_ms).max(self.ticked_ms) + self.away.total_ms
    }

    /// Whether the counts that are derived from rows as they change equal a plain recount: for tests.
    #[doc(hidden)]
    pub fn counts_are_right(&self) -> bool {
        self.presence.recounted() == self.presence.derived()
    }

    /// What every node says of a user in a room, as it is known here: for tests that explain a difference.
    #[doc(hidden)]
    pub fn rows_of(&self, room: &Room, user: UserId) -> Vec<String> {
        self.presence.rows_of(&row_key(room.hash(self.settings.digest), user))
    }

    /// How many messages were not passed on, though another node can't hear their author: for tests.
    #[doc(hidden)]
    pub fn not_passed(&self) -> u64 {
        self.not_passed
    }

    /// Time as this node lived it. If nothing came in for over 2 s it was itself away (frozen, paused, suspended):
    /// every deadline moves by the gap, others hear from it at once, and for a second nothing fires.
    fn awake(&mut self, now: Now) -> Now {
        let gap_ms = now.mono_ms.saturating_sub(self.away.input_ms);
        self.away.input_ms = now.mono_ms;
        let was_away = gap_ms > AWAY_MS;
        if was_away {
            self.away.total_ms += gap_ms - TICK_MS;
        }
        let now = Now { mono_ms: now.mono_ms - self.away.total_ms, wall_ms: now.wall_ms };
        if was_away {
            self.away.rest_until_ms = now.mono_ms + REST_MS;
            self.awake_ms = now.mono_ms;
            // The tabs of who has left run out everywhere at the same moment, wherever somebody slept.
            self.held.values_mut().for_each(|until_ms| *until_ms = until_ms.saturating_sub(gap_ms - TICK_MS));
            self.tell(true, None, format!("This node was away for {} s: it was frozen or starved.", gap_ms / 1_000));
            self.say_hello_everywhere(now.mono_ms);
        }
        now
    }

    fn take(&mut self, input: Input, now: Now) {
        let digest = self.settings.digest;
        match input {
            Input::Ticked => self.tick(now),
            Input::Joined { connection, subscription, room, user, tab } => {
                let key = row_key(room.hash(digest), user);
                let at = (now.mono_ms, now.wall_ms);
                if tab.draws {
                    self.render.arrived(&room, (connection, subscription), None, now.mono_ms);
                } else {
                    self.render.open(&room, now.mono_ms);
                }
                self.own.joined((connection, subscription), &room, key, tab, &mut self.presence, at);
            }
            Input::Looked { connection, subscription, visible } => {
                self.own.looked(connection, subscription, visible, &mut self.presence, now.mono_ms);
            }
            Input::Listened { connection, subscription, room, user } => {
                let key = row_key(room.hash(digest), user);
                self.own.listened(connection, subscription, room.clone(), key);
                self.render.arrived(&room, (connection, subscription), Some(user), now.mono_ms);
            }
            Input::Refreshed { connection, subscription } => {
                if let Some(listens) = self.own.listens(connection, subscription) {
                    let (room, user) = match listens {
                        SubscribedTo::Room(room, ..) => (room, None),
                        SubscribedTo::User(room, key) => (room, Some(key.user)),
                    };
                    self.render.arrived(room, (connection, subscription), user, now.mono_ms);
                }
            }
            Input::Unsubscribed { connection, subscription } => {
                self.own.unsubscribed(connection, subscription, Ended::Closed, &mut self.presence, now.mono_ms);
            }
            Input::Resigned { connection, subscription } => {
                self.own.unsubscribed(connection, subscription, Ended::Resigned, &mut self.presence, now.mono_ms);
            }
            Input::Disconnected { connection, ended } => {
                self.own.disconnected(connection, ended, &mut self.presence, now.mono_ms);
            }
            Input::Served { room, user } => {
                self.own.served(row_key(room.hash(digest), user), now.mono_ms);
                self.render.open(&room, now.mono_ms);
            }
            Input::Clicked { connection, subscription, room, user, call } => {
                self.clicked((connection, subscription), &room, user, call, now);
            }
            Input::Ponged { connection, round_trip_ms } => self.ponged(connection, round_trip_ms),
            Input::Published { message } => self.publish(message),
            Input::Dismissed { room, user } => self.dismiss(&room, user),
            Input::Queried { query, what } => {
                let found = self.found(what, now.mono_ms);
                self.outputs.push(Output::Found { query, found });
            }
            Input::Resolved { addresses } => self.resolved(addresses, now),
            Input::Readdressed { advertised } => self.readdressed(advertised, now),
            Input::Dialled { address, result } => self.dialled(address, result, now),
            Input::LinkLost { link } => self.link_lost(link, now),
            Input::Received { link, bytes } => self.received(link, &bytes, now),
            Input::Asked { question, bytes } => self.was_asked(question, &bytes, now),
            Input::Answered { question, bytes } => self.was_answered(question, bytes.as_deref(), now),
            Input::Drained => self.drain(now),
            Input::Emptied => self.emptied(now),
        }
    }

    fn tick(&mut self, now: Now) {
        self.ticked_ms = now.mono_ms;
        self.own.expire(&mut self.presence, now.mono_ms);
        self.remember_clocks(now);
        self.tend_facts(now);
        if self.settings.meshed {
            self.speaking |= now.mono_ms.saturating_sub(self.started_ms) >= SPEAK_MS;
            self.check_liveness(now);
            self.end_held(now);
            if !self.gone_already() {
                self.tend_links(now);
                self.fill_holes(now);
                self.review_passing(now);
                self.beat_if_due(now);
            }
            self.prune_copies(now);
        }
        self.quotas.retain(|_, (second, _)| *second == now.mono_ms / 1_000);
        self.tend_leaving(now);
        self.rolls.prune(now.mono_ms);
        self.presence.roll_ups.prune(now.mono_ms);
        if self.mesh_ms.is_none_or(|at_ms| now.mono_ms.saturating_sub(at_ms) >= MESH_VIEW_MS) || self.regions_stale {
            self.mesh_ms = Some(now.mono_ms);
            self.view_mesh(now);
        }
    }

    /// What a link delivered: its author's own words, or somebody else's.
    fn received(&mut self, link: LinkId, bytes: &[u8], now: Now) {
        let Some((sender, said)) = Broadcast::read(bytes) else {
            self.unread += 1;
            return;
        };
        let hash = NodeHash::of(&sender.name, self.settings.digest);
        if !self.speaks_for(link, hash, sender.incarnation, now.mono_ms) {
            return;
        }
        if let Broadcast::Relayed(passed) = said {
            if let Some((author, inner)) = Broadcast::read(&passed.message) {
                let path = Path { via: Some(hash), age_ms: passed.age_ms };
                self.heard(&author, inner, &passed.message, path, now);
            }
            return;
        }
        let heartbeat = matches!(said, Broadcast::Heartbeat(_));
        self.heard(&sender, said, bytes, Path { via: None, age_ms: 0 }, now);
        self.relay(hash, bytes, heartbeat, now);
    }

    fn heard(&mut self, sender: &Sender, said: Broadcast, bytes: &[u8], path: Path, now: Now) {
        let hash = NodeHash::of(&sender.name, self.settings.digest);
        if hash == self.hash {
            return;
        }
        match said {
            Broadcast::Heartbeat(beat) => self.heard_heartbeat(sender, beat, bytes, path, now),
            Broadcast::Delta(delta) => self.heard_delta(sender, delta, path, now),
            Broadcast::Facts(bundle) => self.heard_facts(hash, &bundle, now),
            Broadcast::Draining(leaving) => self.heard_leaving(sender, leaving, false, path, now),
            Broadcast::Goodbye(leaving) => self.heard_leaving(sender, leaving, true, path, now),
            Broadcast::Published(said) => self.heard_published(sender, said, path, now),
            Broadcast::Dismissed(said) => self.heard_dismissed(sender, &said, path, now),
            Broadcast::Relayed(_) => {}
        }
    }

    /// What follows from every input: rows that others must know, and pages that look different.
    fn settle(&mut self, now: Now) {
        let touched = self.presence.take_touched();
        self.own.review(&touched, &mut self.presence, now.mono_ms);
        self.own.collect(&touched, &mut self.presence, now.mono_ms);
        let resting = self.away.resting(now.mono_ms);
        if self.own.has_news() && now.mono_ms >= self.delta_not_before_ms && !resting && self.leaving.is_none() {
            self.send_deltas(now);
        }
        self.say_facts(now);
        for passage in self.presence.take_transitions() {
            self.rolls.apply(&passage, self.settings.digest);
            let Transition { room, user, info, since_ms, arrived } = passage;
            self.outputs.push(if arrived {
                Output::Arrived { room, user, info, since_ms }
            } else {
                Output::Left { room, user, info, since_ms }
            });
        }
        for (hash, dirty) in self.presence.take_dirty() {
            let named = self.presence.room(&hash).and_then(|room| room.name.as_ref()).or(dirty.closed.as_ref());
            if let Some(room) = named.or(self.render.name(&hash)).cloned() {
                self.render.counted(&room, dirty, now.mono_ms);
            }
        }
        self.review_regions(now);
        if !self.render.is_due(now.mono_ms) {
            return;
        }
        let mut render = std::mem::take(&mut self.render);
        let mut outputs = std::mem::take(&mut self.outputs);
        render.draw(&self.source(now), now.mono_ms, &mut outputs);
        (self.render, self.outputs) = (render, outputs);
    }

    pub(crate) fn source(&self, now: Now) -> Source<'_> {
        Source {
            presence: &self.presence,
            facts: &self.facts,
            own: &self.own,
            app: &*self.app,
            regions: &self.regions,
            here: &self.settings.region,
            digest: self.settings.digest,
            time_ms: self.time_ms(now),
            limit_ms: self.shown_limit_ms,
        }
    }

    /// Redraws the regions where something that a page shows of them is different.
    fn review_regions(&mut self, now: Now) {
        let stale = std::mem::take(&mut self.regions_stale);
        if !stale && now.mono_ms.saturating_sub(self.regions_ms) < ROUND_TRIP_MS {
            return;
        }
        self.regions_ms = now.mono_ms;
        let views = self.region_views(now);
        if views.len() != self.regions.len()
            || views.iter().zip(&self.regions).any(|(new, old)| looks_different(new, old))
        {
            self.regions = views;
            self.render.regions_changed(now.mono_ms);
        }
    }

    fn ponged(&mut self, connection: ConnectionId, round_trip_ms: u32) {
        let Some((subscription, room)) = self.own.own_stream(connection) else { return };
        let Some(view) = self.render.view(room) else { return };
        let fragments: Arc<[Fragment]> = self.app.render(&Change::RoundTrip { ms: round_trip_ms }, view).into();
        if !fragments.is_empty() {
            self.outputs.push(Output::Show { connection, subscription, fragments, whole: false });
        }
    }
}

/// Whether a page shows the difference: a round trip only where it has changed by a tenth and 3 ms.
fn looks_different(new: &RegionView, old: &RegionView) -> bool {
    let far = match (new.round_trip_ms, old.round_trip_ms) {
        (Some(new), Some(old)) => new.abs_diff(old) > 3 + old / 10,
        (new, old) => new != old,
    };
    far || (&new.region, &new.place, new.state, new.whole) != (&old.region, &old.place, old.state, old.whole)
}
