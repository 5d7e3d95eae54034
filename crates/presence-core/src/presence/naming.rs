//! Rows of a table that is asked for again: what is doubted, renumbered, and named by an answer with everything.

use crate::presence::Presence;
use crate::presence::row::{Removed, RowKey, TableKey};
use crate::presence::slab::Slot;
use crate::time::Mono;

impl Presence {
    /// Gives a row another number: all else in it stays.
    pub(crate) fn renumber(&mut self, table: TableKey, key: &RowKey, number: u64) {
        let (Some(table), Some(&room)) = (self.tables.number(table), self.numbers.get(&key.room)) else { return };
        let Some(slot) = self.rows.find(room, key.user, table) else { return };
        if self.rows.of(room, key.user).all(|row| row.took().is_empty()) {
            return self.renumber_at(slot, key, number);
        }
        // What was taken of a row counts by that row's number.
        self.change(room, *key, |presence| {
            presence.renumber_at(slot, key, number);
            None
        });
    }

    fn renumber_at(&mut self, slot: Slot, key: &RowKey, number: u64) {
        let row = self.rows.get_mut(slot);
        let (before, table) = (std::mem::replace(&mut row.number, number), row.table);
        let table = self.tables.of_mut(table);
        table.strike(key, before, slot, self.digest);
        table.enter(key, number, slot, self.digest);
    }

    /// Doubts what is known of a table whose node has changed its rows up to this number: what is numbered above it is
    /// forgotten, and the next answer replaces all the rest.
    pub(crate) fn doubt(&mut self, table: TableKey, number: u64, now: Mono) {
        let Some(rows) = self.table(table) else { return };
        let keys = |after, upto| rows.changed(after, upto).map(|row| row.key);
        let kept: Vec<RowKey> = keys(0, number).collect();
        let removals = rows.removals(0, u64::MAX).map(|gone| gone.key);
        let forgotten: Vec<RowKey> = keys(number, u64::MAX).chain(removals).collect();
        for key in forgotten {
            self.remove(table, Removed { key, number: 0 }, now);
        }
        for key in kept {
            self.renumber(table, &key, 1);
        }
    }

    /// An answer with everything of a table begins.
    pub(crate) fn begin_naming(&mut self, table: TableKey) {
        if let Some(table) = self.table_mut(table) {
            // Rows that were never named have 0.
            table.naming = table.naming.checked_add(1).unwrap_or(1);
        }
    }

    /// That answer names this row.
    pub(crate) fn name(&mut self, table: TableKey, key: &RowKey) {
        let (Some(number), Some(room)) = (self.tables.number(table), self.numbers.get(&key.room)) else { return };
        if let Some(slot) = self.rows.find(*room, key.user, number) {
            self.rows.get_mut(slot).named = self.tables.of(number).naming;
        }
    }
}
