//! Who is here: the rows of all nodes, combined. Counts are derived from rows as they change, never replicated.

pub(crate) mod counting;
pub(crate) mod members;
mod naming;
pub(crate) mod query;
pub(crate) mod roll_up;
pub(crate) mod room_counts;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod shares;
pub(crate) mod slab;
pub(crate) mod table;
pub(crate) mod table_rows;
pub(crate) mod taking;

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Digest, PublicId, Region, RoomHash, UserId};
use crate::presence::members::MemberIndex;
use crate::presence::roll_up::RollUps;
use crate::presence::room_counts::{DerivedRoom, RoomChanges, Transition};
use crate::presence::row::{NO_USER, Removed, Row, RowKey, TableKey, Weight};
use crate::presence::rows::{PackedRow, RoomNumber, Rows};
use crate::presence::slab::{Slab, Slot};
use crate::presence::table::{Table, TableNumber, Tables};
use crate::presence::table_rows::TableRows;
use crate::time::Mono;

/// The rows of all nodes, and what is derived of them.
#[derive(Debug)]
pub(crate) struct Presence {
    digest: Digest,
    tables: Tables,
    rows: Rows,
    numbers: BTreeMap<RoomHash, RoomNumber>,
    rooms: Slab<DerivedRoom>,
    roll_ups: RollUps,
    members: MemberIndex,
    transitions: Vec<Transition>,
    dirty: BTreeMap<RoomHash, RoomChanges>,
    /// Users with a tab that a connection elsewhere has claimed, or is to claim: their `took` may be over, or begin.
    touched: BTreeSet<RowKey>,
    /// Users who are to take a tab as soon as one is known.
    awaited: BTreeSet<RowKey>,
    /// Users with a row of a killed node that has become known: what they have open here takes the place of it.
    expected: BTreeSet<RowKey>,
}

impl Presence {
    pub(crate) fn new(digest: Digest) -> Self {
        Self {
            digest,
            tables: Tables::default(),
            rows: Rows::default(),
            numbers: BTreeMap::new(),
            rooms: Slab::default(),
            roll_ups: RollUps::default(),
            members: MemberIndex::default(),
            transitions: Vec::new(),
            dirty: BTreeMap::new(),
            touched: BTreeSet::new(),
            awaited: BTreeSet::new(),
            expected: BTreeSet::new(),
        }
    }

    /// Makes room for the rows of a node.
    pub(crate) fn open_table(&mut self, key: TableKey, region: &Region, weight: Weight) {
        if self.tables.number(key).is_none() {
            self.tables.insert(Table::new(key, region.clone(), weight));
        }
        self.weigh(key, weight);
    }

    /// The table belongs to another incarnation from now on.
    pub(crate) fn rename_table(&mut self, from: TableKey, to: TableKey) {
        self.tables.rename(from, to);
    }

