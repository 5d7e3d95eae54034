//! Tabs that come from another node. The socket that such a tab had there may be dead without being known to be, and would count for
//! half a minute: that node is asked, and ends it.

use crate::id::{ConnectionId, TabId};
use crate::io::Ended;
use crate::local::LocalVisitors;
use crate::local::row::LocalRow;
use crate::presence::Presence;
use crate::presence::row::{RowKey, Took};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Mono;
use crate::wire::TabMoved;

/// A tab counts after this, whether or not the nodes that were asked about it have answered.
const ASKED_MS: u64 = 500;
/// About at most this many tabs other nodes are asked in a second: an old socket of one more counts until its node finds it dead.
const QUESTIONS_PER_SECOND: u32 = 500;

/// An open tab that does not count yet: its user has a tab on another node, which may be the same one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ArrivingTab {
    tab: TabId,
    until: Mono,
    /// How many nodes that were asked have not answered.
    unanswered: usize,
}

/// Tabs about which other nodes are to be asked.
#[derive(Debug, Default)]
pub(super) struct Moves {
    asking: Vec<TabMoved>,
    second: u64,
    count: u32,
}

/// A tab of this node that goes on at another one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct EndedTab {
    /// The socket that it had here, unless that had ended already.
    pub(crate) connection: Option<ConnectionId>,
    /// The number that its row has at least once it shows that the tab is closed.
    pub(crate) seen: u64,
}

impl Moves {
    fn allows(&mut self, now: Mono) -> bool {
        if self.second != now.second() {
            (self.second, self.count) = (now.second(), 0);
        }
        self.count = self.count.saturating_add(1);
        self.count <= QUESTIONS_PER_SECOND
    }
}

impl LocalRow {
    /// A tab does not count until it is known whether it is another node's.
    fn await_answers(&mut self, tab: TabId, until: Mono) {
        self.rare_mut().arriving.push(ArrivingTab { tab, until, unanswered: 0 });
    }

    /// Returns whether the tab did not count yet.
    pub(super) fn stop_awaiting(&mut self, tab: TabId) -> bool {
        let Some(rare) = &mut self.rare else { return false };
        let known = rare.arriving.iter().position(|arriving| arriving.tab == tab);
        known.map(|at| rare.arriving.remove(at)).is_some()
    }

    fn arriving(&mut self, tab: TabId) -> Option<&mut ArrivingTab> {
        self.rare.as_mut()?.arriving.iter_mut().find(|arriving| arriving.tab == tab)
    }
}

impl LocalVisitors {
    /// A tab has joined. If its user has one on another node, that is asked whether it is the same. Returns whether the tab does
    /// not count meanwhile: one that took another one's place counts at once.
    pub(super) fn asks_about(
        &mut self,
        tab: Option<TabId>,
        key: RowKey,
        claimed: bool,
        presence: &Presence,
        now: Mono,
    ) -> bool {
        let elsewhere = tab.filter(|_| presence.open_elsewhere(&key, self.table).next().is_some());
        let Some(tab) = elsewhere.filter(|_| self.moves.allows(now)) else { return false };
        self.moves.asking.push(TabMoved { key, tab });
        let Some(row) = self.rows.get_mut(&key).filter(|_| !claimed) else { return false };
        row.await_answers(tab, now + ASKED_MS);
        self.deadlines.insert((now + ASKED_MS, key));
        true
    }

    /// Tabs about which other nodes are to be asked.
    pub(crate) fn take_moves(&mut self) -> Vec<TabMoved> {
        std::mem::take(&mut self.moves.asking)
    }

    /// This many nodes were asked about a tab.
    pub(crate) fn asked(&mut self, moved: TabMoved, nodes: usize, presence: &mut Presence, now: Mono) {
        let Some(arriving) = self.rows.get_mut(&moved.key).and_then(|row| row.arriving(moved.tab)) else { return };
        arriving.unanswered = nodes;
        if nodes == 0 {
            self.count_arrived(moved, presence, now);
        }
    }

    /// A node that was asked about a tab has answered, or not within its time: what the tab takes the place of there, if anything.
    pub(crate) fn move_answered(&mut self, moved: TabMoved, took: Option<Took>, presence: &mut Presence, now: Mono) {
        let connection = self.tabs.get(&moved.tab).and_then(|connection| self.connections.get(connection));
        let here = connection.is_some_and(|subscriptions| subscriptions.flags(&moved.key).is_some());
        let Some(row) = self.rows.get_mut(&moved.key).filter(|_| here && !self.drained) else { return };
        match (took, row.arriving(moved.tab)) {
            (Some(took), _) => {
                row.stop_awaiting(moved.tab);
                row.take(took);
                self.counts.took_moved += 1;
                // It has the place of exactly that tab.
                self.begin_to_count(moved.key, true, presence, now);
            }
            (None, Some(arriving)) => {
                arriving.unanswered = arriving.unanswered.saturating_sub(1);
                if arriving.unanswered == 0 {
                    self.count_arrived(moved, presence, now);
                }
            }
            (None, None) => {}
        }
    }

    /// A tab turned out to be no other node's: it counts like any other.
    fn count_arrived(&mut self, moved: TabMoved, presence: &mut Presence, now: Mono) {
        let Some(row) = self.rows.get_mut(&moved.key) else { return };
        if row.stop_awaiting(moved.tab) {
            let claimed = row.claim(&moved.key, self.table, presence, &mut self.counts);
            self.begin_to_count(moved.key, claimed, presence, now);
        }
    }

    /// Tabs about which no node has answered in time count.
    pub(super) fn count_overdue(&mut self, key: RowKey, presence: &mut Presence, now: Mono) {
        let overdue = |row: &LocalRow| row.rare().arriving.iter().find(|arriving| arriving.until <= now).copied();
        while let Some(arriving) = self.rows.get(&key).and_then(overdue) {
            self.count_arrived(TabMoved { key, tab: arriving.tab }, presence, now);
        }
    }

    /// A tab goes on at another node. The socket that it has here ends, and its tab lingers, so that it counts until the other
    /// node's row takes its place. `None`: it has none here.
    pub(crate) fn end_moved(&mut self, moved: TabMoved, presence: &mut Presence, now: Mono) -> Option<EndedTab> {
        let TabMoved { key, tab } = moved;
        let connection = self.tabs.get(&tab).copied();
        let is_in_room = |open: &ConnectionId| {
            self.connections.get(open).is_some_and(|subscriptions| subscriptions.flags(&key).is_some())
        };
        let connection = connection.filter(|open| is_in_room(open) && !self.drained);
        if injected(Fault::OldSocketStays) {
            return None;
        }
        connection.into_iter().for_each(|open| self.disconnected(open, Ended::Closed, presence, now));
        self.rows.get(&key).filter(|row| row.lingers(tab) && !self.drained)?;
        let number = presence.table(self.table).map_or(0, |rows| rows.number(&key));
        let seen = number.saturating_add(u64::from(self.changed.contains_key(&key)));
        Some(EndedTab { connection, seen })
    }
}
