//! Roll-ups: how many distinct users are in all rooms below a path. Kept up to date while they are asked for.

use std::collections::BTreeMap;

use crate::id::{Region, Room, UserId};
use crate::io::query::{Below, Subtree};
use crate::presence::counting::UserCounts;
use crate::time::Mono;

/// Most paths that are kept at a time.
const PATHS_MAX: usize = 64;
/// A path that was not asked for this long is forgotten.
const FORGOTTEN_MS: u64 = 600_000;

/// All paths that were asked for lately.
#[derive(Debug, Default)]
pub(crate) struct RollUps {
    by_subtree: BTreeMap<Subtree, RollUp>,
}

#[derive(Debug, Default)]
struct RollUp {
    asked_at: Mono,
    users: BTreeMap<UserId, Tally>,
    below: Totals,
}

#[derive(Clone, Debug, Default)]
struct Totals {
    users: u32,
    tabs: u32,
    unsure: u32,
    looking: u32,
    unproven: u32,
    regions: BTreeMap<Region, u32>,
}

/// One user, over all rooms of the path.
#[derive(Debug, Default)]
struct Tally {
    /// Rooms in which they count, are unsure, look, and are proven.
    counted: u32,
    unsure: u32,
    looking: u32,
    proven: u32,
    regions: BTreeMap<Region, u32>,
}

impl RollUps {
    /// A user counts in another way in one room.
    pub(crate) fn apply(&mut self, room: &Room, user: UserId, before: &UserCounts, after: &UserCounts) {
        for (subtree, roll_up) in &mut self.by_subtree {
            if subtree.contains(room) {
                roll_up.apply(user, before, after);
            }
        }
    }

    /// Whether this path is kept already.
    pub(crate) fn has(&self, subtree: &Subtree) -> bool {
        self.by_subtree.contains_key(subtree)
    }

    /// Begins to keep a path: its users are to be told next. The one that was asked for longest ago makes room.
    pub(crate) fn begin(&mut self, subtree: &Subtree) {
        if self.by_subtree.len() >= PATHS_MAX {
            let oldest =
                self.by_subtree.iter().min_by_key(|(_, roll_up)| roll_up.asked_at).map(|(subtree, _)| subtree.clone());
            oldest.map(|oldest| self.by_subtree.remove(&oldest));
        }
        self.by_subtree.insert(subtree.clone(), RollUp::default());
    }

    /// A user in a room of a path that was just begun.
    pub(crate) fn tell(&mut self, subtree: &Subtree, user: UserId, user_counts: &UserCounts) {
        if let Some(roll_up) = self.by_subtree.get_mut(subtree) {
            roll_up.apply(user, &UserCounts::default(), user_counts);
        }
    }

    /// The numbers of a path that is kept.
    pub(crate) fn below(&mut self, subtree: &Subtree, now: Mono) -> Below {
        let Some(roll_up) = self.by_subtree.get_mut(subtree) else { return Below::default() };
        roll_up.asked_at = now;
        let totals = roll_up.below.clone();
        Below {
            users: totals.users,
            tabs: totals.tabs,
            unsure: totals.unsure,
            looking: totals.looking,
            unproven: totals.unproven,
            regions: totals.regions.into_iter().collect(),
        }
    }

    /// Forgets what was not asked for lately.
    pub(crate) fn prune(&mut self, now: Mono) {
        self.by_subtree.retain(|_, roll_up| now.since(roll_up.asked_at) < FORGOTTEN_MS);
    }
}

impl RollUp {
    fn apply(&mut self, user: UserId, before: &UserCounts, after: &UserCounts) {
        let tally = self.users.entry(user).or_default();
        self.below.count(tally, false);
        tally.move_room(before, after);
        self.below.count(tally, true);
        self.below.tabs = self.below.tabs.wrapping_sub(before.whole.tabs).wrapping_add(after.whole.tabs);
        if tally.counted == 0 && tally.unsure == 0 {
            self.users.remove(&user);
        }
    }
}

impl Totals {
    fn count(&mut self, tally: &Tally, more: bool) {
        let step = |total: &mut u32, counts: bool| {
            if counts {
                *total = if more { *total + 1 } else { *total - 1 };
            }
        };
        step(&mut self.users, tally.counted > 0);
        step(&mut self.unsure, tally.counted == 0 && tally.unsure > 0);
        step(&mut self.looking, tally.looking > 0);
        step(&mut self.unproven, tally.counted > 0 && tally.proven == 0);
        for region in tally.regions.keys() {
            step(self.regions.entry(region.clone()).or_default(), true);
        }
        self.regions.retain(|_, users| *users > 0);
    }
}

impl Tally {
    fn move_room(&mut self, before: &UserCounts, after: &UserCounts) {
        self.counted = self.counted - before.whole.users + after.whole.users;
        self.unsure = self.unsure - before.whole.unsure + after.whole.unsure;
        self.looking = self.looking - before.whole.looking + after.whole.looking;
        let proven = |user_counts: &UserCounts| user_counts.whole.users - user_counts.whole.unproven;
        self.proven = self.proven - proven(before) + proven(after);
        for (region, _) in before.regions.iter().filter(|(_, counts)| counts.users > 0) {
            *self.regions.entry(region.clone()).or_default() -= 1;
        }
        for (region, _) in after.regions.iter().filter(|(_, counts)| counts.users > 0) {
            *self.regions.entry(region.clone()).or_default() += 1;
        }
        self.regions.retain(|_, rooms| *rooms > 0);
    }
}
