//! What this node knows of one of its own visitors in one room; others are told a row made of it.

use crate::id::TabId;
use crate::io::node_counts::TabCounts;
use crate::local::moves::ArrivingTab;
use crate::local::tab_flags::TabFlags;
use crate::presence::Presence;
use crate::presence::row::{Row, RowKey, Share, TableKey, Took};
use crate::presence::taking::Takeable;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Mono, Wall};

/// A closed tab that still counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Linger {
    pub(crate) until: Mono,
    pub(crate) closed_at: Mono,
    pub(crate) ending: TabEnding,
    pub(crate) visible: bool,
    pub(crate) proven: bool,
    /// Which tab it was, if its page had said so.
    pub(crate) tab: Option<TabId>,
}

/// How a tab ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum TabEnding {
    /// Its browser closed it; a page that is served a moment later keeps it for longer.
    Closed,
    Other,
}

#[derive(Debug)]
pub(crate) struct LocalRow {
    pub(crate) open: u32,
    /// Those of them whose page is visible, and those that no pong proves.
    visible: u32,
    unproven: u32,
    pub(crate) since: Wall,
    pub(super) rare: Option<Box<RareFields>>,
}

/// Fields that are empty for most visitors.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct RareFields {
    lingering: Vec<Linger>,
    /// Open tabs that do not count yet: they may be another node's, which is asked.
    pub(super) arriving: Vec<ArrivingTab>,
    pub(crate) took: Vec<Took>,
    pub(crate) info: Vec<u8>,
    pub(crate) shared: Vec<Share>,
    /// When what it shows was last written.
    pub(crate) shared_at: Mono,
    /// When what it took of tables that have run out is forgotten: 0 where there is nothing of the kind.
    pub(crate) took_until: Mono,
}

/// What they have instead.
static NOTHING: RareFields = RareFields {
    lingering: Vec::new(),
    arriving: Vec::new(),
    took: Vec::new(),
    info: Vec::new(),
    shared: Vec::new(),
    shared_at: Mono(0),
    took_until: Mono(0),
};

impl LocalRow {
    /// The row of a user with no tabs yet.
    pub(crate) fn since(since: Wall) -> Self {
        Self { open: 0, visible: 0, unproven: 0, since, rare: None }
    }

    pub(crate) fn rare(&self) -> &RareFields {
        self.rare.as_deref().unwrap_or(&NOTHING)
    }

    pub(crate) fn rare_mut(&mut self) -> &mut RareFields {
        self.rare.get_or_insert_with(Box::default)
    }

    /// Gives back the memory of fields that are empty again.
    pub(crate) fn settle(&mut self) {
        self.rare.take_if(|rare| **rare == NOTHING);
    }

    /// Nothing of it counts any more.
    pub(crate) fn has_no_tabs(&self) -> bool {
        self.open == 0 && self.rare().lingering.is_empty()
    }

    /// No one needs it: while it took something, that must not count again.
    pub(crate) fn is_over(&self) -> bool {
        self.has_no_tabs() && (self.rare().took.is_empty() || injected(Fault::TookForgotten))
    }

    /// Its user has left: it only says what was taken.
    pub(crate) fn end(&mut self) {
        let rare = self.rare_mut();
        (rare.info, rare.shared) = (Vec::new(), Vec::new());
    }

    /// The row that others are told, without a number.
    pub(crate) fn written(&self, key: RowKey) -> Row {
        let RareFields { lingering, took, info, shared, .. } = self.rare();
        let counted = |counts: fn(&Linger) -> bool| lingering.iter().filter(|linger| counts(linger)).count();
        let all = |open: u32, lingering: usize| open.saturating_add(u32::try_from(lingering).unwrap_or(u32::MAX));
        let mut row = Row::new(key, info.clone(), self.since.0);
        row.open = self.counted();
        row.visible = all(self.visible, counted(|linger| linger.visible));
        row.unproven = all(self.unproven, counted(|linger| !linger.proven));
        row.lingering = all(0, lingering.len());
        row.shared.clone_from(shared);
        row.took.clone_from(took);
        row
    }

