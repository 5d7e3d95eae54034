//! Who is here: the tables of all nodes, combined. Counts are derived from rows as they change, never replicated.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Digest, Region, Room, RoomHash, UserId};
use crate::rollup::RollUps;
use crate::row::{NOBODY, Removed, Row, RowKey, Share, Table, TableKey};
use crate::standing::{Counts, Standing};

/// Of so many users at most a room shows what they share.
const SHARING_MAX: usize = 1_000;

/// How the rows of a node count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Weight {
    /// The node is heard: open and lingering tabs count.
    Counted,
    /// It left on purpose: all its tabs count until they run out or are taken.
    Held,
    /// It is silent: whom only it vouches for is unsure.
    Unsure,
}

/// Everything that is known of who is where.
#[derive(Debug)]
pub(crate) struct Presence {
    digest: Digest,
    pub(crate) tables: BTreeMap<TableKey, Placed>,
    /// Which tables have a row of this user in this room, and how that was last counted.
    pub(crate) members: BTreeMap<RowKey, Member>,
    pub(crate) rooms: BTreeMap<RoomHash, RoomCounts>,
    pub(crate) roll_ups: RollUps,
    passages: Vec<Passage>,
    dirty: BTreeMap<RoomHash, Dirty>,
    /// Users of whom somebody has taken a tab: their `took` may be over.
    touched: BTreeSet<RowKey>,
}

#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) region: Region,
    pub(crate) weight: Weight,
    pub(crate) table: Table,
}

#[derive(Debug, Default)]
pub(crate) struct Member {
    pub(crate) tables: Vec<TableKey>,
    in_room: bool,
    pub(crate) counted: Standing,
}

/// Somebody has come to a room, or left it: the first and the last of their connections, wherever.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Passage {
    pub(crate) room: Room,
    pub(crate) user: UserId,
    pub(crate) info: Vec<u8>,
    pub(crate) since_ms: u64,
    pub(crate) arrived: bool,
}

/// What is derived of one room.
#[derive(Debug, Default)]
pub(crate) struct RoomCounts {
    pub(crate) name: Option<Room>,
    names: u32,
    pub(crate) members: u32,
    pub(crate) whole: Counts,
    pub(crate) regions: BTreeMap<Region, Counts>,
    /// Who shows something.
    pub(crate) sharing: BTreeSet<UserId>,
}

/// What became different in a room since it was last asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dirty {
    /// Its name, where the last row of the room has gone.
    pub(crate) closed: Option<Room>,
    pub(crate) counts: bool,
    pub(crate) regions: BTreeSet<Region>,
    pub(crate) users: BTreeSet<UserId>,
    /// Keys under which somebody shows something else.
    pub(crate) shared: BTreeSet<String>,
}

