//! The node's newest views, for pages and the API to read without waiting for the driver.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use presence_core::{MeshView, NodeCounts, Place, Region, RegionView, Room, RoomView, RowTotals, UserId};
use tokio::sync::watch;

use crate::clock::millis;

/// Places for rooms that a map keeps free; more are given back when three quarters of them are free.
const SPARE_MAX: usize = 1_024;

/// The newest views of all rooms and of the mesh. Locks are never held across an await.
pub(crate) struct Views {
    here: Region,
    rooms: RwLock<HashMap<Room, Arc<RoomView>>>,
    watched: Arc<WatchedRooms>,
    /// By a hash of room and user, since there may be a million of them. Two that collide would see each other's number: with
    /// a million visitors, this happens on one node in 10^7.
    tabs: RwLock<HashMap<u64, u32>>,
    hasher: RandomState,
    mesh: RwLock<(Arc<MeshView>, Instant)>,
    empty: Mutex<Option<(Arc<MeshView>, Arc<RoomView>)>>,
}

/// The rooms that somebody watches.
#[derive(Default)]
struct WatchedRooms {
    senders: Mutex<HashMap<Room, watch::Sender<()>>>,
}

/// Wakes after new views of one room. Nothing is kept of a room without a watch: anyone may ask for rooms that
/// do not exist.
pub(crate) struct RoomWatch {
    all: Arc<WatchedRooms>,
    room: Room,
    receiver: watch::Receiver<()>,
}

impl RoomWatch {
    /// Waits for the next view; several new views may wake once.
    pub(crate) async fn changed(&mut self) {
        if self.receiver.changed().await.is_err() {
            // The sender is kept for as long as there is a watch.
            std::future::pending().await
        }
    }
}

impl Drop for RoomWatch {
    fn drop(&mut self) {
        let mut senders = self.all.senders.lock();
        // This watch is still among the receivers.
        if senders.get(&self.room).is_some_and(|sender| sender.receiver_count() <= 1) {
            senders.remove(&self.room);
        }
        if senders.capacity() > SPARE_MAX && senders.len() < senders.capacity() / 4 {
            let wanted = senders.len() * 2;
            senders.shrink_to(wanted);
        }
    }
}

impl Views {
    /// Views of an empty node: its own region, and no users.
    pub(crate) fn new(here: Region, place: Place, now_ms: u64) -> Self {
        let own = RegionView { since_ms: now_ms, ..RegionView::empty(here.clone(), place) };
        let mesh = MeshView {
            regions: vec![own],
            nodes: Vec::new(),
            facts_root: "0".repeat(32),
            exchanged: false,
            caught_up: false,
            degraded: Vec::new(),
            clock_fault: None,
            tables_asked: 0,
            root_faults: 0,
            facts: 0,
            facts_bytes: 0,
            rows: RowTotals::default(),
            counts: NodeCounts::default(),
            suspended_ms: 0,
            receipt_times: BTreeMap::new(),
            as_of_ms: now_ms,
        };
        Self {
            here,
            rooms: RwLock::default(),
            watched: Arc::default(),
            tabs: RwLock::default(),
            hasher: RandomState::new(),
            mesh: RwLock::new((Arc::new(mesh), Instant::now())),
            empty: Mutex::default(),
        }
    }

    /// This node's region.
    pub(crate) fn here(&self) -> &Region {
        &self.here
    }

    /// The room's view; `None` if the room is empty and has no facts.
    pub(crate) fn room(&self, room: &Room) -> Option<Arc<RoomView>> {
        self.rooms.read().get(room).cloned()
    }

    /// The room's view, or an empty one with all known regions.
    pub(crate) fn room_or_empty(&self, room: &Room) -> Arc<RoomView> {
        self.room(room).unwrap_or_else(|| self.empty(room))
    }

    /// Passes the room's view to `send`, and again while a newer one came meanwhile: what is sent last is the newest.
    pub(crate) fn send_newest(&self, room: &Room, send: impl Fn(&RoomView)) {
        let mut view = self.room_or_empty(room);
        loop {
            send(&view);
            let now = self.room_or_empty(room);
            if now.version == view.version {
                return;
            }
            view = now;
        }
    }

    /// The room's view for a page that shows these other rooms, too.
    pub(crate) fn page(&self, room: &Room, related: &[Room]) -> Arc<RoomView> {
        RoomView::completed(self.room_or_empty(room), related, |other| self.room(other))
    }

