//! What the node knows, published for pages and the API; without it they would have to ask the driver and wait for it.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use presence_core::{MeshView, Place, Region, RegionState, RegionView, Room, RoomView, UserId};
use tokio::sync::watch;

/// The newest view of everything. Locks are held for a look-up and never across an await.
pub(crate) struct Views {
    here: Region,
    rooms: RwLock<HashMap<Room, Arc<RoomView>>>,
    watched: Mutex<HashMap<Room, watch::Sender<()>>>,
    /// By a hash of room and user, since there may be a million of them: two that collide would be told each other's
    /// number, once in 10^7 nodes that know a million visitors.
    tabs: RwLock<HashMap<u64, u32>>,
    hasher: RandomState,
    mesh: RwLock<(Arc<MeshView>, Instant)>,
    empty: Mutex<Option<(Arc<MeshView>, Arc<RoomView>)>>,
}

impl Views {
    /// Before the node has said anything: its own region and nobody in it.
    pub(crate) fn new(here: Region, place: Place, now_ms: u64) -> Self {
        let own = RegionView {
            region: here.clone(),
            place,
            state: RegionState::Live,
            since_ms: now_ms,
            whole: true,
            heard_ms_ago: 0,
            round_trip_ms: None,
            users: 0,
            tabs: 0,
            unsure: 0,
        };
        let mesh = MeshView {
            regions: vec![own],
            nodes: Vec::new(),
            facts_root: "0".repeat(32),
            exchanged: false,
            degraded: Vec::new(),
            tables_asked: 0,
            root_faults: 0,
            as_of_ms: now_ms,
        };
        Self {
            here,
            rooms: RwLock::default(),
            watched: Mutex::default(),
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

    /// The room as it is now; `None` where nobody is and nothing is kept.
    pub(crate) fn room(&self, room: &Room) -> Option<Arc<RoomView>> {
        self.rooms.read().get(room).cloned()
    }

    /// The same, and an empty one of all known regions where there is none.
    pub(crate) fn room_or_empty(&self, room: &Room) -> Arc<RoomView> {
        self.room(room).unwrap_or_else(|| self.empty(room))
    }

    /// The last one is kept for as long as it is true, for what was made of it: mostly one page is asked for by many.
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

    /// All rooms that are known.
    pub(crate) fn rooms(&self) -> Vec<Arc<RoomView>> {
        self.rooms.read().values().cloned().collect()
    }

    /// Wakes whenever the room has a new view from now on; what has changed several times meanwhile wakes once.
    pub(crate) fn watch(&self, room: &Room) -> watch::Receiver<()> {
        let mut watched = self.watched.lock();
        watched.entry(room.clone()).or_insert_with(|| watch::channel(()).0).subscribe()
    }

    /// Wakes who watches the room; forgets it where nobody does any more.
    fn wake(&self, room: &Room) {
        let mut watched = self.watched.lock();
        if watched.get(room).is_some_and(|sender| sender.send(()).is_err()) {
            watched.remove(room);
        }
    }

    /// How many tabs a user has in a room, over all nodes.
    pub(crate) fn tabs(&self, room: &Room, user: &UserId) -> u32 {
        self.tabs.read().get(&self.hasher.hash_one((room, user))).copied().unwrap_or(0)
    }

    /// The mesh as it was last published.
    pub(crate) fn mesh(&self) -> Arc<MeshView> {
        Arc::clone(&self.mesh.read().0)
    }

    /// The same, and how long ago that was.
    pub(crate) fn mesh_and_age(&self) -> (Arc<MeshView>, Duration) {
        let mesh = self.mesh.read();
        (Arc::clone(&mesh.0), mesh.1.elapsed())
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
    fn an_empty_room_is_made_once_for_each_mesh() {
        let views = Views::new(Region::new("ams").unwrap(), Place::default(), 7);
        let room = |name| Room::new(name).unwrap();
        let empty = views.room_or_empty(&room("demo"));
        assert!(Arc::ptr_eq(&empty, &views.room_or_empty(&room("demo"))));
        assert_eq!((empty.users, empty.as_of_ms, &empty.regions), (0, 7, &views.mesh().regions));
        assert_eq!(views.room_or_empty(&room("other")).room, room("other"));

        let gone = MeshView { as_of_ms: 8, regions: Vec::new(), ..(*views.mesh()).clone() };
        views.set_mesh(Arc::new(gone));
        let anew = views.room_or_empty(&room("other"));
        assert_eq!((anew.as_of_ms, anew.regions.len()), (8, 0));
    }
}
