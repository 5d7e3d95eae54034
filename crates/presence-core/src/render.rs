//! From a change to the browsers: gathers what became different in a room, makes its view, and has the app draw it.

pub(crate) mod mesh_view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app::App;
use crate::app::change::Change;
use crate::app::fragment::{Fragment, fold};
use crate::app::view::{Author, Entry, RegionView, RoomView};
use crate::cost_limit::CostLimiter;
use crate::facts::{Facts, StoredFact};
use crate::id::{ConnectionId, Digest, PublicId, Region, Room, RoomHash, Stream, SubscriptionId, UserId};
use crate::io::output::Output;
use crate::local::{LocalVisitors, row_key};
use crate::presence::counting::Counts;
use crate::presence::{Presence, RoomChanges};

/// Renderer a room costs this for each watcher: of this node for what users do, so that a change costs a bounded stream of
/// bytes here; of the whole world for counts, so that each watcher of a large room is told them seldom. A hundred watchers
/// see each of a thousand clicks a second at once; that is 100,000 writes to sockets, which a node can bear.
const WATCHER_US: u64 = 10;
/// Beyond a hundred watchers it costs so much more, so that a large room has a quarter of that.
const CROWD_US: u64 = 30;
const FEW_WATCHERS: u64 = 100;
/// Without any watcher there is still a view to be made.
const VIEW_US: u64 = 500;
/// So many rooms are drawn in one go. When a region comes or goes all of them change at once: clicks and heartbeats are to
/// come between them.
const ROOMS_A_TURN: usize = 128;
/// What is drawn of a quiet room for who arrives may be this old, so that nobody sees an old event as a new one.
const STALE_MS: u64 = 1_000;

/// What is drawn from.
pub(crate) struct Source<'a> {
    pub(crate) presence: &'a Presence,
    pub(crate) facts: &'a Facts,
    pub(crate) own: &'a LocalVisitors,
    pub(crate) app: &'a dyn App,
    /// Regions without any room's numbers.
    pub(crate) regions: &'a [RegionView],
    pub(crate) here: &'a Region,
    pub(crate) digest: Digest,
    /// The node's time, and the latest stamp that is shown.
    pub(crate) time_ms: u64,
    pub(crate) limit_ms: u64,
}

/// Somebody to whom a room is to be shown whole.
#[derive(Clone, Debug)]
struct Newcomer {
    connection: ConnectionId,
    subscription: SubscriptionId,
    /// For a user's own stream.
    user: Option<UserId>,
}

/// All rooms' pages.
#[derive(Debug, Default)]
pub(crate) struct Renderer {
    sheets: BTreeMap<Room, RoomRenderer>,
    /// The rooms that were drawn: rows may come and go before the row that holds their room's name.
    names: BTreeMap<RoomHash, Room>,
    due: BTreeSet<(u64, Room)>,
    arrivals: Vec<(Room, Newcomer)>,
}

#[derive(Debug, Default)]
struct RoomRenderer {
    view: Option<Arc<RoomView>>,
    deeds: PendingEvents,
    counting: PendingCounts,
    due_ms: Option<u64>,
    snapshot: Option<Arc<[Fragment]>>,
}

/// What somebody did, and what is seldom: drawn soon.
#[derive(Debug, Default)]
struct PendingEvents {
    waiting: bool,
    pace: CostLimiter,
    all: bool,
    regions: bool,
    users: BTreeSet<UserId>,
    shared: BTreeSet<String>,
    registers: BTreeSet<String>,
    logs: BTreeSet<String>,
    /// Who wrote what is new.
    authors: BTreeSet<UserId>,
}

/// How many there are: drawn more seldom the more there are.
#[derive(Debug, Default)]
struct PendingCounts {
    waiting: bool,
    pace: CostLimiter,
    whole: bool,
    regions: BTreeSet<Region>,
}

impl Renderer {
    fn sheet(&mut self, room: &Room) -> &mut RoomRenderer {
        self.sheets.entry(room.clone()).or_default()
    }

    /// Puts a room among those that are to be drawn.
    fn schedule(&mut self, room: &Room, now_ms: u64) {
        let sheet = self.sheet(room);
        let Some(due_ms) = sheet.next_ms().map(|due_ms| due_ms.max(now_ms)) else { return };
        let before = sheet.due_ms.replace(due_ms);
        if before != Some(due_ms) {
            before.map(|before| self.due.remove(&(before, room.clone())));
            self.due.insert((due_ms, room.clone()));
        }
    }

    fn did(&mut self, room: &Room, now_ms: u64, what: impl FnOnce(&mut PendingEvents)) {
        let deeds = &mut self.sheet(room).deeds;
        deeds.waiting = true;
        what(deeds);
        self.schedule(room, now_ms);
    }

