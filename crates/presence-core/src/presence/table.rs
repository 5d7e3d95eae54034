//! A table: the rows of one node, in the order of its sequence, with what answers questions about them.
//!
//! Only its own node writes a table. Everybody else keeps a copy, in which a row only takes a greater number.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::id::{Digest, Region};
use crate::presence::row::Weight;
use crate::presence::row::{Removed, RowKey, TableKey};
use crate::presence::slab::Slot;
use crate::time::Mono;

/// What stands for a table in rows.
pub(crate) type TableNumber = u16;

/// The rows of one node, without the rows themselves: those are in [`Rows`](crate::presence::rows::Rows).
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) key: TableKey,
    pub(crate) region: Region,
    pub(crate) weight: Weight,
    /// Its rows by number; those that no delta has named come first, with 0.
    by_number: BTreeSet<Numbered>,
    /// Removed rows by number, with when they were removed (mono ms).
    removed: BTreeMap<u64, (RowKey, Mono)>,
    removed_number: BTreeMap<RowKey, u64>,
    /// Removals numbered at or below this may be missing from `removed`.
    floor: u64,
    root: u128,
    /// How many answers with everything of this table have begun here: what the last one does not name is gone.
    pub(crate) naming: u16,
}

/// A row's number, in two halves, and where the row is: 12 bytes instead of 16.
type Numbered = (u32, u32, Slot);

fn numbered(number: u64, slot: Slot) -> Numbered {
    let half = |bits: u64| u32::try_from(bits & u64::from(u32::MAX)).expect("32 bits");
    (half(number >> 32), half(number), slot)
}

impl Table {
    pub(crate) fn new(key: TableKey, region: Region, weight: Weight) -> Self {
        let (by_number, removed, removed_number) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        Self { key, region, weight, by_number, removed, removed_number, floor: 0, root: 0, naming: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Where its rows are, by number.
    pub(crate) fn slots(&self) -> impl Iterator<Item = Slot> {
        self.by_number.iter().map(|(_, _, slot)| *slot)
    }

    /// The same for those whose last change is in (after, upto].
    pub(crate) fn changed(&self, after: u64, upto: u64) -> impl Iterator<Item = Slot> {
        let range = (numbered(after, Slot::MAX), numbered(upto.max(after), Slot::MAX));
        self.by_number.range((Bound::Excluded(range.0), Bound::Included(range.1))).map(|(_, _, slot)| *slot)
    }

    /// Removals in (after, upto], by number.
    pub(crate) fn removals(&self, after: u64, upto: u64) -> impl Iterator<Item = Removed> {
        let range = (Bound::Excluded(after), Bound::Included(upto.max(after)));
        self.removed.range(range).map(|(&number, &(key, _))| Removed { key, number })
    }

    /// The number of the removal of this key that was heard last; 0: none.
    pub(crate) fn removed_number(&self, key: &RowKey) -> u64 {
        self.removed_number.get(key).copied().unwrap_or(0)
    }

    /// Takes note of a row.
    pub(crate) fn enter(&mut self, key: &RowKey, number: u64, slot: Slot, digest: Digest) {
        self.by_number.insert(numbered(number, slot));
        if number > 0 {
            self.root = self.root.wrapping_add(hash(key, number, digest));
        }
        if let Some(number) = self.removed_number.remove(key) {
            self.removed.remove(&number);
        }
    }

    /// Takes a row off.
    pub(crate) fn strike(&mut self, key: &RowKey, number: u64, slot: Slot, digest: Digest) {
        self.by_number.remove(&numbered(number, slot));
        if number > 0 {
            self.root = self.root.wrapping_sub(hash(key, number, digest));
        }
    }

    /// Remembers that a row was removed, if that has a number.
    pub(crate) fn remember(&mut self, removed: Removed, at: Mono) {
        if let Some(number) = self.removed_number.remove(&removed.key) {
            self.removed.remove(&number);
        }
        if removed.number > 0 {
            self.removed.insert(removed.number, (removed.key, at));
            self.removed_number.insert(removed.key, removed.number);
        }
    }

    /// Forgets removals: all but the newest `most`, and those numbered at most `upto` that are older than `before`.
    pub(crate) fn prune(&mut self, most: usize, upto: u64, before: Mono) {
        while let Some((&number, &(key, at))) = self.removed.first_key_value() {
            if self.removed.len() <= most && (number > upto || at >= before) {
                break;
            }
            self.removed.remove(&number);
            self.removed_number.remove(&key);
            self.floor = self.floor.max(number);
        }
    }

    /// Says that removals numbered at or below this may be missing here.
    pub(crate) fn raise_floor(&mut self, number: u64) {
        self.floor = self.floor.max(number);
    }

    /// The wrapping sum of the hashes of key and number, nothing else, so that versions which know other fields agree.
    pub(crate) fn root(&self) -> u128 {
        self.root
    }

    /// Its lower half, where many roots go into one message.
    pub(crate) fn short_root(&self) -> u64 {
        u64::try_from(self.root & u128::from(u64::MAX)).expect("64 bits")
    }

    /// Whether all removals with greater numbers are kept here.
    pub(crate) fn knows_removals_after(&self, after: u64) -> bool {
        after >= self.floor
    }
}

fn hash(key: &RowKey, number: u64, digest: Digest) -> u128 {
    let mut bytes = [0; 56];
    bytes[..16].copy_from_slice(&key.room.0);
    bytes[16..48].copy_from_slice(&key.user.0);
    bytes[48..].copy_from_slice(&number.to_be_bytes());
    u128::from_be_bytes(digest(&bytes)[..16].try_into().expect("a digest has 32 bytes"))
}

/// All tables, by the numbers that stand for them in rows.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    numbers: BTreeMap<TableKey, TableNumber>,
    tables: Vec<Option<Table>>,
}

impl Tables {
    pub(crate) fn number(&self, key: TableKey) -> Option<TableNumber> {
        self.numbers.get(&key).copied()
    }

    /// The table of a row.
    pub(crate) fn of(&self, number: TableNumber) -> &Table {
        self.tables[usize::from(number)].as_ref().expect("a row's table is there")
    }

    /// The table of a row, to be changed.
    pub(crate) fn of_mut(&mut self, number: TableNumber) -> &mut Table {
        self.tables[usize::from(number)].as_mut().expect("a row's table is there")
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().flatten()
    }

    pub(crate) fn insert(&mut self, table: Table) {
        let free = self.tables.iter().position(Option::is_none).unwrap_or(self.tables.len());
        // Peers are at most 256, and twice as many that left: far less than fit.
        let Ok(number) = TableNumber::try_from(free) else { return };
        if free == self.tables.len() {
            self.tables.push(None);
        }
        self.numbers.insert(table.key, number);
        self.tables[free] = Some(table);
    }

    /// The table belongs to another incarnation from now on.
    pub(crate) fn rename(&mut self, from: TableKey, to: TableKey) {
        if let Some(number) = self.numbers.remove(&from) {
            self.numbers.insert(to, number);
            self.of_mut(number).key = to;
        }
    }

    /// Forgets a table that has no rows any more.
    pub(crate) fn remove(&mut self, key: TableKey) {
        if let Some(number) = self.numbers.remove(&key) {
            self.tables[usize::from(number)] = None;
        }
    }
}