    /// The last empty view is kept while it is current, since what the app draws of it is cached by view.
    fn empty(&self, room: &Room) -> Arc<RoomView> {
        let mesh = self.mesh();
        let mut last = self.empty.lock();
        if let Some((of, view)) = &*last
            && (Arc::ptr_eq(of, &mesh) && view.room == *room)
        {
            return Arc::clone(view);
        }
        let empty = RoomView::empty(room.clone(), self.here.clone());
        let view = Arc::new(RoomView { regions: mesh.regions.clone(), as_of_ms: mesh.as_of_ms, ..empty });
        *last = Some((mesh, Arc::clone(&view)));
        view
    }

    /// The views of all known rooms.
    pub(crate) fn rooms(&self) -> Vec<Arc<RoomView>> {
        self.rooms.read().values().cloned().collect()
    }

    /// Watches a room for new views.
    pub(crate) fn watch(&self, room: &Room) -> RoomWatch {
        let mut senders = self.watched.senders.lock();
        let receiver = senders.entry(room.clone()).or_insert_with(|| watch::channel(()).0).subscribe();
        RoomWatch { all: Arc::clone(&self.watched), room: room.clone(), receiver }
    }

    /// Wakes the watchers of a room.
    fn wake(&self, room: &Room) {
        if let Some(sender) = self.watched.senders.lock().get(room) {
            sender.send_replace(());
        }
    }

    /// A user's tabs in a room, over all nodes.
    pub(crate) fn tabs(&self, room: &Room, user: &UserId) -> u32 {
        self.tabs.read().get(&self.hasher.hash_one((room, user))).copied().unwrap_or(0)
    }

    /// The newest view of the mesh.
    pub(crate) fn mesh(&self) -> Arc<MeshView> {
        Arc::clone(&self.mesh.read().0)
    }

    /// The newest view of the mesh, and its age.
    pub(crate) fn mesh_and_age(&self) -> (Arc<MeshView>, Duration) {
        let mesh = self.mesh.read();
        (Arc::clone(&mesh.0), mesh.1.elapsed())
    }

    /// The node's time: this machine's clock, or that of most nodes where it runs far ahead of them. In ms since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        let mesh = self.mesh.read();
        mesh.0.as_of_ms.saturating_add(millis(mesh.1.elapsed()))
    }

    pub(crate) fn set_room(&self, view: Arc<RoomView>) {
        let room = view.room.clone();
        self.rooms.write().insert(room.clone(), view);
        self.wake(&room);
    }

    pub(crate) fn forget_room(&self, room: &Room) {
        self.rooms.write().remove(room);
        self.wake(room);
    }

    pub(crate) fn set_tabs(&self, room: &Room, user: &UserId, tabs: u32) {
        let key = self.hasher.hash_one((room, user));
        let mut all = self.tabs.write();
        if tabs == 0 {
            all.remove(&key);
        } else {
            all.insert(key, tabs);
        }
    }

    pub(crate) fn set_mesh(&self, view: Arc<MeshView>) {
        *self.mesh.write() = (view, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_room_has_one_view_for_each_view_of_the_mesh() {
        let views = Views::new(Region::new("ams").unwrap(), Place::default(), 7);
        let room = |name| Room::new(name).unwrap();
        let empty = views.room_or_empty(&room("demo"));
        assert!(Arc::ptr_eq(&empty, &views.room_or_empty(&room("demo"))));
        assert_eq!((empty.users, empty.as_of_ms, &empty.regions), (0, 7, &views.mesh().regions));
        assert_eq!(views.room_or_empty(&room("other")).room, room("other"));

        let gone = MeshView { as_of_ms: 8, regions: Vec::new(), ..(*views.mesh()).clone() };
        views.set_mesh(Arc::new(gone));
        let newer = views.room_or_empty(&room("other"));
        assert_eq!((newer.as_of_ms, newer.regions.len()), (8, 0));
    }
    #[tokio::test]
    async fn a_room_is_watched_for_as_long_as_there_is_a_watch() {
        let views = Views::new(Region::new("ams").unwrap(), Place::default(), 7);
        let demo = Room::new("demo").unwrap();
        let (mut first, second) = (views.watch(&demo), views.watch(&demo));
        drop(second);
        views.set_room(Arc::new(RoomView::empty(demo.clone(), views.here().clone())));
        first.changed().await;
        views.forget_room(&demo);
        first.changed().await;
        drop(first);
        let room = |number| Room::new(&format!("new/{number}")).unwrap();
        let many: Vec<_> = (0..10_000).map(|number| views.watch(&room(number))).collect();
        assert_eq!(views.watched.senders.lock().len(), 10_000);
        drop(many);
        let senders = views.watched.senders.lock();
        assert!(senders.is_empty() && senders.capacity() <= 2 * SPARE_MAX, "{}", senders.capacity());
    }
}