    pub(crate) fn table(&self, key: TableKey) -> Option<TableRows<'_>> {
        let number = self.tables.number(key)?;
        Some(TableRows { presence: self, number, table: self.tables.of(number) })
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter()
    }

    fn table_mut(&mut self, key: TableKey) -> Option<&mut Table> {
        let number = self.tables.number(key)?;
        Some(self.tables.of_mut(number))
    }

    /// Forgets removals of a table: all but the newest `most`, and those numbered at most `upto` that are older than `before`.
    pub(crate) fn prune_removals(&mut self, table: TableKey, most: usize, upto: u64, before: Mono) {
        if let Some(table) = self.table_mut(table) {
            table.prune(most, upto, before);
        }
    }

    /// Says that removals of a table numbered at or below this may be missing here.
    pub(crate) fn raise_removal_floor(&mut self, table: TableKey, number: u64) {
        if let Some(table) = self.table_mut(table) {
            table.raise_floor(number);
        }
    }

    fn row(&self, slot: Slot) -> Row {
        let row = self.rows.get(slot);
        row.row(self.rooms[row.room].hash)
    }

    fn key(&self, slot: Slot) -> RowKey {
        let row = self.rows.get(slot);
        RowKey { room: self.rooms[row.room].hash, user: row.user }
    }

    /// Takes a row of this table as it is.
    pub(crate) fn set(&mut self, table: TableKey, row: Row) {
        let Some(table) = self.tables.number(table) else { return };
        let (key, number) = (row.key, row.number);
        let room = self.open_room(key.room);
        if key.user == NO_USER {
            let name = row.info.clone();
            let known = self.put(room, table, row).is_some();
            return self.name_room(room, &name, known);
        }
        self.change(room, key, |presence| presence.put(room, table, row));
        if self.tables.of(table).weight == Weight::Expected {
            self.expected.insert(key);
        }
        debug_assert_eq!(self.rows.find(room, key.user, table).map(|slot| self.rows.get(slot).number), Some(number));
    }

    /// Takes a row off this table.
    pub(crate) fn remove(&mut self, table: TableKey, removed: Removed, at: Mono) {
        let Some(number) = self.tables.number(table) else { return };
        let room = self.numbers.get(&removed.key.room).copied();
        if let Some(slot) = room.and_then(|room| self.rows.find(room, removed.key.user, number)) {
            self.take_off(slot);
        }
        self.tables.of_mut(number).remember(removed, at);
    }

    /// Changes how the rows of a table count.
    pub(crate) fn weigh(&mut self, table: TableKey, weight: Weight) {
        let Some(number) = self.tables.number(table) else { return };
        let before = std::mem::replace(&mut self.tables.of_mut(number).weight, weight);
        if before == weight {
            return;
        }
        let slots: Vec<Slot> = self.tables.of(number).slots().collect();
        for slot in slots {
            let (key, room) = (self.key(slot), self.rows.get(slot).room);
            if key.user != NO_USER {
                self.tables.of_mut(number).weight = before;
                self.change(room, key, |presence| {
                    presence.tables.of_mut(number).weight = weight;
                    None
                });
                if weight == Weight::Expected {
                    self.expected.insert(key);
                }
            }
        }
    }

    /// Forgets a table and all its rows.
    pub(crate) fn drop_table(&mut self, table: TableKey) {
        let Some(number) = self.tables.number(table) else { return };
        let slots: Vec<Slot> = self.tables.of(number).slots().collect();
        slots.into_iter().for_each(|slot| self.take_off(slot));
        self.tables.remove(table);
    }

    /// The counts of a room; `None` where no user is or lingers.
    pub(crate) fn room(&self, hash: &RoomHash) -> Option<&DerivedRoom> {
        self.numbers.get(hash).map(|number| &self.rooms[*number])
    }

    /// Every room with users or a known name, by hash.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = (RoomNumber, &DerivedRoom)> {
        self.numbers.values().map(|number| (*number, &self.rooms[*number]))
    }

    /// How many tabs a user has in a room, over all nodes that are not silent.
    pub(crate) fn tabs(&self, key: &RowKey) -> u32 {
        self.numbers.get(&key.room).map_or(0, |room| self.user_counts(*room, key.user).whole.tabs)
    }

    /// Rooms in which something became different since this was last called.
    pub(crate) fn take_changes(&mut self) -> BTreeMap<RoomHash, RoomChanges> {
        std::mem::take(&mut self.dirty)
    }

    /// Users who joined and left since this was last called, in order.
    pub(crate) fn take_transitions(&mut self) -> Vec<Transition> {
        let transitions = std::mem::take(&mut self.transitions);
        transitions.iter().for_each(|transition| self.members.apply(transition, self.digest));
        transitions
    }

    /// The user behind an id that others may see, in a room whose members were asked for lately.
    pub(crate) fn member_user(&self, room: &RoomHash, public: &PublicId) -> Option<UserId> {
        self.members.user(room, public)
    }

    /// A user is to take a tab as soon as one is known, or no longer.
    pub(crate) fn await_tab(&mut self, key: RowKey) {
        self.awaited.insert(key);
    }

    pub(crate) fn await_no_tab(&mut self, key: &RowKey) {
        self.awaited.remove(key);
    }

    pub(crate) fn await_no_tabs(&mut self) {
        self.awaited.clear();
    }

    /// Forgets what was not asked for lately.
    pub(crate) fn prune_queries(&mut self, now: Mono) {
        self.members.prune(now);
        self.roll_ups.prune(now);
    }

    /// Users whose rows have changed since this was last called and with a tab that was claimed, or is to be.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<RowKey> {
        std::mem::take(&mut self.touched)
    }

    /// Users of killed nodes whose rows have become known since this was last called.
    pub(crate) fn take_expected(&mut self) -> BTreeSet<RowKey> {
        std::mem::take(&mut self.expected)
    }

    /// Puts a row in its place, and gives back the one that was there.
    fn put(&mut self, room: RoomNumber, table: TableNumber, row: Row) -> Option<PackedRow> {
        let (key, number, digest) = (row.key, row.number, self.digest);
        let known = self.rows.find(room, key.user, table);
        let (slot, before) = match known {
            Some(slot) => (slot, Some(self.rows.replace(slot, row))),
            None => (self.rows.insert(row, room, table), None),
        };
        let table = self.tables.of_mut(table);
        if let Some(before) = &before {
            table.strike(&key, before.number, slot, digest);
        } else {
            let room = &mut self.rooms[room];
            *(if key.user == NO_USER { &mut room.names } else { &mut room.rows }) += 1;
        }
        table.enter(&key, number, slot, digest);
        before
    }

    fn take_off(&mut self, slot: Slot) {
        let (key, room) = (self.key(slot), self.rows.get(slot).room);
        let take_off = |presence: &mut Self| {
            let gone = presence.rows.remove(slot);
            presence.tables.of_mut(gone.table).strike(&key, gone.number, slot, presence.digest);
            let counts = &mut presence.rooms[room];
            *(if key.user == NO_USER { &mut counts.names } else { &mut counts.rows }) -= 1;
            Some(gone)
        };
        if key.user == NO_USER {
            take_off(self);
        } else {
            self.change(room, key, take_off);
        }
        self.close_room_if_empty(room);
    }
}
