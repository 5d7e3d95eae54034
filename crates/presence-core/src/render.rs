//! From a change to the browsers: gathers what became different in a room, makes its view, and orders it to be drawn.

pub(crate) mod mesh_view;
mod own;
pub(crate) mod pending;
mod related;
mod room;
pub(crate) mod view;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app::change::Change;
use crate::app::drawing::{Drawing, Viewers};
use crate::app::region::RegionView;
use crate::app::traced::TracedWrite;
use crate::app::view::RoomView;
use crate::facts::FactChange;
use crate::id::{Room, RoomHash, SubscriptionKey, UserId};
use crate::io::output::Output;
use crate::outputs::Outputs;
use crate::presence::room_counts::RoomChanges;
use crate::receipts::ReceiptsChange;
use crate::render::mesh_view::looks_different;
use crate::render::pending::PendingEvents;
use crate::render::related::RelatedRooms;
use crate::render::room::{Afterwards, RoomRenderer};
use crate::render::view::{Elsewhere, RoomSource};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Mono, Now};

/// At most this many rooms are drawn in one go. When a region comes or goes all of them change at once: clicks and
/// heartbeats are to come between them.
pub const ROOMS_A_TURN: usize = 128;
/// The mesh is viewed this often.
const MESH_VIEW_MS: u64 = 1_000;
/// Round-trip times are drawn at most this often.
const ROUND_TRIP_MS: u64 = 5_000;

const MINUTE_MS: u64 = 60_000;

/// A subscription to which a room is to be shown whole, or for a user's own stream, who "you" are.
#[derive(Clone, Debug)]
struct Newcomer {
    at: SubscriptionKey,
    room: Room,
    user: Option<UserId>,
}

/// All rooms' pages.
#[derive(Debug, Default)]
pub(crate) struct Renderer {
    rooms: BTreeMap<Room, RoomRenderer>,
    /// The rooms that were drawn: rows may come and go before the row that holds their room's name.
    names: BTreeMap<RoomHash, Room>,
    due: BTreeSet<(Mono, Room)>,
    related: RelatedRooms,
    newcomers: Vec<Newcomer>,
    /// Regions as pages show them, without any room's numbers.
    regions: Vec<RegionView>,
    regions_at: Mono,
    minute: u64,
    /// Something about another node is different since the mesh was viewed.
    nodes_changed: bool,
    mesh_viewed_at: Option<Mono>,
}

impl Renderer {
    /// A renderer that has shown nothing yet, not even the regions.
    pub(crate) fn new() -> Self {
        Self { nodes_changed: true, ..Self::default() }
    }

    fn room(&mut self, room: &Room) -> &mut RoomRenderer {
        self.rooms.entry(room.clone()).or_default()
    }

    /// Puts a room among those that are to be drawn.
    fn schedule(&mut self, room: &Room, now: Mono) {
        let renderer = self.room(room);
        let Some(due) = renderer.next().map(|due| due.max(now)) else { return };
        let before = renderer.due.replace(due);
        if before != Some(due) {
            before.map(|before| self.due.remove(&(before, room.clone())));
            self.due.insert((due, room.clone()));
        }
    }

    fn add(&mut self, room: &Room, now: Mono, what: impl FnOnce(&mut PendingEvents)) {
        self.room(room).events.add(what);
        self.schedule(room, now);
    }

    /// Rows of a room have changed. Its name may be known from here only.
    pub(crate) fn rows_changed(&mut self, hash: RoomHash, name: Option<&Room>, changes: RoomChanges, now: Mono) {
        let Some(room) = name.or(changes.closed.as_ref()).or(self.names.get(&hash)).cloned() else { return };
        let counts = &mut self.room(&room).counts;
        counts.waiting |= changes.counts || !changes.regions.is_empty();
        counts.whole |= changes.counts;
        counts.regions.extend(changes.regions);
        if changes.users.is_empty() && changes.shared.is_empty() {
            self.schedule(&room, now);
        } else {
            self.add(&room, now, |events| {
                events.users.extend(changes.users);
                events.shared.extend(changes.shared);
            });
        }
    }

    /// A fact is new, or gone.
    pub(crate) fn fact_changed(&mut self, change: FactChange, now: Now) {
        let FactChange { room, change, author, asks: _, trace } = change;
        let undrawn = match change {
            Change::Set(_) => injected(Fault::UndrawnRegister),
            Change::Mapped { .. } => injected(Fault::UndrawnMap),
            _ => false,
        };
        if undrawn && author.is_none() {
            return;
        }
        let kinds = change.fact_kind().into_iter().collect();
        let traced = trace.map(|context| TracedWrite { context, kinds, taken: now.wall });
        self.add(&room, now.mono, |events| {
            traced.into_iter().for_each(|traced| events.traced.add(traced));
            if !undrawn {
                events.add_changes([change]);
            }
            events.authors.extend(author);
        });
    }

    /// More regions have shown a write.
    pub(crate) fn receipts_changed(&mut self, change: ReceiptsChange, now: Mono) {
        let ReceiptsChange { room, key, author } = change;
        self.add(&room, now, |events| {
            events.add_changes([Change::Receipts(key)]);
            events.authors.insert(author);
        });
    }

    /// Something about another node is different.
    pub(crate) fn nodes_changed(&mut self) {
        self.nodes_changed = true;
    }

    /// Whether the mesh is to be viewed now.
    pub(crate) fn mesh_view_is_due(&mut self, now: Mono) -> bool {
        let due = self.nodes_changed || self.mesh_viewed_at.is_none_or(|at| now.since(at) >= MESH_VIEW_MS);
        if due {
            self.mesh_viewed_at = Some(now);
        }
        due
    }

