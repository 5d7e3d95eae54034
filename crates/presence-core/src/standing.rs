//! How a user of a room counts, all nodes' rows combined; without it a browser in two regions would be two users.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{Region, RoomHash};
use crate::presence::{Presence, RoomCounts, Weight};
use crate::row::{NOBODY, RowKey, TableKey};

/// How one user of one room counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Standing {
    pub(crate) whole: Counts,
    pub(crate) regions: Vec<(Region, Counts)>,
}

impl Standing {
    /// Somebody vouches for the user, if only a node that is silent.
    pub(crate) fn present(&self) -> bool {
        self.whole.users + self.whole.unsure > 0
    }
}

/// Users, their tabs, and users whom only silent nodes vouch for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) users: u32,
    pub(crate) tabs: u32,
    pub(crate) unsure: u32,
    /// Those of the users who have a visible page, and those whom no pong proves.
    pub(crate) looking: u32,
    pub(crate) unproven: u32,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.users += other.users;
        self.tabs += other.tabs;
        self.unsure += other.unsure;
        self.looking += other.looking;
        self.unproven += other.unproven;
    }

    /// The same user on one more node.
    fn join(&mut self, here: Self) {
        *self = if self.users == 0 {
            here
        } else {
            Self {
                users: 1,
                tabs: self.tabs + here.tabs,
                unsure: 0,
                looking: self.looking | here.looking,
                unproven: self.unproven & here.unproven,
            }
        };
    }

    pub(crate) fn subtract(&mut self, other: Self) {
        self.users -= other.users;
        self.tabs -= other.tabs;
        self.unsure -= other.unsure;
        self.looking -= other.looking;
        self.unproven -= other.unproven;
    }
}

impl Presence {
    pub(crate) fn standing(&self, key: &RowKey, tables: &[TableKey]) -> Standing {
        let mut standing = Standing::default();
        let mut unsure: Vec<&Region> = Vec::new();
        for table in tables {
            let Some(tabs) = self.tabs_left(key, *table, tables).filter(|tabs| *tabs > 0) else { continue };
            let placed = &self.tables[table];
            if placed.weight == Weight::Unsure {
                unsure.push(&placed.region);
                continue;
            }
            let Some(row) = placed.table.get(key) else { continue };
            let here = Counts {
                users: 1,
                tabs,
                unsure: 0,
                looking: u32::from(row.visible > 0),
                unproven: u32::from(row.unproven >= row.open + row.lingering),
            };
            standing.whole.join(here);
            match standing.regions.iter_mut().find(|(region, _)| *region == placed.region) {
                Some((_, counts)) => counts.join(here),
                None => standing.regions.push((placed.region.clone(), here)),
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
    pub(crate) fn tabs_left(&self, key: &RowKey, table: TableKey, tables: &[TableKey]) -> Option<u32> {
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

    /// What others say that they took of this table: how many tabs, and the number of the row that they had seen.
    pub(crate) fn taken<'a>(
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
    pub(crate) fn move_counts(&mut self, before: &Standing, after: &Standing) {
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
