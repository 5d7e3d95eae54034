//! What is each user's own in a room, drawn for all who are there: a bounded part of them at a time.

use crate::cost_limit::CostLimiter;
use crate::id::{Room, UserId};
use crate::render::Renderer;
use crate::time::Mono;

/// Drawing what is one user's own costs this: a call of the app, encoding, and a write to each of their tabs.
const USER_US: u64 = 100;
/// At most this many users are drawn in one go, so that what is drawn for all comes in between.
const USERS_A_TURN: usize = 64;

/// The users who are to be drawn their own.
#[derive(Debug, Default)]
pub(super) struct PendingOwn {
    /// A change came that not everyone has been drawn.
    changed: bool,
    /// Those who are left of the present round.
    left: Vec<UserId>,
    /// An order is on its way: the next one waits until the app has drawn it, so that an app that takes long has one to do.
    ordered: bool,
    limiter: CostLimiter,
}

impl PendingOwn {
    /// Everyone is to be drawn. A round that has begun is ended first, so that under constant change no one waits for longer
    /// than two rounds.
    fn add(&mut self) {
        self.changed = true;
    }

    pub(super) fn due(&self) -> Option<Mono> {
        let waits = self.changed || !self.left.is_empty();
        (waits && !self.ordered).then(|| self.limiter.due())
    }

    /// The last order was drawn.
    fn drawn(&mut self) {
        self.ordered = false;
    }

    /// The next users to draw, if it is time; `everyone`: those who are in the room now.
    pub(super) fn take<Users: Iterator<Item = UserId>>(
        &mut self,
        everyone: impl FnOnce() -> Users,
        now: Mono,
    ) -> Vec<UserId> {
        if self.due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        if self.left.is_empty() {
            self.changed = false;
            self.left = everyone().collect();
        }
        let turn = self.left.split_off(self.left.len().saturating_sub(USERS_A_TURN));
        self.ordered = !turn.is_empty();
        self.limiter.spend(USER_US * turn.len() as u64, now);
        if self.left.is_empty() {
            self.left = Vec::new();
        }
        turn
    }
}

impl Renderer {
    /// What is each user's own in a room is to be drawn again.
    pub(crate) fn own_changed(&mut self, room: &Room, now: Mono) {
        self.change_own(room, PendingOwn::add, now);
    }

    /// The last order for users of a room was drawn.
    pub(crate) fn own_drawn(&mut self, room: &Room, now: Mono) {
        self.change_own(room, PendingOwn::drawn, now);
    }

    fn change_own(&mut self, room: &Room, change: impl FnOnce(&mut PendingOwn), now: Mono) {
        let Some(renderer) = self.rooms.get_mut(room) else { return };
        change(renderer.own.get_or_insert_default());
        self.schedule(room, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(count: u8) -> impl Iterator<Item = UserId> {
        (0..count).map(|user| UserId([user; 32]))
    }

    #[test]
    fn a_few_are_drawn_at_each_change_and_a_crowd_in_parts() {
        let mut own = PendingOwn::default();
        assert_eq!(own.take(|| users(9), Mono(10_000)), []);
        for ms in 10_000..10_100 {
            own.add();
            assert_eq!(own.take(|| users(9), Mono(ms)).len(), 9);
            own.drawn();
        }
        own.add();
        let mut drawn = Vec::new();
        for ms in 20_000..20_100 {
            let turn = own.take(|| users(200), Mono(ms));
            assert!(turn.len() <= USERS_A_TURN);
            drawn.extend(turn);
            own.drawn();
        }
        drawn.sort_unstable();
        assert_eq!(drawn, users(200).collect::<Vec<_>>());
        assert_eq!(own.due(), None);
    }

    #[test]
    fn under_constant_change_everyone_has_a_turn_and_time_is_bounded() {
        let mut own = PendingOwn::default();
        let mut drawn = std::collections::BTreeMap::new();
        for ms in 10_000..11_000 {
            own.add();
            for user in own.take(|| users(200), Mono(ms)) {
                *drawn.entry(user).or_insert(0_u64) += 1;
            }
            own.drawn();
        }
        let (least, most) = (drawn.values().min().unwrap(), drawn.values().max().unwrap());
        assert!(drawn.len() == 200 && most - least <= 1, "{drawn:?}");
        assert!(drawn.values().sum::<u64>() * USER_US <= 1_100_000, "{drawn:?}");
    }

    #[test]
    fn the_next_users_wait_until_the_app_has_drawn_the_last_ones() {
        let mut own = PendingOwn::default();
        own.add();
        assert_eq!(own.take(|| users(100), Mono(10_000)).len(), USERS_A_TURN);
        own.add();
        assert_eq!((own.due(), own.take(|| users(100), Mono(20_000)).len()), (None, 0));
        own.drawn();
        assert_eq!(own.take(|| users(100), Mono(20_000)).len(), 100 - USERS_A_TURN);
        own.drawn();
        assert_eq!(own.take(|| users(0), Mono(30_000)), [], "all have left");
        assert_eq!(own.due(), None);
    }
}
