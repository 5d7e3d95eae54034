//! Which parts of a room are to be drawn, and how often.

use std::collections::BTreeSet;

use crate::app::change::Change;
use crate::app::drawing::CHANGES_MAX;
use crate::app::traced::TracedWrites;
use crate::cost_limit::CostLimiter;
use crate::id::{Region, Room, UserId};
use crate::time::Mono;

/// Drawing a room costs this for each watcher: of this node for what users do, so that a change costs a bounded stream of
/// bytes here; of the whole world for counts, so that each watcher of a large room is told them rarely. A hundred watchers
/// see each of a thousand clicks a second at once; that is 100,000 writes to sockets, which a node can bear.
pub const WATCHER_US: u64 = 10;
/// Beyond a hundred watchers each costs this much more, so that a large room has a quarter of that.
pub const CROWD_US: u64 = 30;
/// Up to this many watchers cost only [`WATCHER_US`] each.
pub const FEW_WATCHERS: u64 = 100;
/// Without any watcher there is still a view to be made.
pub const VIEW_US: u64 = 500;

/// What users did, and what is rare: drawn soon.
#[derive(Debug, Default)]
pub(super) struct PendingEvents {
    pub(super) waiting: bool,
    limiter: CostLimiter,
    pub(super) all: bool,
    pub(super) regions: bool,
    pub(super) minute: bool,
    /// Something in the room itself is different.
    pub(super) inside: bool,
    pub(super) users: BTreeSet<UserId>,
    pub(super) shared: BTreeSet<String>,
    /// Of facts, of their receipts, and of other rooms that this one shows.
    changes: BTreeSet<Change>,
    /// Who wrote what is new.
    pub(super) authors: BTreeSet<UserId>,
    pub(super) traced: TracedWrites,
}

/// How many users there are: drawn less often the more watch.
#[derive(Debug, Default)]
pub(super) struct PendingCounts {
    pub(super) waiting: bool,
    limiter: CostLimiter,
    pub(super) whole: bool,
    pub(super) regions: BTreeSet<Region>,
}

impl PendingEvents {
    pub(super) fn add(&mut self, what: impl FnOnce(&mut Self)) {
        (self.waiting, self.inside) = (true, true);
        what(self);
    }

    /// Something in other rooms is different.
    pub(super) fn add_related(&mut self, rooms: &[Room]) {
        self.waiting = true;
        self.add_changes(rooms.iter().cloned().map(Change::Related));
    }

    /// These are to be drawn; with many the whole room is.
    pub(super) fn add_changes(&mut self, changes: impl IntoIterator<Item = Change>) {
        self.changes.extend(changes);
        self.all |= self.changes.len() > CHANGES_MAX;
    }

    pub(super) fn due(&self) -> Option<Mono> {
        self.waiting.then(|| self.limiter.due())
    }

    /// What is due to be drawn for this many watchers, or nothing.
    pub(super) fn take(&mut self, watchers: u32, now: Mono) -> Self {
        if self.due().is_none_or(|due| due > now) {
            return Self::default();
        }
        self.limiter.spend(cost_us(watchers), now);
        let next = Self { limiter: self.limiter, ..Self::default() };
        std::mem::replace(self, next)
    }
}

impl PendingCounts {
    pub(super) fn due(&self) -> Option<Mono> {
        self.waiting.then(|| self.limiter.due())
    }

    /// What is due to be drawn for this many watchers, or nothing.
    pub(super) fn take(&mut self, watchers: u32, now: Mono) -> Self {
        if self.due().is_none_or(|due| due > now) { Self::default() } else { self.take_now(watchers, now) }
    }

    /// What waits, whether or not it is due.
    pub(super) fn take_now(&mut self, watchers: u32, now: Mono) -> Self {
        self.limiter.spend(cost_us(watchers), now);
        let next = Self { limiter: self.limiter, ..Self::default() };
        Self { waiting: true, ..std::mem::replace(self, next) }
    }
}

/// What it costs to draw a room with this many watchers.
fn cost_us(watchers: u32) -> u64 {
    let watchers = u64::from(watchers);
    (WATCHER_US * watchers + CROWD_US * watchers.saturating_sub(FEW_WATCHERS)).max(VIEW_US)
}

/// The changes that the app is to draw.
pub(super) fn changes(events: &PendingEvents, counts: &PendingCounts) -> Vec<Change> {
    if events.all {
        return vec![Change::Everything];
    }
    let regions = events.regions.then_some(Change::Regions);
    let whole = (events.regions || counts.whole).then_some(Change::Counts);
    regions
        .into_iter()
        .chain(whole)
        .chain(counts.regions.iter().cloned().map(Change::RegionCounts))
        .chain(events.changes.iter().cloned())
        .chain(events.minute.then_some(Change::Minute))
        .chain(events.shared.iter().cloned().map(Change::Shared))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_watchers_see_a_thousand_changes_a_second_and_a_crowd_a_bounded_stream() {
        assert!((0..=100).all(|watchers| cost_us(watchers) <= 1_000));
        for watchers in (101..100_000).step_by(7) {
            let writes_a_second = 1_000_000 * u64::from(watchers) / cost_us(watchers);
            let most = 25_000 + 7_500_000 / u64::from(watchers);
            assert!(writes_a_second <= most, "{watchers} watchers: {writes_a_second} writes a second");
        }
    }
}