    /// Rows of a room have changed.
    pub(crate) fn counted(&mut self, room: &Room, dirty: RoomChanges, now_ms: u64) {
        let counting = &mut self.sheet(room).counting;
        counting.waiting |= dirty.counts || !dirty.regions.is_empty();
        counting.whole |= dirty.counts;
        counting.regions.extend(dirty.regions);
        if !dirty.users.is_empty() || !dirty.shared.is_empty() {
            self.did(room, now_ms, |deeds| {
                deeds.users.extend(dirty.users);
                deeds.shared.extend(dirty.shared);
            });
        }
        self.schedule(room, now_ms);
    }

    /// A register was set or ran out.
    pub(crate) fn set(&mut self, room: &Room, key: &str, now_ms: u64) {
        self.did(room, now_ms, |deeds| deeds.registers.extend([key.to_owned()]));
    }

    /// A log has another content.
    pub(crate) fn logged(&mut self, room: &Room, key: &str, now_ms: u64) {
        self.did(room, now_ms, |deeds| deeds.logs.extend([key.to_owned()]));
    }

    /// Something that this user wrote is there.
    pub(crate) fn written(&mut self, room: &Room, user: UserId, now_ms: u64) {
        self.did(room, now_ms, |deeds| deeds.authors.extend([user]));
    }

    /// Which regions there are, or the state of one, is different: on every page.
    pub(crate) fn regions_changed(&mut self, now_ms: u64) {
        let rooms: Vec<Room> = self.sheets.keys().cloned().collect();
        for room in rooms {
            self.did(&room, now_ms, |deeds| deeds.regions = true);
        }
    }

    /// Makes sure that a room has a view.
    pub(crate) fn open(&mut self, room: &Room, now_ms: u64) {
        if self.sheets.get(room).is_none_or(|sheet| sheet.view.is_none()) {
            self.did(room, now_ms, |deeds| deeds.all = true);
        }
    }

    /// Shows the room whole to one subscription, once its view is up to date.
    pub(crate) fn arrived(
        &mut self,
        room: &Room,
        (connection, subscription): (ConnectionId, SubscriptionId),
        user: Option<UserId>,
        now_ms: u64,
    ) {
        self.open(room, now_ms);
        self.arrivals.push((room.clone(), Newcomer { connection, subscription, user }));
    }

    /// When something is due to be drawn.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.due.first().map(|(due_ms, _)| *due_ms)
    }

    /// Whether something is to be drawn now.
    pub(crate) fn is_due(&self, now_ms: u64) -> bool {
        !self.arrivals.is_empty() || self.due_ms().is_some_and(|due_ms| due_ms <= now_ms)
    }

    /// The name of a room that was drawn.
    pub(crate) fn name(&self, hash: &RoomHash) -> Option<&Room> {
        self.names.get(hash)
    }

    /// The view of a room as it was published last.
    pub(crate) fn view(&self, room: &Room) -> Option<&Arc<RoomView>> {
        self.sheets.get(room).and_then(|sheet| sheet.view.as_ref())
    }

    /// Draws what is due, a bounded part of it, and shows rooms to who has arrived.
    pub(crate) fn draw(&mut self, source: &Source<'_>, now_ms: u64, outputs: &mut Vec<Output>) {
        let arrivals = std::mem::take(&mut self.arrivals);
        // Who listens in a room without anybody is shown it all the same.
        let mut over = Vec::new();
        for (room, _) in &arrivals {
            let due_ms = self.sheets.get(room).and_then(|sheet| sheet.due_ms).filter(|due_ms| *due_ms <= now_ms);
            if due_ms.is_some_and(|due_ms| self.due.remove(&(due_ms, room.clone()))) {
                over.extend(self.draw_room(room, source, now_ms, outputs));
            }
        }
        for _ in 0..ROOMS_A_TURN {
            let Some((due_ms, room)) = self.due.first().filter(|(due_ms, _)| *due_ms <= now_ms).cloned() else { break };
            self.due.remove(&(due_ms, room.clone()));
            over.extend(self.draw_room(&room, source, now_ms, outputs));
        }
        for (room, arrival) in arrivals {
            let Some(sheet) = self.sheets.get_mut(&room) else { continue };
            let fragments = match arrival.user {
                None => sheet.whole(source),
                Some(user) => sheet.yours(user, source),
            };
            let (connection, subscription) = (arrival.connection, arrival.subscription);
            outputs.push(Output::Show { connection, subscription, fragments, whole: true });
        }
        for room in over {
            self.sheets.remove(&room);
            self.names.remove(&room.hash(source.digest));
        }
    }

    /// Returns the room where it may be forgotten.
    fn draw_room(&mut self, room: &Room, source: &Source<'_>, now_ms: u64, outputs: &mut Vec<Output>) -> Option<Room> {
        let sheet = self.sheets.get_mut(room).expect("what is due has a sheet");
        let first = sheet.view.is_none();
        if sheet.draw(room, source, now_ms, outputs) {
            return Some(room.clone());
        }
        self.schedule(room, now_ms);
        if first {
            self.names.insert(room.hash(source.digest), room.clone());
        }
        None
    }
}

