//! Lingering: how long a closed tab still counts, so that a reload or a lost line is no leave and join.

use crate::id::TabId;
use crate::io::Ended;
use crate::io::node_counts::TabCounts;
use crate::local::LocalVisitors;
use crate::local::row::{Linger, LocalRow, TabEnding};
use crate::local::tab_flags::TabFlags;
use crate::presence::Presence;
use crate::presence::row::RowKey;
use crate::time::Mono;

/// How long a tab that its browser closed still counts.
pub const LINGER_CLOSED_MS: u64 = 2_000;
/// The same if a page that was served to its user has not connected yet: a reload on a slow line.
const LINGER_SERVED_MS: u64 = 10_000;
/// The same if the socket ended without a close frame: the stock client is back in 6 to 18 s.
const LINGER_LOST_MS: u64 = 20_000;
/// Most pages of one user and room that are remembered until they connect.
const SERVED_MAX: usize = 16;

/// Whether a page that was served to a tab's user has not connected yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Served {
    Lately,
    No,
}

/// How long a tab still counts after its connection has ended this way; `None`: not at all.
fn linger_ms(ended: Ended, served: Served) -> Option<u64> {
    match (ended, served) {
        (Ended::Closed, Served::Lately) => Some(LINGER_SERVED_MS),
        (Ended::Closed, Served::No) | (Ended::Unanswered, _) => Some(LINGER_CLOSED_MS),
        (Ended::Lost, _) => Some(LINGER_LOST_MS),
        (Ended::Resigned, _) => None,
    }
}

impl TabCounts {
    fn ended(&mut self, ended: Ended) {
        let count = match ended {
            Ended::Closed => &mut self.closed,
            Ended::Lost => &mut self.lost,
            Ended::Unanswered => &mut self.unanswered,
            Ended::Resigned => &mut self.resigned,
        };
        *count += 1;
    }
}

impl LocalVisitors {
    pub(super) fn left(
        &mut self,
        key: RowKey,
        tab: Option<TabId>,
        was: TabFlags,
        ended: Ended,
        presence: &mut Presence,
        now: Mono,
    ) {
        self.counts.ended(ended);
        if let Some(room) = self.rooms.get_mut(&key.room) {
            room.connections -= 1;
            room.drawn -= u32::from(was.draws);
        }
        if self.drained {
            return;
        }
        let served = if ended == Ended::Closed { self.take_served_page(&key, now) } else { Served::No };
        let Some(row) = self.rows.get_mut(&key) else { return };
        if let Some(tab) = tab {
            row.stop_awaiting(tab);
        }
        let Some(stays_ms) = linger_ms(ended, served) else {
            row.count(was, -1);
            return self.write(key, presence, now);
        };
        let short = ended == Ended::Closed && served == Served::No;
        let linger = Linger {
            until: now + stays_ms,
            closed_at: now,
            ending: if short { TabEnding::Closed } else { TabEnding::Other },
            visible: was.visible,
            proven: was.proven,
            tab,
        };
        row.count(was, -1);
        row.linger(linger);
        self.deadlines.insert((linger.until, key));
        self.write(key, presence, now);
    }

    /// Notes that a page was served: the next tab that its user closes, or one closed just now, counts for longer.
    pub(crate) fn served(&mut self, key: RowKey, now: Mono) {
        if self.drained {
            return;
        }
        if let Some(linger) = self.rows.get_mut(&key).and_then(LocalRow::closed_lately) {
            linger.ending = TabEnding::Other;
            linger.until = linger.closed_at + LINGER_SERVED_MS;
            self.deadlines.insert((linger.until, key));
            return;
        }
        let pages = self.served.entry(key).or_default();
        if pages.len() < SERVED_MAX {
            pages.push(now);
            self.deadlines.insert((now + LINGER_SERVED_MS, key));
        }
    }

    /// Forgets one page that was served to this user and has not connected yet. Returns whether there was one.
    pub(super) fn take_served_page(&mut self, key: &RowKey, now: Mono) -> Served {
        let Some(pages) = self.served.get_mut(key) else { return Served::No };
        pages.retain(|at| *at + LINGER_SERVED_MS > now);
        let served = if pages.is_empty() { Served::No } else { Served::Lately };
        if served == Served::Lately {
            pages.remove(0);
        }
        if pages.is_empty() {
            self.served.remove(key);
        }
        served
    }

    /// Ends tabs that have lingered long enough.
    pub(crate) fn expire(&mut self, presence: &mut Presence, now: Mono) {
        self.say_shared(presence, now);
        while let Some(&(deadline, key)) = self.deadlines.first() {
            if deadline > now {
                break;
            }
            self.deadlines.pop_first();
            if let Some(pages) = self.served.get_mut(&key) {
                pages.retain(|at| *at + LINGER_SERVED_MS > now);
                if pages.is_empty() {
                    self.served.remove(&key);
                }
            }
            if self.drained {
                continue;
            }
            self.count_overdue(key, presence, now);
            let forgotten = self.forget_took(&key, presence, now);
            let Some(row) = self.rows.get_mut(&key) else { continue };
            if row.forget_lingering(now) || forgotten {
                self.write(key, presence, now);
            }
        }
    }
}
