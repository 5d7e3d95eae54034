//! Who is here: the rows of all nodes, combined. Counts are derived from rows as they change, never replicated.

pub(crate) mod counting;
pub(crate) mod members;
pub(crate) mod query;
pub(crate) mod roll_up;
pub(crate) mod row;
pub(crate) mod rows;
pub(crate) mod shares;
pub(crate) mod slab;
pub(crate) mod table;

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Digest, Region, Room, RoomHash, UserId};
use crate::presence::counting::{Counts, UserCounts};
use crate::presence::roll_up::RollUps;
use crate::presence::row::{NOBODY, Removed, Row, RowKey, TableKey, Weight};
use crate::presence::rows::{PackedRow, RoomNumber, Rows};
use crate::presence::slab::{Slab, Slot};
use crate::presence::table::{Table, TableNumber, Tables};

/// Everything that is known of who is where.
#[derive(Debug)]
pub(crate) struct Presence {
    digest: Digest,
    pub(crate) tables: Tables,
    pub(crate) rows: Rows,
    pub(crate) numbers: BTreeMap<RoomHash, RoomNumber>,
    pub(crate) rooms: Slab<RoomCounts>,
    pub(crate) roll_ups: RollUps,
    transitions: Vec<Transition>,
    pub(crate) dirty: BTreeMap<RoomHash, RoomChanges>,
    /// Users of whom somebody has taken a tab, or is to take one: their `took` may be over, or begin.
    touched: BTreeSet<RowKey>,
    /// Users who are to take a tab as soon as one is known.
    pub(crate) awaited: BTreeSet<RowKey>,
}

/// Somebody has come to a room, or left it: the first and the last of their connections, wherever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Transition {
    pub(crate) room: Room,
    pub(crate) user: UserId,
    pub(crate) info: Vec<u8>,
    pub(crate) since_ms: u64,
    pub(crate) arrived: bool,
}

/// What is derived of one room.
#[derive(Debug)]
pub(crate) struct RoomCounts {
    hash: RoomHash,
    pub(crate) name: Option<Room>,
    /// Rows that hold its name, and rows of users.
    names: u32,
    pub(crate) rows: u32,
    pub(crate) whole: Counts,
    /// Regions that have any.
    pub(crate) regions: Vec<(Region, Counts)>,
    /// Who shows something.
    pub(crate) sharing: BTreeSet<UserId>,
}

impl Default for RoomCounts {
    /// A room that nobody is in.
    fn default() -> Self {
        let (whole, regions, sharing) = (Counts::default(), Vec::new(), BTreeSet::new());
        Self { hash: RoomHash([0; 16]), name: None, names: 0, rows: 0, whole, regions, sharing }
    }
}

/// What became different in a room since it was last asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoomChanges {
    /// Its name, where the last row of the room has gone.
    pub(crate) closed: Option<Room>,
    pub(crate) counts: bool,
    pub(crate) regions: BTreeSet<Region>,
    pub(crate) users: BTreeSet<UserId>,
    /// Keys under which somebody shows something else.
    pub(crate) shared: BTreeSet<String>,
}

/// A table together with its rows.
#[derive(Clone, Copy)]
pub(crate) struct TableRows<'a> {
    presence: &'a Presence,
    number: TableNumber,
    pub(crate) table: &'a Table,
}