impl RoomRenderer {
    /// When something of what waits may be drawn.
    fn next_ms(&self) -> Option<u64> {
        let deeds_ms = self.deeds.waiting.then(|| self.deeds.pace.due_ms());
        let counts_ms = self.counting.waiting.then(|| self.counting.pace.due_ms());
        deeds_ms.into_iter().chain(counts_ms).min()
    }

    /// Draws what waits and may be drawn; whether the room may be forgotten.
    fn draw(&mut self, room: &Room, source: &Source<'_>, now_ms: u64, outputs: &mut Vec<Output>) -> bool {
        let hash = room.hash(source.digest);
        let (audience, drawn) = source.own.audience(&hash);
        let everywhere = source.presence.room(&hash).map_or(0, |room| room.whole.tabs);
        self.due_ms = None;
        let deeds = self.deeds.take(now_ms, audience);
        // Who sees everything sees the counts, too.
        let counting = self.counting.take(now_ms, everywhere.max(audience), deeds.all || deeds.regions);
        self.snapshot = None;
        let version = self.view.as_ref().map_or(1, |view| view.version + 1);
        let view = Arc::new(view(room, version, source));
        self.view = Some(Arc::clone(&view));
        outputs.push(Output::View(Arc::clone(&view)));
        if counting.waiting {
            outputs.push(Output::Counts(Arc::clone(&view)));
        }
        if drawn > 0 {
            let changes = changes(&deeds, &counting);
            let fragments: Vec<Fragment> = changes.iter().flat_map(|change| source.app.render(change, &view)).collect();
            if !fragments.is_empty() {
                outputs
                    .push(Output::Broadcast { stream: Stream::Room(room.clone()), fragments: fold(fragments).into() });
            }
        }
        for user in &deeds.users {
            let tabs = source.presence.tabs(&row_key(hash, *user));
            outputs.push(Output::Tabs { room: room.clone(), user: *user, tabs });
            // Most users of a large room are elsewhere: nobody here listens to what is theirs.
            if drawn > 0 && source.own.is_in(&row_key(hash, *user)) {
                let change = Change::Tabs { user: user.public(room, source.digest), tabs };
                let fragments = source.app.render(&change, &view);
                outputs
                    .push(Output::Broadcast { stream: Stream::User(room.clone(), *user), fragments: fragments.into() });
            }
        }
        for user in deeds.authors.iter().filter(|user| source.own.is_in(&row_key(hash, **user))) {
            let change = Change::You { user: user.public(room, source.digest) };
            let fragments = source.app.render(&change, &view);
            let stream = Stream::User(room.clone(), *user);
            outputs.push(Output::Broadcast { stream, fragments: fragments.into() });
        }
        let over = source.presence.room(&hash).is_none() && audience == 0;
        let over = over && view.registers.is_empty() && view.logs.is_empty();
        if over {
            outputs.push(Output::Forget(room.clone()));
        }
        over
    }

    /// The whole room as fragments, made once per view.
    fn whole(&mut self, source: &Source<'_>) -> Arc<[Fragment]> {
        let Some(view) = &mut self.view else { return Arc::default() };
        if source.time_ms.saturating_sub(view.as_of_ms) >= STALE_MS {
            *view = Arc::new(RoomView { as_of_ms: source.time_ms, ..(**view).clone() });
            self.snapshot = None;
        }
        let snapshot = self.snapshot.get_or_insert_with(|| fold(source.app.render(&Change::Everything, view)).into());
        Arc::clone(snapshot)
    }

    /// Who "you" are.
    fn yours(&self, user: UserId, source: &Source<'_>) -> Arc<[Fragment]> {
        let Some(view) = &self.view else { return Arc::default() };
        let tabs = source.presence.tabs(&row_key(view.room.hash(source.digest), user));
        let user = user.public(&view.room, source.digest);
        let changes = [Change::You { user }, Change::Tabs { user, tabs }];
        changes.iter().flat_map(|change| source.app.render(change, view)).collect()
    }
}

