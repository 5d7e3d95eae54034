//! What the app has drawn of the views that were visited lately, so that a visit draws only what is new.

use std::sync::Arc;

use parking_lot::Mutex;
use presence_core::{PageCache, Room, RoomView};

use crate::lru::Lru;

/// A page's parts take about 10 KB.
const ROOMS_MAX: usize = 512;

/// The newest view of each room that was visited lately.
pub(super) struct ViewCache(Mutex<Lru<Room, DrawnView>>);

struct DrawnView {
    view: Arc<RoomView>,
    drawn: Arc<PageCache>,
}

impl Default for ViewCache {
    fn default() -> Self {
        Self(Mutex::new(Lru::new(ROOMS_MAX)))
    }
}

impl ViewCache {
    /// What was drawn of this view; empty if the view is new.
    pub(super) fn drawn(&self, view: &Arc<RoomView>) -> Arc<PageCache> {
        let mut rooms = self.0.lock();
        if let Some(known) = rooms.get(&view.room).filter(|known| Arc::ptr_eq(&known.view, view)) {
            return Arc::clone(&known.drawn);
        }
        let drawn = Arc::default();
        rooms.insert(view.room.clone(), DrawnView { view: Arc::clone(view), drawn: Arc::clone(&drawn) });
        drawn
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
    fn each_view_keeps_its_parts_until_the_room_has_a_newer_one() {
        let cache = ViewCache::default();
        let (first, other) = (view("demo"), view("other"));
        let drawn = cache.drawn(&first);
        assert!(!Arc::ptr_eq(&drawn, &cache.drawn(&other)));
        assert!(Arc::ptr_eq(&drawn, &cache.drawn(&first)));
        assert!(!Arc::ptr_eq(&drawn, &cache.drawn(&view("demo"))));
        assert!(!Arc::ptr_eq(&drawn, &cache.drawn(&first)));
    }
}