impl<'a> TableRows<'a> {
    pub(crate) fn get(&self, key: &RowKey) -> Option<&'a PackedRow> {
        let room = *self.presence.numbers.get(&key.room)?;
        self.presence.rows.find(room, key.user, self.number).map(|slot| self.presence.rows.get(slot))
    }

    /// The number of the newest thing said about this key; 0: nothing.
    pub(crate) fn number(&self, key: &RowKey) -> u64 {
        self.get(key).map_or(0, |row| row.number).max(self.table.removed_number(key))
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

impl Presence {
    pub(crate) fn new(digest: Digest) -> Self {
        Self {
            digest,
            tables: Tables::default(),
            rows: Rows::default(),
            numbers: BTreeMap::new(),
            rooms: Slab::default(),
            roll_ups: RollUps::default(),
            transitions: Vec::new(),
            dirty: BTreeMap::new(),
            touched: BTreeSet::new(),
            awaited: BTreeSet::new(),
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

    pub(crate) fn table_mut(&mut self, key: TableKey) -> Option<&mut Table> {
        let number = self.tables.number(key)?;
        Some(self.tables.of_mut(number))
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
        if key.user == NOBODY {
            let name = row.info.clone();
            let known = self.put(room, table, row).is_some();
            return self.name_room(room, &name, known);
        }
        self.change(room, key, |presence| presence.put(room, table, row));
        debug_assert_eq!(self.rows.find(room, key.user, table).map(|slot| self.rows.get(slot).number), Some(number));
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
            *(if key.user == NOBODY { &mut room.names } else { &mut room.rows }) += 1;
        }
        table.enter(&key, number, slot, digest);
        before
    }

    /// Gives a row another number: all else in it stays.
    pub(crate) fn renumber(&mut self, table: TableKey, key: &RowKey, number: u64) {
        let (Some(table), Some(room)) = (self.tables.number(table), self.numbers.get(&key.room)) else { return };
        let Some(slot) = self.rows.find(*room, key.user, table) else { return };
        let before = std::mem::replace(&mut self.rows.get_mut(slot).number, number);
        let table = self.tables.of_mut(table);
        table.strike(key, before, slot, self.digest);
        table.enter(key, number, slot, self.digest);
    }

    /// Takes a row off this table.
    pub(crate) fn remove(&mut self, table: TableKey, removed: Removed, at_ms: u64) {
        let Some(number) = self.tables.number(table) else { return };
        let room = self.numbers.get(&removed.key.room).copied();
        if let Some(slot) = room.and_then(|room| self.rows.find(room, removed.key.user, number)) {
            self.take_off(slot);
        }
        self.tables.of_mut(number).remember(removed, at_ms);
    }

    fn take_off(&mut self, slot: Slot) {
        let (key, room) = (self.key(slot), self.rows.get(slot).room);
        let take_off = |presence: &mut Self| {
            let gone = presence.rows.remove(slot);
            presence.tables.of_mut(gone.table).strike(&key, gone.number, slot, presence.digest);
            let counts = &mut presence.rooms[room];
            *(if key.user == NOBODY { &mut counts.names } else { &mut counts.rows }) -= 1;
            Some(gone)
        };
        if key.user == NOBODY {
            take_off(self);
        } else {
            self.change(room, key, take_off);
        }
        self.close_room_if_empty(room);
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
            if key.user != NOBODY {
                self.tables.of_mut(number).weight = before;
                self.change(room, key, |presence| {
                    presence.tables.of_mut(number).weight = weight;
                    None
                });
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

    /// Carries out something that changes how a user of a room counts, and corrects what is derived by the difference.
    /// It gives back the row that was replaced or removed, if one was.
    fn change(&mut self, room: RoomNumber, key: RowKey, change: impl FnOnce(&mut Self) -> Option<PackedRow>) {
        let before = self.user_counts(room, key.user);
        let gone = change(self);
        let after = self.user_counts(room, key.user);
        if self.awaited.contains(&key) || self.rows.of(room, key.user).any(|row| !row.took().is_empty()) {
            self.touched.insert(key);
        }
        self.note_shared(room, key, gone.as_ref());
        if before == after {
            return;
        }
        self.rooms[room].move_counts(&before, &after);
        let dirty = self.dirty.entry(key.room).or_default();
        dirty.counts |= before.whole != after.whole;
        dirty.regions.extend(before.regions.iter().chain(&after.regions).map(|(region, _)| region.clone()));
        if before.whole.tabs != after.whole.tabs {
            dirty.users.insert(key.user);
        }
        if before.whole.users != after.whole.users {
            self.note_hidden(room, key);
        }
        self.passed(room, key.user, &before, &after, gone.as_ref());
    }

    /// What follows from a user's counting in another way, in a room whose name is known.
    fn passed(
        &mut self,
        number: RoomNumber,
        user: UserId,
        before: &UserCounts,
        after: &UserCounts,
        gone: Option<&PackedRow>,
    ) {
        let Some(room) = self.rooms[number].name.clone() else { return };
        self.roll_ups.apply(&room, user, before, after);
        if before.present() == after.present() {
            return;
        }
        let rows: Vec<&PackedRow> = self.rows.of(number, user).chain(gone).collect();
        let info = rows.iter().map(|row| row.info()).find(|info| !info.is_empty()).unwrap_or_default().to_vec();
        let since_ms = rows.iter().map(|row| row.since_ms).min().unwrap_or_default();
        self.transitions.push(Transition { room, user, info, since_ms, arrived: after.present() });
    }

    /// The number of a room, which it has from its first row to its last.
    fn open_room(&mut self, hash: RoomHash) -> RoomNumber {
        let rooms = &mut self.rooms;
        *self.numbers.entry(hash).or_insert_with(|| rooms.insert(RoomCounts { hash, ..RoomCounts::default() }))
    }

    fn name_room(&mut self, number: RoomNumber, name: &[u8], known: bool) {
        let room = &mut self.rooms[number];
        if known || room.name.is_some() {
            return;
        }
        room.name = std::str::from_utf8(name).ok().and_then(Room::new);
        // Nothing of it could be drawn before.
        let dirty = self.dirty.entry(room.hash).or_default();
        dirty.counts = true;
        dirty.regions.extend(room.regions.iter().map(|(region, _)| region.clone()));
        let users: Vec<UserId> = self.rows.users(number).collect();
        dirty.users.extend(&users);
        for user in users {
            let user_counts = self.user_counts(number, user);
            self.passed(number, user, &UserCounts::default(), &user_counts, None);
        }
    }

    fn close_room_if_empty(&mut self, number: RoomNumber) {
        let room = &self.rooms[number];
        if room.names == 0 && room.rows == 0 {
            let room = self.rooms.remove(number);
            self.numbers.remove(&room.hash);
            let dirty = self.dirty.entry(room.hash).or_default();
            dirty.counts = true;
            dirty.closed = room.name;
        }
    }

    /// The counts of a room; `None` where nobody is or lingers.
    pub(crate) fn room(&self, hash: &RoomHash) -> Option<&RoomCounts> {
        self.numbers.get(hash).map(|number| &self.rooms[*number])
    }

    /// Every room that somebody is in, or whose name is known, by hash.
    pub(crate) fn rooms(&self) -> impl Iterator<Item = (RoomNumber, &RoomCounts)> {
        self.numbers.values().map(|number| (*number, &self.rooms[*number]))
    }

    /// How many tabs a user has in a room, over all nodes that are not silent.
    pub(crate) fn tabs(&self, key: &RowKey) -> u32 {
        self.numbers.get(&key.room).map_or(0, |room| self.user_counts(*room, key.user).whole.tabs)
    }

    /// Rooms in which something became different since this was last called.
    pub(crate) fn take_dirty(&mut self) -> BTreeMap<RoomHash, RoomChanges> {
        std::mem::take(&mut self.dirty)
    }

    /// Who has come and gone since this was last called, in order.
    pub(crate) fn take_transitions(&mut self) -> Vec<Transition> {
        std::mem::take(&mut self.transitions)
    }

    /// Users whose rows have changed since this was last called and of whom somebody has taken a tab, or is to.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<RowKey> {
        std::mem::take(&mut self.touched)
    }
}
