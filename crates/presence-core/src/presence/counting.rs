//! How a user of a room counts, all nodes' rows combined; without it a browser in two regions would be two users.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::id::{Region, UserId};
use crate::presence::Presence;
use crate::presence::room_counts::DerivedRoom;
use crate::presence::row::Weight;
use crate::presence::row::{NO_USER, RowKey};
use crate::presence::rows::{PackedRow, RoomNumber};
use crate::presence::table::Table;
use crate::presence::taking::taken;

/// How one user of one room counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct UserCounts {
    pub(crate) whole: PresenceCounts,
    pub(crate) regions: Vec<(Region, PresenceCounts)>,
}

impl UserCounts {
    /// Some node vouches for the user, if only a silent one.
    pub(crate) fn present(&self) -> bool {
        self.whole.users + self.whole.unsure > 0
    }
}

/// Users, their tabs, and users for which only silent nodes vouch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct PresenceCounts {
    pub(crate) users: u32,
    pub(crate) tabs: u32,
    pub(crate) unsure: u32,
    /// Those of the users who have a visible page, and those that no pong proves.
    pub(crate) looking: u32,
    pub(crate) unproven: u32,
}

impl PresenceCounts {
    pub(crate) fn add(&mut self, other: Self) {
        *self = self.each(other, u32::wrapping_add);
    }

    /// The same user on one more node.
    fn join(&mut self, here: Self) {
        *self = if self.users == 0 {
            here
        } else {
            Self {
                users: 1,
                tabs: self.tabs.saturating_add(here.tabs),
                unsure: 0,
                looking: self.looking | here.looking,
                unproven: self.unproven & here.unproven,
            }
        };
    }

    pub(crate) fn subtract(&mut self, other: Self) {
        *self = self.each(other, u32::wrapping_sub);
    }

    /// Sums wrap: a node that says too much is counted wrong anyway, and without it every count is right again.
    fn each(self, other: Self, of: fn(u32, u32) -> u32) -> Self {
        Self {
            users: of(self.users, other.users),
            tabs: of(self.tabs, other.tabs),
            unsure: of(self.unsure, other.unsure),
            looking: of(self.looking, other.looking),
            unproven: of(self.unproven, other.unproven),
        }
    }
}

impl Presence {
    /// How a user of a room counts now.
    pub(crate) fn user_counts(&self, room: RoomNumber, user: UserId) -> UserCounts {
        let rows: Vec<&PackedRow> = self.rows.of(room, user).collect();
        self.combined(&rows)
    }

    fn combined(&self, rows: &[&PackedRow]) -> UserCounts {
        let mut user_counts = UserCounts::default();
        let mut unsure: Vec<&Region> = Vec::new();
        let (mut unclaimed, rows) = (self.unclaimed(rows), &self.in_order(rows)[..]);
        for row in rows {
            let table = self.tables.of(row.table);
            let mut tabs = self.tabs_left(row, table, rows);
            if table.weight == Weight::Expected {
                let returned = tabs.min(unclaimed);
                (tabs, unclaimed) = (tabs - returned, unclaimed - returned);
            }
            if tabs == 0 {
                continue;
            }
            if table.weight == Weight::Unsure {
                unsure.push(&table.region);
                continue;
            }
            let here = PresenceCounts {
                users: 1,
                tabs,
                unsure: 0,
                looking: u32::from(row.visible() > 0),
                unproven: u32::from(row.unproven() >= row.tabs()),
            };
            user_counts.whole.join(here);
            match user_counts.regions.iter_mut().find(|(region, _)| *region == table.region) {
                Some((_, counts)) => counts.join(here),
                None => user_counts.regions.push((table.region.clone(), here)),
            }
        }
        if user_counts.whole.users == 0 && !unsure.is_empty() {
            user_counts.whole.unsure = 1;
            unsure.sort_unstable();
            unsure.dedup();
            user_counts.regions = unsure
                .into_iter()
                .map(|r| (r.clone(), PresenceCounts { unsure: 1, ..PresenceCounts::default() }))
                .collect();
        }
        user_counts
    }

    /// The rows of a user with tabs that no one took.
    pub(crate) fn counting_rows(&self, room: RoomNumber, user: UserId) -> Vec<&PackedRow> {
        let rows: Vec<&PackedRow> = self.rows.of(room, user).collect();
        let counts = |row: &&PackedRow| self.tabs_left(row, self.tables.of(row.table), &rows) > 0;
        rows.iter().copied().filter(counts).collect()
    }

    fn any_expected(&self, rows: &[&PackedRow]) -> bool {
        rows.iter().any(|row| self.tables.of(row.table).weight == Weight::Expected)
    }

