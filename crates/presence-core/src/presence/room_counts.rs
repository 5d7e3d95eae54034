//! What is derived of a room as its rows change: counts, what pages are to draw, and who joins and leaves.

use std::collections::BTreeSet;

use crate::id::{Region, Room, RoomHash, UserId};
use crate::io::output::Output;
use crate::presence::Presence;
use crate::presence::counting::{PresenceCounts, UserCounts};
use crate::presence::row::RowKey;
use crate::presence::rows::{PackedRow, RoomNumber};

/// A user has joined a room, or left it: the first and the last of their connections, on any node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Transition {
    pub(crate) room: Room,
    pub(crate) user: UserId,
    pub(crate) info: Vec<u8>,
    pub(crate) since_ms: u64,
    pub(crate) arrived: bool,
}

impl From<Transition> for Output {
    fn from(Transition { room, user, info, since_ms, arrived }: Transition) -> Self {
        if arrived { Self::Arrived { room, user, info, since_ms } } else { Self::Left { room, user, info, since_ms } }
    }
}

/// What is derived of one room.
#[derive(Debug)]
pub(crate) struct DerivedRoom {
    pub(super) hash: RoomHash,
    pub(crate) name: Option<Room>,
    /// Rows that hold its name, and rows of users.
    pub(super) names: u32,
    pub(crate) rows: u32,
    pub(crate) whole: PresenceCounts,
    /// Regions that have any.
    pub(crate) regions: Vec<(Region, PresenceCounts)>,
    /// Who shows something.
    pub(crate) sharing: BTreeSet<UserId>,
}

impl Default for DerivedRoom {
    /// An empty room.
    fn default() -> Self {
        let (whole, regions, sharing) = (PresenceCounts::default(), Vec::new(), BTreeSet::new());
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
    /// Keys under which a user shows something else.
    pub(crate) shared: BTreeSet<String>,
}

impl Presence {
    /// Carries out something that changes how a user of a room counts, and corrects what is derived by the difference.
    /// It gives back the row that was replaced or removed, if one was.
    pub(super) fn change(
        &mut self,
        room: RoomNumber,
        key: RowKey,
        change: impl FnOnce(&mut Self) -> Option<PackedRow>,
    ) {
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
    pub(super) fn passed(
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
        let mut rows = self.counting_rows(number, user);
        rows.extend(gone.filter(|row| row.tabs() > 0));
        let info = rows.iter().map(|row| row.info()).find(|info| !info.is_empty()).unwrap_or_default().to_vec();
        let since_ms = rows.iter().map(|row| row.since_ms).min().unwrap_or_default();
        self.transitions.push(Transition { room, user, info, since_ms, arrived: after.present() });
    }

    /// The number of a room, which it has from its first row to its last.
    pub(super) fn open_room(&mut self, hash: RoomHash) -> RoomNumber {
        let rooms = &mut self.rooms;
        *self.numbers.entry(hash).or_insert_with(|| rooms.insert(DerivedRoom { hash, ..DerivedRoom::default() }))
    }

    pub(super) fn name_room(&mut self, number: RoomNumber, name: &[u8], known: bool) {
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

    pub(super) fn close_room_if_empty(&mut self, number: RoomNumber) {
        let room = &self.rooms[number];
        if room.names == 0 && room.rows == 0 {
            let room = self.rooms.remove(number);
            self.numbers.remove(&room.hash);
            let dirty = self.dirty.entry(room.hash).or_default();
            dirty.counts = true;
            dirty.closed = room.name;
        }
    }
}