impl PendingEvents {
    fn take(&mut self, now_ms: u64, audience: u32) -> Self {
        if !self.waiting || self.pace.due_ms() > now_ms {
            return Self::default();
        }
        self.pace.spend(cost_us(audience), now_ms);
        let next = Self { pace: self.pace, ..Self::default() };
        std::mem::replace(self, next)
    }
}

impl PendingCounts {
    fn take(&mut self, now_ms: u64, watchers: u32, at_once: bool) -> Self {
        if !at_once && (!self.waiting || self.pace.due_ms() > now_ms) {
            return Self::default();
        }
        self.pace.spend(cost_us(watchers), now_ms);
        let next = Self { pace: self.pace, ..Self::default() };
        Self { waiting: true, ..std::mem::replace(self, next) }
    }
}

/// What it costs to draw a room that so many watch.
fn cost_us(watchers: u32) -> u64 {
    let watchers = u64::from(watchers);
    (WATCHER_US * watchers + CROWD_US * watchers.saturating_sub(FEW_WATCHERS)).max(VIEW_US)
}

fn changes(deeds: &PendingEvents, counting: &PendingCounts) -> Vec<Change> {
    if deeds.all {
        return vec![Change::Everything];
    }
    let regions = deeds.regions.then_some(Change::Regions);
    let counts = (deeds.regions || counting.whole).then_some(Change::Counts);
    regions
        .into_iter()
        .chain(counts)
        .chain(counting.regions.iter().cloned().map(Change::RegionCounts))
        .chain(deeds.registers.iter().cloned().map(Change::Set))
        .chain(deeds.logs.iter().cloned().map(Change::Logged))
        .chain(deeds.shared.iter().cloned().map(Change::Shared))
        .collect()
}

/// A room as it is known now.
pub(crate) fn view(room: &Room, version: u64, source: &Source<'_>) -> RoomView {
    let hash = &room.hash(source.digest);
    let counts = source.presence.room(hash);
    let whole = counts.map_or_else(Counts::default, |counts| counts.whole);
    let regions = source
        .regions
        .iter()
        .map(|region| {
            let here = counts.map_or_else(Counts::default, |counts| counts.of(&region.region));
            RegionView { users: here.users, tabs: here.tabs, unsure: here.unsure, ..region.clone() }
        })
        .collect();
    let mut registers = BTreeMap::new();
    let mut logs: BTreeMap<String, Vec<(crate::time::Stamp, Entry)>> = BTreeMap::new();
    for (key, kept) in source.facts.room(room).filter(|(_, kept)| kept.fact.stamp.time_ms <= source.limit_ms) {
        let entry = entry(kept);
        if key.entry.is_some() {
            logs.entry(key.key.clone()).or_default().push((kept.fact.stamp, entry));
        } else {
            registers.insert(key.key.clone(), entry);
        }
    }
    let logs = logs.into_iter().map(|(key, entries)| (key, newest_first(entries))).collect();
    RoomView {
        room: room.clone(),
        version,
        users: whole.users,
        tabs: whole.tabs,
        unsure: whole.unsure,
        looking: whole.looking,
        unproven: whole.unproven,
        regions,
        registers,
        logs,
        shared: shared(room, hash, source),
        here: source.here.clone(),
        as_of_ms: source.time_ms,
    }
}

fn shared(room: &Room, hash: &RoomHash, source: &Source<'_>) -> BTreeMap<String, BTreeMap<PublicId, Vec<u8>>> {
    let shown = source.presence.shared(hash).into_iter();
    shown
        .map(|(key, users)| {
            let users = users.into_iter();
            (key, users.map(|(user, share)| (user.public(room, source.digest), share.value.clone())).collect())
        })
        .collect()
}

fn newest_first(mut entries: Vec<(crate::time::Stamp, Entry)>) -> Vec<Entry> {
    entries.sort_by_key(|(stamp, _)| std::cmp::Reverse(*stamp));
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn entry(kept: &StoredFact) -> Entry {
    let fact = &kept.fact;
    let author = Author { user: fact.user, public: kept.public, region: fact.region.clone() };
    Entry { value: fact.value.clone(), author, at_ms: fact.stamp.time_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_watchers_see_a_thousand_changes_a_second_and_a_crowd_a_bounded_stream() {
        assert!((0..=100).all(|watchers| cost_us(watchers) <= 1_000));
        for watchers in (101..100_000).step_by(7) {
            let writes_a_second = 1_000_000 * u64::from(watchers) / cost_us(watchers);
            let most = 25_000 + 7_500_000 / u64::from(watchers);
            assert!(writes_a_second <= most, "{watchers} watchers: {writes_a_second} writes a second");
        }
    }
}