    /// The same rows; where the order matters, in the one that all nodes have.
    fn in_order<'a, 'b>(&self, rows: &'a [&'b PackedRow]) -> Cow<'a, [&'b PackedRow]> {
        let mut rows = Cow::Borrowed(rows);
        if self.any_expected(&rows) {
            rows.to_mut().sort_unstable_by_key(|row| self.tables.of(row.table).key);
        }
        rows
    }

    /// Tabs on nodes that are heard which took no other one's place yet: as many of those that are expected back may be
    /// among them. The nodes claim them as soon as they know.
    fn unclaimed(&self, rows: &[&PackedRow]) -> u32 {
        let weight = |row: &PackedRow| self.tables.of(row.table).weight;
        if !self.any_expected(rows) {
            return 0;
        }
        let heard = rows.iter().filter(|row| weight(row) == Weight::Counted);
        heard.map(|row| row.unclaimed()).fold(0, u32::saturating_add)
    }

    /// The tabs that a row still vouches for, less those that connections elsewhere have taken the place of.
    fn tabs_left(&self, row: &PackedRow, table: &Table, rows: &[&PackedRow]) -> u32 {
        let (mut firm, mut loose) = match table.weight {
            Weight::Held | Weight::Expected => (0, row.tabs()),
            Weight::Counted | Weight::Unsure => (row.open(), row.lingering()),
        };
        for (tabs, seen) in taken(row, table, rows) {
            let of_loose = tabs.min(loose);
            loose -= of_loose;
            if row.number < seen {
                firm = firm.saturating_sub(tabs - of_loose);
            }
        }
        firm + loose
    }

    /// Every room's counts as they are derived, for comparison.
    pub(crate) fn derived(&self) -> BTreeMap<RoomNumber, (PresenceCounts, BTreeMap<Region, PresenceCounts>)> {
        let rooms = self.rooms().filter(|(_, room)| room.rows > 0);
        rooms.map(|(number, room)| (number, (room.whole, room.regions.iter().cloned().collect()))).collect()
    }

    /// Every room's counts, made by counting all rows of all tables again: what the derived ones must equal.
    pub(crate) fn recounted(&self) -> BTreeMap<RoomNumber, (PresenceCounts, BTreeMap<Region, PresenceCounts>)> {
        let mut members: BTreeMap<(RoomNumber, UserId), Vec<&PackedRow>> = BTreeMap::new();
        for row in self.tables.iter().flat_map(Table::slots).map(|slot| self.rows.get(slot)) {
            if row.user != NO_USER {
                members.entry((row.room, row.user)).or_default().push(row);
            }
        }
        let mut rooms: BTreeMap<RoomNumber, (PresenceCounts, BTreeMap<Region, PresenceCounts>)> = BTreeMap::new();
        for ((room, _), rows) in members {
            let user_counts = self.combined(&rows);
            let room = rooms.entry(room).or_default();
            room.0.add(user_counts.whole);
            for (region, counts) in user_counts.regions {
                room.1.entry(region).or_default().add(counts);
            }
        }
        rooms.values_mut().for_each(|room| room.1.retain(|_, counts| *counts != PresenceCounts::default()));
        rooms
    }

    /// The rows of a user in words.
    pub(crate) fn rows_of(&self, key: &RowKey) -> Vec<String> {
        let rows = self.numbers.get(&key.room).into_iter().flat_map(|room| self.rows.of(*room, key.user));
        let line = |row: &PackedRow| {
            let table = self.tables.of(row.table);
            let took: Vec<String> = row
                .took()
                .iter()
                .map(|t| format!("{} of {}/{}@{}", t.tabs, t.table.node, t.table.incarnation.get() % 1_000_000, t.seen))
                .collect();
            format!(
                "{}/{} {:?}: {} open, {} lingering, number {}, took {took:?}",
                table.key.node,
                table.key.incarnation.get() % 1_000_000,
                table.weight,
                row.open(),
                row.lingering(),
                row.number
            )
        };
        rows.map(line).collect()
    }
}

impl DerivedRoom {
    pub(crate) fn move_counts(&mut self, before: &UserCounts, after: &UserCounts) {
        self.whole.subtract(before.whole);
        self.whole.add(after.whole);
        for (region, counts) in &before.regions {
            self.count(region).subtract(*counts);
        }
        for (region, counts) in &after.regions {
            self.count(region).add(*counts);
        }
        self.regions.retain(|(_, counts)| *counts != PresenceCounts::default());
    }

    fn count(&mut self, region: &Region) -> &mut PresenceCounts {
        let at = self.regions.iter().position(|(known, _)| known == region).unwrap_or_else(|| {
            // Most rooms are in one region, and there are many rooms: allocate just what is needed.
            self.regions.reserve_exact(1);
            self.regions.push((region.clone(), PresenceCounts::default()));
            self.regions.len() - 1
        });
        &mut self.regions[at].1
    }

    /// The counts of one region.
    pub(crate) fn of(&self, region: &Region) -> PresenceCounts {
        self.regions
            .iter()
            .find(|(known, _)| known == region)
            .map_or_else(PresenceCounts::default, |(_, counts)| *counts)
    }
}