impl Presence {
    pub(crate) fn new(digest: Digest) -> Self {
        Self {
            digest,
            tables: BTreeMap::new(),
            members: BTreeMap::new(),
            rooms: BTreeMap::new(),
            roll_ups: RollUps::default(),
            passages: Vec::new(),
            dirty: BTreeMap::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Makes room for the rows of a node.
    pub(crate) fn open_table(&mut self, key: TableKey, region: &Region, weight: Weight) {
        self.tables.entry(key).or_insert_with(|| Placed { region: region.clone(), weight, table: Table::default() });
        self.weigh(key, weight);
    }

    /// The table belongs to another incarnation from now on.
    pub(crate) fn rename_table(&mut self, from: TableKey, to: TableKey) {
        let Some(placed) = self.tables.remove(&from) else { return };
        for key in placed.table.keys() {
            if let Some(member) = self.members.get_mut(key) {
                member.tables.iter_mut().filter(|table| **table == from).for_each(|table| *table = to);
            }
        }
        self.tables.insert(to, placed);
    }

    pub(crate) fn table(&self, key: TableKey) -> Option<&Table> {
        self.tables.get(&key).map(|placed| &placed.table)
    }

    pub(crate) fn region(&self, key: TableKey) -> Option<&Region> {
        self.tables.get(&key).map(|placed| &placed.region)
    }

    /// Takes a row of this table as it is.
    pub(crate) fn set(&mut self, table: TableKey, row: Row) {
        let (key, digest) = (row.key, self.digest);
        let Some(placed) = self.tables.get_mut(&table) else { return };
        let before = placed.table.get(&key).cloned();
        let known = before.is_some();
        let name = (key.user == NOBODY).then(|| row.info.clone());
        placed.table.set(row, digest);
        match name {
            Some(name) => self.name_room(key.room, &name, known),
            None => {
                let member = self.members.entry(key).or_default();
                if !known {
                    member.tables.push(table);
                }
                self.note_shared(key, before.as_ref());
                self.recount(key, before.as_ref());
            }
        }
    }

    fn name_room(&mut self, hash: RoomHash, name: &[u8], known: bool) {
        let room = self.rooms.entry(hash).or_default();
        room.names += u32::from(!known);
        if room.name.is_none() {
            room.name = std::str::from_utf8(name).ok().and_then(Room::new);
            // Nothing of it could be drawn before.
            let dirty = self.dirty.entry(hash).or_default();
            dirty.counts = true;
            dirty.regions.extend(room.regions.keys().cloned());
            let everybody = RowKey { room: hash, user: NOBODY }..=RowKey { room: hash, user: UserId([255; 32]) };
            dirty.users.extend(self.members.range(everybody.clone()).map(|(key, _)| key.user));
            let keys: Vec<RowKey> = self.members.range(everybody).map(|(key, _)| *key).collect();
            for key in keys {
                let counted = self.members[&key].counted.clone();
                self.passed(key, &Standing::default(), &counted, None);
            }
        }
    }

    /// What follows from a user's counting in another way, in a room whose name is known.
    fn passed(&mut self, key: RowKey, before: &Standing, after: &Standing, gone: Option<&Row>) {
        let Some(room) = self.rooms.get(&key.room).and_then(|room| room.name.clone()) else { return };
        self.roll_ups.apply(&room, key.user, before, after);
        if before.present() == after.present() {
            return;
        }
        let rows = self.members[&key].tables.iter().filter_map(|table| self.tables[table].table.get(&key));
        let rows: Vec<&Row> = rows.chain(gone).collect();
        let info = rows.iter().map(|row| &row.info).find(|info| !info.is_empty()).cloned().unwrap_or_default();
        let since_ms = rows.iter().map(|row| row.since_ms).min().unwrap_or_default();
        self.passages.push(Passage { room, user: key.user, info, since_ms, arrived: after.present() });
    }

    /// Marks what of a user's shares is different from the row before.
    fn note_shared(&mut self, key: RowKey, before: Option<&Row>) {
        let member = &self.members[&key];
        let now: Vec<&Share> = member
            .tables
            .iter()
            .filter_map(|table| self.tables[table].table.get(&key))
            .flat_map(|row| &row.shared)
            .collect();
        let was = before.map_or(&[][..], |row| &row.shared);
        if now.is_empty() && was.is_empty() {
            return;
        }
        let fresh = now.iter().filter(|share| !was.contains(share)).map(|share| share.key.clone());
        let stale = was.iter().filter(|share| !now.contains(share)).map(|share| share.key.clone());
        let keys: BTreeSet<String> = fresh.chain(stale).collect();
        let sharing = !now.is_empty();
        self.dirty.entry(key.room).or_default().shared.extend(keys);
        let room = self.rooms.entry(key.room).or_default();
        if sharing {
            room.sharing.insert(key.user);
        } else {
            room.sharing.remove(&key.user);
        }
    }

    /// Gives a row that is the same but for its number.
    pub(crate) fn renumber(&mut self, table: TableKey, row: Row) {
        let digest = self.digest;
        if let Some(placed) = self.tables.get_mut(&table) {
            placed.table.set(row, digest);
        }
    }

    /// Takes a row off this table.
    pub(crate) fn remove(&mut self, table: TableKey, removed: Removed, at_ms: u64) {
        let (key, digest) = (removed.key, self.digest);
        let Some(placed) = self.tables.get_mut(&table) else { return };
        let gone = placed.table.get(&key).cloned();
        placed.table.remove(removed, at_ms, digest);
        if let Some(gone) = gone {
            self.row_gone(table, &gone);
        }
    }

    fn row_gone(&mut self, table: TableKey, gone: &Row) {
        let key = gone.key;
        if key.user == NOBODY {
            if let Some(room) = self.rooms.get_mut(&key.room) {
                room.names -= 1;
            }
            self.close_room_if_empty(key.room);
        } else if let Some(member) = self.members.get_mut(&key) {
            member.tables.retain(|other| *other != table);
            self.note_shared(key, Some(gone));
            self.recount(key, Some(gone));
        }
    }

    /// Changes how the rows of a table count.
    pub(crate) fn weigh(&mut self, table: TableKey, weight: Weight) {
        let Some(placed) = self.tables.get_mut(&table) else { return };
        if std::mem::replace(&mut placed.weight, weight) != weight {
            let keys: Vec<RowKey> = placed.table.keys().copied().collect();
            for key in keys {
                self.recount(key, None);
            }
        }
    }

    /// Forgets a table and all its rows.
    pub(crate) fn drop_table(&mut self, table: TableKey) {
        let Some(placed) = self.tables.remove(&table) else { return };
        for gone in placed.table.rows() {
            self.row_gone(table, gone);
        }
    }

    pub(crate) fn prune(&mut self, table: TableKey, most: usize, upto: u64, before_ms: u64) {
        if let Some(placed) = self.tables.get_mut(&table) {
            placed.table.prune(most, upto, before_ms);
        }
    }

    pub(crate) fn raise_floor(&mut self, table: TableKey, number: u64) {
        if let Some(placed) = self.tables.get_mut(&table) {
            placed.table.raise_floor(number);
        }
    }

    /// Counts one user of one room anew and corrects the room's counts by the difference; `gone` is the row that was
    /// there before, if one was replaced or removed.
    fn recount(&mut self, key: RowKey, gone: Option<&Row>) {
        let Some(member) = self.members.get(&key) else { return };
        let after = self.standing(&key, &member.tables);
        if member.tables.iter().any(|table| self.tables[table].table.get(&key).is_some_and(|row| !row.took.is_empty()))
        {
            self.touched.insert(key);
        }
        let room = self.rooms.entry(key.room).or_default();
        let member = self.members.get_mut(&key).expect("it was there three lines before");
        if !std::mem::replace(&mut member.in_room, true) {
            room.members += 1;
        }
        let before = std::mem::replace(&mut member.counted, after.clone());
        if before != after {
            room.move_counts(&before, &after);
            let dirty = self.dirty.entry(key.room).or_default();
            dirty.counts |= before.whole != after.whole;
            dirty.regions.extend(before.regions.iter().chain(&after.regions).map(|(region, _)| region.clone()));
            if before.whole.tabs != after.whole.tabs {
                dirty.users.insert(key.user);
            }
            if before.whole.users != after.whole.users {
                self.note_hidden(key);
            }
            self.passed(key, &before, &after, gone);
        }
        if self.members[&key].tables.is_empty() {
            let room = self.rooms.get_mut(&key.room).expect("it was there some lines before");
            room.members -= 1;
            self.members.remove(&key);
            self.close_room_if_empty(key.room);
        }
    }

    fn close_room_if_empty(&mut self, hash: RoomHash) {
        if self.rooms.get(&hash).is_some_and(|room| room.names == 0 && room.members == 0)
            && let Some(room) = self.rooms.remove(&hash)
        {
            let dirty = self.dirty.entry(hash).or_default();
            dirty.counts = true;
            dirty.closed = room.name;
        }
    }

    /// The counts of a room; `None` where nobody is or lingers.
    pub(crate) fn room(&self, hash: &RoomHash) -> Option<&RoomCounts> {
        self.rooms.get(hash)
    }

    /// How many tabs a user has in a room, over all nodes that are not silent.
    pub(crate) fn tabs(&self, key: &RowKey) -> u32 {
        self.members.get(key).map_or(0, |member| member.counted.whole.tabs)
    }

    /// A tab of this user that a new connection elsewhere may take the place of: lingering on a node that is heard, or
    /// held. The table, and the number of the row that shows it.
    pub(crate) fn takeable(&self, key: &RowKey, except: TableKey) -> Option<(TableKey, u64)> {
        let member = self.members.get(key)?;
        member.tables.iter().filter(|table| **table != except).find_map(|table| {
            let placed = &self.tables[table];
            let row = placed.table.get(key)?;
            let loose = match placed.weight {
                Weight::Counted => row.lingering,
                Weight::Held => row.open + row.lingering,
                Weight::Unsure => 0,
            };
            let taken: u32 = self.taken(key, *table, &member.tables).map(|(tabs, _)| tabs).sum();
            (loose > taken).then_some((*table, row.number))
        })
    }

    /// What is left to take of a table, whoever took it: a `took` is over when this is 0.
    pub(crate) fn loose(&self, key: &RowKey, table: TableKey) -> u32 {
        let Some(placed) = self.tables.get(&table) else { return 0 };
        match (placed.table.get(key), placed.weight) {
            (None, _) => 0,
            (Some(row), Weight::Held) => row.open + row.lingering,
            (Some(row), Weight::Counted | Weight::Unsure) => row.lingering,
        }
    }

    /// Rooms in which something became different since this was last called.
    pub(crate) fn take_dirty(&mut self) -> BTreeMap<RoomHash, Dirty> {
        std::mem::take(&mut self.dirty)
    }

    /// Who has come and gone since this was last called, in order.
    pub(crate) fn take_passages(&mut self) -> Vec<Passage> {
        std::mem::take(&mut self.passages)
    }

    /// What is shown in a room, by key and user, of a thousand users at most: of one user the newest.
    pub(crate) fn shared(&self, hash: &RoomHash) -> BTreeMap<String, BTreeMap<UserId, &Share>> {
        let mut shared: BTreeMap<String, BTreeMap<UserId, &Share>> = BTreeMap::new();
        let sharing = self.rooms.get(hash).into_iter().flat_map(|room| &room.sharing).take(SHARING_MAX);
        for user in sharing {
            let key = RowKey { room: *hash, user: *user };
            let tables = self.members.get(&key).filter(|member| member.counted.whole.users > 0).map(|m| &m.tables);
            let rows = tables.into_iter().flatten().filter_map(|table| self.tables[table].table.get(&key));
            for share in rows.flat_map(|row| &row.shared) {
                let known = shared.entry(share.key.clone()).or_default().entry(*user).or_insert(share);
                if known.stamp < share.stamp {
                    *known = share;
                }
            }
        }
        shared
    }

    /// What a user shows appears and disappears with them.
    fn note_hidden(&mut self, key: RowKey) {
        if !self.rooms.get(&key.room).is_some_and(|room| room.sharing.contains(&key.user)) {
            return;
        }
        let rows = self.members[&key].tables.iter().filter_map(|table| self.tables[table].table.get(&key));
        let keys: Vec<String> = rows.flat_map(|row| &row.shared).map(|share| share.key.clone()).collect();
        self.dirty.entry(key.room).or_default().shared.extend(keys);
    }

    /// Users of whom somebody has taken a tab and whose rows have changed since this was last called.
    pub(crate) fn take_touched(&mut self) -> BTreeSet<RowKey> {
        std::mem::take(&mut self.touched)
    }

    /// The rows of a user in words.
    pub(crate) fn rows_of(&self, key: &RowKey) -> Vec<String> {
        let tables = self.members.get(key).map_or(&[][..], |member| &member.tables);
        let line = |table: &TableKey| {
            let placed = &self.tables[table];
            let row = placed.table.get(key)?;
            let took: Vec<String> = row
                .took
                .iter()
                .map(|t| format!("{} of {}/{}@{}", t.tabs, t.table.node, t.table.incarnation % 1_000_000, t.seen))
                .collect();
            Some(format!(
                "{}/{} {:?}: {} open, {} lingering, number {}, took {took:?}",
                table.node,
                table.incarnation % 1_000_000,
                placed.weight,
                row.open,
                row.lingering,
                row.number
            ))
        };
        tables.iter().filter_map(line).collect()
    }
}
