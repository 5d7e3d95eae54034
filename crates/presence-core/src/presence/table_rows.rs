//! A table together with its rows.

use crate::id::Region;
use crate::presence::Presence;
use crate::presence::row::{Removed, Row, RowKey, Weight};
use crate::presence::rows::PackedRow;
use crate::presence::table::{Table, TableNumber};

/// A table together with its rows.
#[derive(Clone, Copy)]
pub(crate) struct TableRows<'a> {
    pub(super) presence: &'a Presence,
    pub(super) number: TableNumber,
    pub(super) table: &'a Table,
}

impl<'a> TableRows<'a> {
    pub(crate) fn region(&self) -> &'a Region {
        &self.table.region
    }

    pub(crate) fn weight(&self) -> Weight {
        self.table.weight
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The wrapping sum of the hashes of all keys and numbers.
    pub(crate) fn root(&self) -> u128 {
        self.table.root()
    }

    /// Its lower half, where many roots go into one message.
    pub(crate) fn short_root(&self) -> u64 {
        self.table.short_root()
    }

    /// Removals in (after, upto], by number.
    pub(crate) fn removals(&self, after: u64, upto: u64) -> impl Iterator<Item = Removed> + use<'a> {
        self.table.removals(after, upto)
    }

    /// Whether no removal numbered above this may be missing.
    pub(crate) fn knows_removals_after(&self, after: u64) -> bool {
        self.table.knows_removals_after(after)
    }

    pub(crate) fn get(&self, key: &RowKey) -> Option<&'a PackedRow> {
        let room = *self.presence.numbers.get(&key.room)?;
        self.presence.rows.find(room, key.user, self.number).map(|slot| self.presence.rows.get(slot))
    }

    /// The number of the newest thing said about this key; 0: nothing.
    pub(crate) fn number(&self, key: &RowKey) -> u64 {
        self.get(key).map_or(0, |row| row.number).max(self.table.removed_number(key))
    }

    /// Whether a key is known as it was at this number, or later.
    pub(crate) fn shows(&self, key: &RowKey, number: u64) -> bool {
        self.number(key) >= number || (self.get(key).is_none() && !self.table.knows_removals_after(number))
    }

    /// Rows whose last change is in (after, upto], by number.
    pub(crate) fn changed(&self, after: u64, upto: u64) -> impl Iterator<Item = Row> {
        self.table.changed(after, upto).map(|slot| self.presence.row(slot))
    }

    /// Numbers of the same rows, and about how many bytes each takes on the wire.
    pub(crate) fn sizes(&self, after: u64, upto: u64) -> impl Iterator<Item = (u64, usize)> {
        let rows = self.table.changed(after, upto).map(|slot| self.presence.rows.get(slot));
        rows.map(|row| (row.number, row.size()))
    }

    /// Keys of rows numbered at or below `upto` that the last answer with everything did not name.
    pub(crate) fn unnamed(&self, upto: u64) -> Vec<RowKey> {
        let (presence, naming) = (self.presence, self.table.naming);
        let unnamed = self.table.changed(0, upto).filter(|slot| presence.rows.get(*slot).named != naming);
        unnamed.map(|slot| presence.key(slot)).collect()
    }
}
