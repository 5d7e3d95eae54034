//! What apps have made of the views that were visited lately; without it every visit would draw the same parts anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use presence_core::{PageCache, Room, RoomView};

/// So many rooms; a page's parts have some 10 KB.
const ROOMS_MAX: usize = 512;

/// The newest view of each room that was visited.
#[derive(Default)]
pub(crate) struct Visited(Mutex<HashMap<Room, Known>>);

type Known = (Arc<RoomView>, Arc<PageCache>);

impl Visited {
    /// What was made of this view; nothing yet where it is new.
    pub(crate) fn made_of(&self, view: &Arc<RoomView>) -> Arc<PageCache> {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match rooms.get(&view.room) {
            Some((known, made)) if Arc::ptr_eq(known, view) => return Arc::clone(made),
            None if rooms.len() >= ROOMS_MAX => rooms.clear(),
            _ => {}
        }
        let made = Arc::default();
        rooms.insert(view.room.clone(), (Arc::clone(view), Arc::clone(&made)));
        made
    }
}

#[cfg(test)]
mod tests {
    use presence_core::Region;

    use super::*;

    fn view(room: &str) -> Arc<RoomView> {
        Arc::new(RoomView::empty(Room::new(room).unwrap(), Region::new("ams").unwrap()))
    }

    #[test]
    fn each_view_has_its_own_and_keeps_it_until_there_is_a_newer_one() {
        let visited = Visited::default();
        let (first, other) = (view("demo"), view("other"));
        let made = visited.made_of(&first);
        assert!(!Arc::ptr_eq(&made, &visited.made_of(&other)));
        assert!(Arc::ptr_eq(&made, &visited.made_of(&first)));
        assert!(!Arc::ptr_eq(&made, &visited.made_of(&view("demo"))));
        assert!(!Arc::ptr_eq(&made, &visited.made_of(&first)));
    }

    #[test]
    fn a_million_rooms_take_no_more_room_than_some() {
        let visited = Visited::default();
        for number in 0..3 * ROOMS_MAX {
            visited.made_of(&view(&number.to_string()));
            assert!(visited.0.lock().unwrap().len() <= ROOMS_MAX);
        }
    }
}
