//! Tabs of pages that end and are asked for again and again: without this, each of those pages would be another tab.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;
use presence_core::{Room, UserId};
use tokio::time::Instant;

/// Most tabs of one node. Browsers without scripts are rare.
const TABS_MAX: usize = 10_000;
/// How long a tab counts after its page was last asked for: longer than a page that is refused waits to ask again.
const COUNTED_FOR: Duration = Duration::from_secs(25);

/// A frame in a page, of a browser that runs no scripts.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct PrintedTab {
    pub(super) user: UserId,
    pub(super) room: Room,
    /// A random number of the frame, made when its page was loaded.
    pub(super) frame: u64,
}

/// Whether a tab is counted already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TabAdmission {
    First,
    Again,
    /// There are too many tabs.
    Refused,
}

/// Until when each tab counts.
#[derive(Default)]
pub(super) struct PrintedTabs(Mutex<HashMap<PrintedTab, Instant>>);

impl PrintedTabs {
    /// The page of a tab was asked for.
    pub(super) fn asked(&self, tab: &PrintedTab, now: Instant) -> TabAdmission {
        let mut tabs = self.0.lock();
        if let Some(until) = tabs.get_mut(tab) {
            *until = now + COUNTED_FOR;
            return TabAdmission::Again;
        }
        if tabs.len() >= TABS_MAX {
            return TabAdmission::Refused;
        }
        tabs.insert(tab.clone(), now + COUNTED_FOR);
        TabAdmission::First
    }

    /// Until when a tab counts; `None` if no longer.
    pub(super) fn counts_until(&self, tab: &PrintedTab, now: Instant) -> Option<Instant> {
        let mut tabs = self.0.lock();
        let until = tabs.get(tab).copied().filter(|until| *until > now);
        if until.is_none() {
            tabs.remove(tab);
        }
        until
    }

    pub(super) fn forget(&self, tab: &PrintedTab) {
        self.0.lock().remove(tab);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tab(frame: u64) -> PrintedTab {
        PrintedTab { user: UserId([7; 32]), room: Room::new("lamp").unwrap(), frame }
    }

    #[test]
    fn a_tab_counts_until_it_was_not_asked_for_a_while_and_there_is_an_end_to_their_number() {
        let (tabs, began) = (PrintedTabs::default(), Instant::now());
        assert_eq!(tabs.asked(&tab(1), began), TabAdmission::First);
        let later = began + COUNTED_FOR - Duration::from_secs(1);
        assert_eq!(tabs.asked(&tab(1), later), TabAdmission::Again);
        assert_eq!(tabs.counts_until(&tab(1), began + COUNTED_FOR), Some(later + COUNTED_FOR));
        assert_eq!(tabs.counts_until(&tab(1), later + COUNTED_FOR), None);
        assert!(tabs.0.lock().is_empty());
        let found: Vec<_> = (0..=TABS_MAX as u64).map(|frame| tabs.asked(&tab(frame), began)).collect();
        assert!(
            found[..TABS_MAX].iter().all(|asked| *asked == TabAdmission::First)
                && found[TABS_MAX] == TabAdmission::Refused
        );
        assert_eq!(tabs.asked(&tab(0), began), TabAdmission::Again);
    }
}
