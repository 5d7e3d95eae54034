//! Rooms whose pages show other rooms, too: which they name, and in which they are named.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app::view::{RELATED_MAX, RoomView};
use crate::id::Room;
use crate::render::Renderer;
use crate::render::view::RoomSource;
use crate::time::Mono;

/// Both directions, of rooms that a page of this node shows.
#[derive(Debug, Default)]
pub(super) struct RelatedRooms {
    names: BTreeMap<Room, Vec<Room>>,
    named_by: BTreeMap<Room, BTreeSet<Room>>,
    /// The newest views of rooms that name others and are named, without those others: two rooms may hold each other.
    alone: BTreeMap<Room, Arc<RoomView>>,
}

impl RelatedRooms {
    /// A room names these others, at most 256. Returns whether that is new.
    pub(super) fn relate(&mut self, room: &Room, mut others: Vec<Room>) -> bool {
        others.retain(|other| other != room);
        others.truncate(RELATED_MAX);
        if self.of(room) == others {
            return false;
        }
        self.forget(room);
        for other in &others {
            self.named_by.entry(other.clone()).or_default().insert(room.clone());
        }
        if !others.is_empty() {
            self.names.insert(room.clone(), others);
        }
        true
    }

    /// A room names no others any more.
    pub(super) fn forget(&mut self, room: &Room) {
        self.alone.remove(room);
        for other in self.names.remove(room).unwrap_or_default() {
            if let Some(naming) = self.named_by.get_mut(&other) {
                naming.remove(room);
                if naming.is_empty() {
                    self.named_by.remove(&other);
                }
            }
        }
    }

    /// The rooms that a room names.
    pub(super) fn of(&self, room: &Room) -> &[Room] {
        self.names.get(room).map_or(&[], Vec::as_slice)
    }

    /// A room's view as others hold it.
    fn alone(&mut self, view: &Arc<RoomView>) -> Arc<RoomView> {
        if view.related.is_empty() {
            return Arc::clone(view);
        }
        match self.alone.get(&view.room) {
            Some(alone) if alone.version == view.version => Arc::clone(alone),
            _ => {
                let alone = RoomView::alone(Arc::clone(view));
                self.alone.insert(view.room.clone(), Arc::clone(&alone));
                alone
            }
        }
    }

    /// The rooms that name a room.
    pub(super) fn naming(&self, room: &Room) -> Vec<Room> {
        self.named_by.get(room).into_iter().flatten().cloned().collect()
    }
}

impl Renderer {
    /// A room's pages show these other rooms, too.
    pub(crate) fn relate(&mut self, room: &Room, others: Vec<Room>, now: Mono) {
        if self.related.relate(room, others) {
            self.rooms.entry(room.clone()).or_default().events.add_related(self.related.of(room));
            self.schedule(room, now);
        }
    }

    /// The views of the rooms that a room names, for as long as a page of this node shows it.
    pub(super) fn related_views(&mut self, room: &Room, source: &RoomSource<'_>) -> Vec<Arc<RoomView>> {
        if self.related.of(room).is_empty() {
            return Vec::new();
        }
        if !source.local.is_drawn(&room.hash(source.digest)) {
            self.related.forget(room);
        }
        let named = self.related.of(room).to_vec();
        let views = named.iter().filter_map(|other| self.view(other).cloned()).collect::<Vec<_>>();
        views.iter().map(|view| self.related.alone(view)).collect()
    }

    /// Shows a room that looks different in those that name it.
    pub(super) fn show_elsewhere(&mut self, room: &Room, now: Mono) {
        for naming in self.related.naming(room) {
            self.room(&naming).events.add_related(std::slice::from_ref(room));
            self.schedule(&naming, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_names_others_until_it_is_forgotten() {
        let room = |name: &str| Room::new(name).unwrap();
        let (list, teapot, lamp) = (room("shop"), room("shop/teapot"), room("shop/lamp"));
        let mut related = RelatedRooms::default();
        assert!(!related.relate(&list, vec![list.clone()]), "a room does not name itself");
        assert!(related.relate(&list, vec![teapot.clone(), lamp.clone()]));
        assert!(related.relate(&lamp, vec![teapot.clone()]));
        assert!(!related.relate(&lamp, vec![teapot.clone()]));
        assert_eq!(related.naming(&teapot), [list.clone(), lamp.clone()]);
        assert!(related.relate(&list, vec![lamp.clone()]));
        assert_eq!((related.naming(&teapot), related.naming(&lamp)), (vec![lamp.clone()], vec![list.clone()]));
        related.forget(&list);
        related.forget(&lamp);
        assert!(related.names.is_empty() && related.named_by.is_empty());
        let many = (0..1_000).map(|number| room(&format!("shop/{number}"))).collect();
        assert!(related.relate(&list, many));
        assert_eq!(related.of(&list).len(), RELATED_MAX);
    }
}
