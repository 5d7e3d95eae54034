//! Tabs that connections here have taken the place of, on other nodes.

use std::collections::BTreeSet;

use crate::local::LocalVisitors;
use crate::presence::Presence;
use crate::presence::row::RowKey;
use crate::time::Mono;

/// How long it is said that a table's tabs were taken after it has run out here: longer than nodes differ in when it does.
const OUTLIVES_MS: u64 = 5_000;

impl LocalVisitors {
    /// Ends what a connection here took of another node and what has run out there. What it took of a table that runs out
    /// as a whole outlives that: others may hold it a moment longer.
    pub(crate) fn review(&mut self, keys: &BTreeSet<RowKey>, presence: &mut Presence, now: Mono) {
        if self.drained {
            return;
        }
        for key in keys {
            let Some(row) = self.rows.get_mut(key).filter(|row| !row.rare().took.is_empty()) else { continue };
            let before = row.rare().took.clone();
            let rare = row.rare_mut();
            rare.took.retain_mut(|took| {
                took.tabs = presence.loose(key, took).map_or(took.tabs, |loose| took.tabs.min(loose));
                took.tabs > 0
            });
            let run_out = rare.took.iter().any(|took| presence.table(took.table).is_none());
            if run_out && rare.took_until == Mono::default() {
                rare.took_until = now + OUTLIVES_MS;
                self.deadlines.insert((rare.took_until, *key));
            }
            if rare.took != before {
                self.write(*key, presence, now);
            }
        }
    }

    /// Forgets what was taken of tables that ran out a while ago. Returns whether there was any.
    pub(super) fn forget_took(&mut self, key: &RowKey, presence: &Presence, now: Mono) -> bool {
        let Some(row) = self.rows.get_mut(key) else { return false };
        let due = row.rare().took_until;
        if due == Mono::default() || due > now {
            return false;
        }
        let rare = row.rare_mut();
        rare.took_until = Mono::default();
        rare.took.retain(|took| presence.table(took.table).is_some());
        true
    }

    /// Users of a killed node who are here take the place of what they had there, as it becomes known: they may have come
    /// back before, and must not count there once they have left here.
    pub(crate) fn take_expected(&mut self, presence: &mut Presence, now: Mono) {
        let keys = presence.take_expected();
        if self.drained {
            return;
        }
        for key in keys {
            // One table at a time: what was taken counts once it is written.
            while self
                .rows
                .get_mut(&key)
                .is_some_and(|row| row.claim_expected(&key, self.table, presence, &mut self.counts))
            {
                self.write(key, presence, now);
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
            let took = row.claim_elsewhere(key, self.table, presence, &mut self.counts);
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
