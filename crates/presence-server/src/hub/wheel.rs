//! When each socket is polled; without it every socket would need a timer of its own.

use parking_lot::Mutex;
use presence_core::ConnectionId;

/// One turn of the wheel, in slots: what is due later than that waits in the last slot, and is polled once too often.
const SLOTS: u64 = 256;

/// A timer wheel (Varghese and Lauck 1987, scheme 5) with one level. What is due is polled late by less than a slot,
/// never early.
#[derive(Debug)]
pub(super) struct Wheel {
    slot_ms: u64,
    slots: Mutex<Slots>,
}

#[derive(Debug)]
struct Slots {
    /// The next slot that is due, counted since the start.
    next: u64,
    due: Vec<Vec<ConnectionId>>,
}

impl Wheel {
    /// A wheel whose slots last this long.
    pub(super) fn new(slot_ms: u64) -> Self {
        let due = (0..SLOTS).map(|_| Vec::new()).collect();
        Self { slot_ms: slot_ms.max(1), slots: Mutex::new(Slots { next: 0, due }) }
    }

    /// Schedules a poll of this socket.
    pub(super) fn at(&self, connection: ConnectionId, ms: u64) {
        let mut slots = self.slots.lock();
        let slot = ms.div_ceil(self.slot_ms).clamp(slots.next, slots.next + SLOTS - 1);
        slots.due[(slot % SLOTS) as usize].push(connection);
    }

    /// Takes all that are due.
    pub(super) fn turn(&self, now_ms: u64) -> Vec<ConnectionId> {
        let mut slots = self.slots.lock();
        let mut due = Vec::new();
        while slots.next <= now_ms / self.slot_ms {
            let slot = (slots.next % SLOTS) as usize;
            // Taken with its allocation: a slot keeps no room for the crowd of a moment ago.
            due.append(&mut std::mem::take(&mut slots.due[slot]));
            slots.next += 1;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_in_time_and_not_before() {
        let wheel = Wheel::new(10);
        for (number, ms) in [(1, 0), (2, 10), (3, 11), (4, 2_000), (5, 1_000_000)] {
            wheel.at(ConnectionId(number), ms);
        }
        assert_eq!(wheel.turn(0), [ConnectionId(1)]);
        assert_eq!(wheel.turn(19), [ConnectionId(2)]);
        assert_eq!(wheel.turn(20), [ConnectionId(3)]);
        assert_eq!(wheel.turn(1_999), []);
        assert_eq!(wheel.turn(2_009), [ConnectionId(4)]);
        // Further than the wheel reaches: polled early, and scheduled again.
        assert_eq!(wheel.turn(10 * SLOTS), [ConnectionId(5)]);
        wheel.at(ConnectionId(6), 0);
        assert_eq!(wheel.turn(10 * SLOTS), [], "that slot's time has passed");
        assert_eq!(wheel.turn(10 * SLOTS + 10), [ConnectionId(6)], "what is overdue comes next");
    }

    #[test]
    fn a_wheel_that_stood_still_gives_everything_back_once() {
        let wheel = Wheel::new(50);
        (0..10_000).for_each(|number| wheel.at(ConnectionId(number), number));
        let mut due = wheel.turn(3_600_000);
        due.sort_unstable();
        assert_eq!(due, (0..10_000).map(ConnectionId).collect::<Vec<_>>());
        assert_eq!(wheel.turn(7_200_000), []);
    }
}
