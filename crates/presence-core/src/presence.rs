//! Who is here: the tables of all nodes, combined. Counts are derived from rows as they change, never replicated.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Digest, Region, Room, RoomHash, UserId};
use crate::row::{NOBODY, Removed, Row, RowKey, Table, TableKey};

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
    tables: BTreeMap<TableKey, Placed>,
    /// Which tables have a row of this user in this room, and how that was last counted.
    members: BTreeMap<RowKey, Member>,
    rooms: BTreeMap<RoomHash, RoomCounts>,
    dirty: BTreeMap<RoomHash, Dirty>,
    /// Users of whom somebody has taken a tab: their `took` may be over.
    touched: BTreeSet<RowKey>,
}

#[derive(Debug)]
struct Placed {
    region: Region,
    weight: Weight,
    table: Table,
}

#[derive(Debug, Default)]
struct Member {
    tables: Vec<TableKey>,
    in_room: bool,
    counted: Standing,
}

/// How one user of one room counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Standing {
    whole: Counts,
    regions: Vec<(Region, Counts)>,
}

/// Users, their tabs, and users whom only silent nodes vouch for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) users: u32,
    pub(crate) tabs: u32,
    pub(crate) unsure: u32,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.users += other.users;
        self.tabs += other.tabs;
        self.unsure += other.unsure;
    }

    fn subtract(&mut self, other: Self) {
        self.users -= other.users;
        self.tabs -= other.tabs;
        self.unsure -= other.unsure;
    }
}

/// What is derived of one room.
#[derive(Debug, Default)]
pub(crate) struct RoomCounts {
    pub(crate) name: Option<Room>,
    names: u32,
    members: u32,
    pub(crate) whole: Counts,
    pub(crate) regions: BTreeMap<Region, Counts>,
}

/// What became different in a room since it was last asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Dirty {
    /// Its name, where the last row of the room has gone.
    pub(crate) closed: Option<Room>,
    pub(crate) counts: bool,
    pub(crate) regions: BTreeSet<Region>,
    pub(crate) users: BTreeSet<UserId>,
}

