//! Orders to draw that wait, of each room in order. Whoever draws a room has it alone.

use std::collections::{HashMap, VecDeque};

use presence_core::{Drawing, Room, Viewers};

/// Orders of one room that wait. What changes in a room is one order however often it changes: these are newcomers.
const WAITING_MAX: usize = 65_536;

/// The orders of all rooms.
#[derive(Default)]
pub(super) struct WaitingRooms {
    /// The orders of each room that is not drawn to its end; empty while its last one is drawn.
    orders: HashMap<Room, VecDeque<Drawing>>,
    /// The rooms whose first order can be drawn now.
    pub(super) ready: VecDeque<Room>,
    waiting: usize,
    pub(super) closed: bool,
}

impl WaitingRooms {
    /// Adds an order; false if too many wait.
    pub(super) fn push(&mut self, drawing: Drawing) -> bool {
        let room = drawing.view.room.clone();
        let orders = self.orders.entry(room.clone()).or_insert_with(|| {
            self.ready.push_back(room);
            VecDeque::new()
        });
        if let Some(last) = orders.back_mut().filter(|last| last.precedes(&drawing)) {
            last.absorb(drawing);
            return true;
        }
        if let Viewers::Subscription { .. } = drawing.to {
            // A subscription is shown its newest order of the same kind only.
            let before = orders.len();
            orders.retain(|earlier| earlier.to != drawing.to);
            self.waiting -= before - orders.len();
        }
        // Those for users are few: one in each room, and two in one that was forgotten and is open again.
        if self.waiting >= WAITING_MAX && !matches!(drawing.to, Viewers::Users(_)) {
            return false;
        }
        self.waiting += 1;
        orders.push_back(drawing);
        true
    }

    /// The next order, of a room that no other task draws.
    pub(super) fn next(&mut self) -> Option<Drawing> {
        let room = self.ready.pop_front()?;
        let drawing = self.orders.get_mut(&room).and_then(VecDeque::pop_front);
        if drawing.is_some() {
            self.waiting -= 1;
        } else {
            self.orders.remove(&room);
        }
        drawing
    }

    /// An order of this room has been drawn. Returns whether any room can be drawn now.
    pub(super) fn drawn(&mut self, room: &Room) -> bool {
        if self.orders.get(room).is_some_and(VecDeque::is_empty) {
            self.orders.remove(room);
        } else {
            self.ready.push_back(room.clone());
        }
        !self.ready.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use presence_core::{Change, ConnectionId, Region, RoomView, Stream, SubscriptionId};

    use super::*;

    fn view(room: &str, version: u64) -> Arc<RoomView> {
        let empty = RoomView::empty(Room::new(room).unwrap(), Region::new("ams").unwrap());
        Arc::new(RoomView { version, ..empty })
    }

    fn change(room: &str, version: u64, key: &str) -> Drawing {
        let to = Viewers::Stream(Stream::Room(Room::new(room).unwrap()));
        Drawing::new(to, view(room, version), vec![Change::Set(key.to_owned())])
    }

    fn newcomer(room: &str, version: u64, connection: u64) -> Drawing {
        let (connection, subscription) = (ConnectionId(connection), SubscriptionId(1));
        let to = Viewers::Subscription { connection, subscription, whole: true };
        Drawing::new(to, view(room, version), vec![Change::Everything])
    }

    #[test]
    fn changes_of_a_room_that_is_being_drawn_wait_as_one_and_newcomers_keep_their_place() {
        let mut rooms = WaitingRooms::default();
        assert!(rooms.push(change("a", 1, "lamp")));
        let first = rooms.next().unwrap();
        assert_eq!(rooms.next(), None, "the room is being drawn");
        for order in [change("a", 2, "lamp"), change("a", 3, "wall"), newcomer("a", 3, 1), change("a", 4, "lamp")] {
            assert!(rooms.push(order));
        }
        assert!(rooms.push(newcomer("a", 5, 1)), "it replaces the older one");
        assert_eq!((rooms.next(), rooms.waiting), (None, 3));
        assert!(rooms.drawn(&first.view.room));
        let mut drawn = Vec::new();
        while let Some(order) = rooms.next() {
            drawn.push((order.view.version, order.changes.len()));
            rooms.drawn(&order.view.room);
        }
        assert_eq!(drawn, [(3, 2), (4, 1), (5, 1)]);
        assert!(rooms.orders.is_empty() && rooms.ready.is_empty() && rooms.waiting == 0);
    }

    #[test]
    fn what_is_drawn_together_is_confirmed_if_one_of_it_is_to_be() {
        let mut rooms = WaitingRooms::default();
        for confirmed in [false, true, false] {
            let mut order = change("a", 1, "lamp");
            order.confirmed = confirmed;
            assert!(rooms.push(order));
        }
        assert!(rooms.next().is_some_and(|order| order.confirmed));
    }

    #[test]
    fn a_room_that_is_stuck_delays_no_other_and_what_waits_is_bounded() {
        let mut rooms = WaitingRooms::default();
        assert!(rooms.push(change("stuck", 1, "lamp")));
        assert!(rooms.next().is_some());
        for number in 0..WAITING_MAX as u64 {
            assert!(rooms.push(newcomer("stuck", 2, number)));
        }
        assert!(!rooms.push(newcomer("stuck", 2, u64::MAX)));
        // An order that waits already takes over what is new.
        assert!(rooms.push(newcomer("stuck", 3, 7)));
        rooms.waiting = 0;
        assert!(rooms.push(change("other", 1, "lamp")));
        assert_eq!(rooms.next().unwrap().view.room.as_str(), "other");
    }
}