    /// Whether regions may look different from how pages show them.
    pub(crate) fn regions_are_due(&mut self, now: Mono) -> bool {
        let changed = std::mem::take(&mut self.nodes_changed);
        let due = changed || now.since(self.regions_at) >= ROUND_TRIP_MS;
        if due {
            self.regions_at = now;
        }
        due
    }

    /// Draws the regions on all pages where something that a page shows of them is different.
    pub(crate) fn show_regions(&mut self, regions: Vec<RegionView>, now: Mono) {
        let same = regions.len() == self.regions.len();
        if same && !regions.iter().zip(&self.regions).any(|(new, old)| looks_different(new, old)) {
            return;
        }
        self.regions = regions;
        let rooms: Vec<Room> = self.rooms.keys().cloned().collect();
        for room in rooms {
            self.add(&room, now, |events| events.regions = true);
        }
    }

    /// Draws what says how long ago something was, once a minute, in the rooms that pages of this node show.
    pub(crate) fn tend_minute(&mut self, is_drawn: impl Fn(&RoomHash) -> bool, now: Mono) {
        if std::mem::replace(&mut self.minute, now.0 / MINUTE_MS) == now.0 / MINUTE_MS {
            return;
        }
        let drawn: Vec<Room> =
            self.names.iter().filter(|(hash, _)| is_drawn(hash)).map(|(_, room)| room.clone()).collect();
        for room in drawn {
            self.add(&room, now, |events| events.minute = true);
        }
    }

    /// Makes sure that a room has a view.
    pub(crate) fn open(&mut self, room: &Room, now: Mono) {
        if self.view(room).is_none() {
            self.add(room, now, |events| events.all = true);
        }
    }

    /// Shows the room whole to one subscription, once its view is up to date.
    pub(crate) fn show(&mut self, room: &Room, at: SubscriptionKey, now: Mono) {
        self.open(room, now);
        self.newcomers.push(Newcomer { at, room: room.clone(), user: None });
    }

    /// Shows a user who "you" are on one subscription, once the room's view is up to date.
    pub(crate) fn show_user(&mut self, room: &Room, user: UserId, at: SubscriptionKey, now: Mono) {
        self.open(room, now);
        self.newcomers.push(Newcomer { at, room: room.clone(), user: Some(user) });
    }

    /// Whether something is to be drawn now.
    pub(crate) fn is_due(&self, now: Mono) -> bool {
        !self.newcomers.is_empty() || self.due().is_some_and(|due| due <= now)
    }

    /// When something is due to be drawn.
    pub(crate) fn due(&self) -> Option<Mono> {
        self.due.first().map(|(due, _)| *due)
    }

    /// The view of a room as it was published last.
    pub(crate) fn view(&self, room: &Room) -> Option<&Arc<RoomView>> {
        self.rooms.get(room).and_then(|renderer| renderer.view.as_ref())
    }

    /// An order to draw these changes of a room, if it has a view.
    pub(crate) fn drawing(&self, room: &Room, to: Viewers, changes: Vec<Change>) -> Option<Drawing> {
        self.rooms.get(room).and_then(|renderer| renderer.drawing(to, changes))
    }

    /// Draws what is due, a bounded part of it, and shows rooms to newcomers.
    pub(crate) fn draw(&mut self, source: &RoomSource<'_>, now: Mono, out: &mut Outputs) {
        let newcomers = std::mem::take(&mut self.newcomers);
        // A newcomer is shown its room even if the room has no member.
        let mut forgotten = Vec::new();
        for Newcomer { room, .. } in &newcomers {
            let due = self.rooms.get(room).and_then(|renderer| renderer.due).filter(|due| *due <= now);
            if due.is_some_and(|due| self.due.remove(&(due, room.clone()))) {
                forgotten.extend(self.draw_room(room, source, now, out));
            }
        }
        for _ in 0..ROOMS_A_TURN {
            let Some((due, room)) = self.due.first().filter(|(due, _)| *due <= now).cloned() else { break };
            self.due.remove(&(due, room.clone()));
            forgotten.extend(self.draw_room(&room, source, now, out));
        }
        for Newcomer { at, room, user } in newcomers {
            let Some(renderer) = self.rooms.get_mut(&room) else { continue };
            let SubscriptionKey { connection, subscription } = at;
            let to = Viewers::Subscription { connection, subscription, whole: true };
            let drawing = match user {
                None => renderer.whole(to, source),
                Some(user) => renderer.yours(to, user, source),
            };
            drawing.into_iter().for_each(|drawing| out.push(Output::Draw(drawing)));
        }
        for room in forgotten {
            self.related.forget(&room);
            // A room that it named may have made it due again meanwhile.
            if let Some(due) = self.rooms.remove(&room).and_then(|renderer| renderer.due) {
                self.due.remove(&(due, room.clone()));
            }
            self.names.remove(&room.hash(source.digest));
        }
    }

    /// Returns the room where it may be forgotten.
    fn draw_room(&mut self, room: &Room, source: &RoomSource<'_>, now: Mono, out: &mut Outputs) -> Option<Room> {
        let related = match self.rooms.get(room).is_some_and(|renderer| renderer.makes_view(now)) {
            true => self.related_views(room, source),
            false => Vec::new(),
        };
        let elsewhere = Elsewhere { regions: &self.regions, related };
        let renderer = self.rooms.get_mut(room).expect("what is due has a renderer");
        let first = renderer.view.is_none();
        let afterwards = renderer.draw(room, elsewhere, source, now, out);
        if afterwards != Afterwards::Same {
            self.show_elsewhere(room, now);
        }
        if afterwards == Afterwards::Forgotten {
            return Some(room.clone());
        }
        self.schedule(room, now);
        if first {
            self.names.insert(room.hash(source.digest), room.clone());
        }
        None
    }
}