impl Presence {
    pub(crate) fn new(digest: Digest) -> Self {
        Self {
            digest,
            tables: BTreeMap::new(),
            members: BTreeMap::new(),
            rooms: BTreeMap::new(),
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
        let known = placed.table.get(&key).is_some();
        let name = (key.user == NOBODY).then(|| row.info.clone());
        placed.table.set(row, digest);
        match name {
            Some(name) => self.name_room(key.room, &name, known),
            None => {
                let member = self.members.entry(key).or_default();
                if !known {
                    member.tables.push(table);
                }
                self.recount(key);
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
            dirty.users.extend(self.members.range(everybody).map(|(key, _)| key.user));
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
        let known = placed.table.get(&key).is_some();
        placed.table.remove(removed, at_ms, digest);
        if known {
            self.row_gone(table, key);
        }
    }

    fn row_gone(&mut self, table: TableKey, key: RowKey) {
        if key.user == NOBODY {
            if let Some(room) = self.rooms.get_mut(&key.room) {
                room.names -= 1;
            }
            self.close_room_if_empty(key.room);
        } else if let Some(member) = self.members.get_mut(&key) {
            member.tables.retain(|other| *other != table);
            self.recount(key);
        }
    }

    /// Changes how the rows of a table count.
    pub(crate) fn weigh(&mut self, table: TableKey, weight: Weight) {
        let Some(placed) = self.tables.get_mut(&table) else { return };
        if std::mem::replace(&mut placed.weight, weight) != weight {
            let keys: Vec<RowKey> = placed.table.keys().copied().collect();
            for key in keys {
                self.recount(key);
            }
        }
    }

    /// Forgets a table and all its rows.
    pub(crate) fn drop_table(&mut self, table: TableKey) {
        let Some(placed) = self.tables.remove(&table) else { return };
        for key in placed.table.keys() {
            self.row_gone(table, *key);
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

    /// Counts one user of one room anew and corrects the room's counts by the difference.
    fn recount(&mut self, key: RowKey) {
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
        }
        if member.tables.is_empty() {
            room.members -= 1;
            self.members.remove(&key);
            self.close_room_if_empty(key.room);
        }
    }

    fn standing(&self, key: &RowKey, tables: &[TableKey]) -> Standing {
        let mut standing = Standing::default();
        let mut unsure: Vec<&Region> = Vec::new();
        for table in tables {
            let Some(tabs) = self.tabs_left(key, *table, tables).filter(|tabs| *tabs > 0) else { continue };
            let placed = &self.tables[table];
            if placed.weight == Weight::Unsure {
                unsure.push(&placed.region);
                continue;
            }
            standing.whole.users = 1;
            standing.whole.tabs += tabs;
            match standing.regions.iter_mut().find(|(region, _)| *region == placed.region) {
                Some((_, counts)) => counts.tabs += tabs,
                None => standing.regions.push((placed.region.clone(), Counts { users: 1, tabs, unsure: 0 })),
            }
        }
        if standing.whole.users == 0 && !unsure.is_empty() {
            standing.whole.unsure = 1;
            unsure.sort_unstable();
            unsure.dedup();
            standing.regions =
                unsure.into_iter().map(|r| (r.clone(), Counts { unsure: 1, ..Counts::default() })).collect();
        }
        standing
    }

    /// The tabs that a table still vouches for, less those that connections elsewhere have taken the place of.
    fn tabs_left(&self, key: &RowKey, table: TableKey, tables: &[TableKey]) -> Option<u32> {
        let placed = &self.tables[&table];
        let row = placed.table.get(key)?;
        let (mut firm, mut loose) = match placed.weight {
            Weight::Held => (0, row.open + row.lingering),
            Weight::Counted | Weight::Unsure => (row.open, row.lingering),
        };
        for (tabs, seen) in self.taken(key, table, tables) {
            let of_loose = tabs.min(loose);
            loose -= of_loose;
            if row.number < seen {
                firm = firm.saturating_sub(tabs - of_loose);
            }
        }
        Some(firm + loose)
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

    /// What others say that they took of this table: how many tabs, and the number of the row that they had seen.
    fn taken<'a>(
        &'a self,
        key: &'a RowKey,
        table: TableKey,
        tables: &'a [TableKey],
    ) -> impl Iterator<Item = (u32, u64)> + 'a {
        tables
            .iter()
            .filter(move |other| **other != table)
            .filter_map(|other| self.tables[other].table.get(key))
            .flat_map(|row| &row.took)
            .filter(move |took| took.table == table)
            .map(|took| (took.tabs, took.seen))
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

    /// Every room's counts as they are derived, for comparison.
    pub(crate) fn derived(&self) -> BTreeMap<RoomHash, (Counts, BTreeMap<Region, Counts>)> {
        let rooms = self.rooms.iter().filter(|(_, room)| room.members > 0);
        rooms.map(|(hash, room)| (*hash, (room.whole, room.regions.clone()))).collect()
    }

    /// Every room's counts, made by counting all rows anew: what the derived ones must equal.
    pub(crate) fn recounted(&self) -> BTreeMap<RoomHash, (Counts, BTreeMap<Region, Counts>)> {
        let mut rooms: BTreeMap<RoomHash, (Counts, BTreeMap<Region, Counts>)> = BTreeMap::new();
        let keys: BTreeSet<RowKey> = self.tables.values().flat_map(|placed| placed.table.keys().copied()).collect();
        for key in keys.into_iter().filter(|key| key.user != NOBODY) {
            let tables: Vec<TableKey> = self
                .tables
                .iter()
                .filter(|(_, placed)| placed.table.get(&key).is_some())
                .map(|(key, _)| *key)
                .collect();
            let standing = self.standing(&key, &tables);
            let room = rooms.entry(key.room).or_default();
            room.0.add(standing.whole);
            for (region, counts) in standing.regions {
                room.1.entry(region).or_default().add(counts);
            }
        }
        rooms.values_mut().for_each(|room| room.1.retain(|_, counts| *counts != Counts::default()));
        rooms
    }
}

impl RoomCounts {
    fn move_counts(&mut self, before: &Standing, after: &Standing) {
        self.whole.subtract(before.whole);
        self.whole.add(after.whole);
        for (region, counts) in &before.regions {
            self.regions.entry(region.clone()).or_default().subtract(*counts);
        }
        for (region, counts) in &after.regions {
            self.regions.entry(region.clone()).or_default().add(*counts);
        }
        self.regions.retain(|_, counts| *counts != Counts::default());
    }
}