    /// The open tabs that count.
    fn counted(&self) -> u32 {
        self.open.saturating_sub(u32::try_from(self.rare().arriving.len()).unwrap_or(u32::MAX))
    }

    /// Whether a tab that was closed still counts.
    pub(super) fn lingers(&self, tab: TabId) -> bool {
        self.rare().lingering.iter().any(|linger| linger.tab == Some(tab))
    }

    /// Counts a tab in, or out.
    pub(crate) fn count(&mut self, tab: TabFlags, by: i32) {
        let counted = |count: u32, applies: bool| count.saturating_add_signed(if applies { by } else { 0 });
        self.open = counted(self.open, true);
        self.visible = counted(self.visible, tab.visible);
        self.unproven = counted(self.unproven, !tab.proven);
    }

    /// A tab is closed and counts for a while.
    pub(crate) fn linger(&mut self, linger: Linger) {
        let lingering = &mut self.rare_mut().lingering;
        lingering.push(linger);
        lingering.sort_unstable();
    }

    /// One that its browser closed just now.
    pub(crate) fn closed_lately(&mut self) -> Option<&mut Linger> {
        self.rare.as_mut()?.lingering.iter_mut().find(|linger| linger.ending == TabEnding::Closed)
    }

    /// Ends what has lingered long enough; whether there was any.
    pub(crate) fn forget_lingering(&mut self, now: Mono) -> bool {
        let Some(rare) = &mut self.rare else { return false };
        let before = rare.lingering.len();
        rare.lingering.retain(|linger| linger.until > now || injected(Fault::EndlessLinger));
        rare.lingering.len() != before
    }

    /// A new connection takes the place of one lingering or held tab of its user: here first, else elsewhere. Returns
    /// whether there was one.
    pub(crate) fn claim(&mut self, key: &RowKey, own: TableKey, presence: &Presence, counts: &mut TabCounts) -> bool {
        match &mut self.rare {
            Some(rare) if !rare.lingering.is_empty() => {
                rare.lingering.remove(0);
                counts.took_here += 1;
                true
            }
            _ => self.claim_elsewhere(key, own, presence, counts),
        }
    }

    pub(crate) fn claim_elsewhere(
        &mut self,
        key: &RowKey,
        own: TableKey,
        presence: &Presence,
        counts: &mut TabCounts,
    ) -> bool {
        let Some(free) = presence.takeable(key, own, Takeable::Any) else { return false };
        self.take(Took { tabs: 1, ..free });
        counts.took_elsewhere += 1;
        true
    }

    /// What is open here may be what a killed node's user came back with: it takes the place of as many tabs. Returns
    /// whether there was one.
    pub(crate) fn claim_expected(
        &mut self,
        key: &RowKey,
        own: TableKey,
        presence: &Presence,
        counts: &mut TabCounts,
    ) -> bool {
        let taken = self.rare().took.iter().map(|took| took.tabs).fold(0, u32::saturating_add);
        let lingering = u32::try_from(self.rare().lingering.len()).unwrap_or(u32::MAX);
        let unclaimed = self.counted().saturating_add(lingering).saturating_sub(taken);
        let free = presence.takeable(key, own, Takeable::Expected).filter(|_| unclaimed > 0);
        let Some(free) = free else { return false };
        let tabs = free.tabs.min(unclaimed);
        self.take(Took { tabs, ..free });
        counts.took_of_killed += u64::from(tabs);
        true
    }

    pub(super) fn take(&mut self, took: Took) {
        let all = &mut self.rare_mut().took;
        match all.iter_mut().find(|known| known.table == took.table) {
            Some(known) => {
                known.tabs = known.tabs.saturating_add(took.tabs);
                known.seen = known.seen.max(took.seen);
            }
            None => all.push(took),
        }
    }
}
