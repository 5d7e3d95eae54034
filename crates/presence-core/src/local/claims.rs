//! Tabs that connections here have taken the place of, on other nodes.

use std::collections::BTreeSet;

use crate::local::LocalVisitors;
use crate::presence::Presence;
use crate::presence::row::RowKey;
use crate::time::Mono;

impl LocalVisitors {
    /// Ends what a connection here took of another node and what has run out there.
    pub(crate) fn review(&mut self, keys: &BTreeSet<RowKey>, presence: &mut Presence, now: Mono) {
        if self.drained {
            return;
        }
        for key in keys {
            let Some(row) = self.rows.get_mut(key).filter(|row| !row.rare().took.is_empty()) else { continue };
            let before = row.rare().took.clone();
            let all = &mut row.rare_mut().took;
            for took in all.iter_mut() {
                took.tabs = took.tabs.min(presence.loose(key, took.table));
            }
            all.retain(|took| took.tabs > 0);
            if *all != before {
                self.write(*key, presence, now);
            }
        }
    }

    /// Takes what a newcomer's first visitors left elsewhere, as it becomes known here: a node that is started again at
    /// once has visitors before it has heard of the tabs that are held for them.
    pub(crate) fn collect(&mut self, keys: &BTreeSet<RowKey>, presence: &mut Presence, now: Mono) {
        if now >= self.warm_up_until || self.drained {
            self.pending_claims.clear();
            presence.await_no_tabs();
            return;
        }
        for key in keys {
            let Some(owed) = self.pending_claims.remove(key) else { continue };
            presence.await_no_tab(key);
            let Some(row) = self.rows.get_mut(key).filter(|row| row.open > 0) else { continue };
            // One at a time: what was taken counts once it is written.
            let took = row.claim_elsewhere(key, self.table, presence);
            let left = owed.min(row.open) - u32::from(took);
            if left > 0 {
                self.pending_claims.insert(*key, left);
                presence.await_tab(*key);
            }
            if took {
                self.write(*key, presence, now);
            }
        }
    }
}
