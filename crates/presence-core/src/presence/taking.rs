//! Tabs of a user on one node whose place connections on another take: who may take which, and what was taken.

use crate::presence::Presence;
use crate::presence::row::{RowKey, TableKey, Took, Weight};
use crate::presence::rows::PackedRow;
use crate::presence::table::Table;
use crate::testing::fault_injection::{Fault, injected};

/// Of which tables a connection may take a tab.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Takeable {
    Any,
    /// Of nodes that were killed.
    Expected,
}

impl Takeable {
    fn includes(self, weight: Weight) -> bool {
        weight == Weight::Expected || (self == Self::Any && weight != Weight::Unsure)
    }
}

/// Tabs of a row that a connection elsewhere may take the place of.
fn loose(row: &PackedRow, table: &Table) -> u32 {
    match table.weight {
        Weight::Held | Weight::Expected => row.tabs(),
        Weight::Counted | Weight::Unsure => row.lingering(),
    }
}

/// What the others say that they took of this row: how many tabs, and the number of the row that they had seen.
pub(super) fn taken<'a>(
    row: &'a PackedRow,
    table: &'a Table,
    rows: &'a [&PackedRow],
) -> impl Iterator<Item = (u32, u64)> + 'a {
    let others = rows.iter().filter(move |other| other.table != row.table);
    let took = others.flat_map(|other| other.took()).filter(move |took| took.table == table.key);
    took.map(|took| (took.tabs, took.seen))
}

impl Presence {
    /// Tabs of this user whose place new connections elsewhere may take: lingering on a node that is heard, held or expected.
    pub(crate) fn takeable(&self, key: &RowKey, except: TableKey, which: Takeable) -> Option<Took> {
        let room = *self.numbers.get(&key.room)?;
        let rows: Vec<&PackedRow> = self.rows.of(room, key.user).collect();
        rows.iter().map(|row| (row, self.tables.of(row.table))).find_map(|(row, table)| {
            let taken = taken(row, table, &rows).map(|(tabs, _)| tabs).fold(0, u32::saturating_add);
            let tabs = loose(row, table).saturating_sub(taken);
            let free = table.key != except && tabs > 0 && which.includes(table.weight);
            free.then_some(Took { table: table.key, tabs, seen: row.number })
        })
    }

    /// What is left to take of a table of which this was taken; `None` where the table changes no longer, is forgotten, or is
    /// not known yet as it was when that was taken.
    pub(crate) fn loose(&self, key: &RowKey, took: &Took) -> Option<u32> {
        let rows = self.table(took.table)?;
        let alive = matches!(rows.weight(), Weight::Counted | Weight::Unsure);
        let known = rows.shows(key, took.seen) || injected(Fault::TookUnseen);
        (alive && known).then(|| rows.get(key).map_or(0, PackedRow::lingering))
    }

    /// The tables of other nodes that are heard in which this user has an open tab.
    pub(crate) fn open_elsewhere(&self, key: &RowKey, except: TableKey) -> impl Iterator<Item = TableKey> {
        let rows = self.numbers.get(&key.room).into_iter().flat_map(|room| self.rows.of(*room, key.user));
        let open = rows.filter(|row| row.open() > 0).map(|row| self.tables.of(row.table));
        open.filter(move |table| table.weight == Weight::Counted && table.key != except).map(|table| table.key)
    }
}
