//! The rows of all nodes, each kept once, packed: a million of them are to fit into the memory of a small machine.
//!
//! A row takes 72 bytes and stands in two ordered indexes of 12 bytes an entry: here by room and user, which finds what
//! all nodes say of a user at once, and in its node's [`Table`](crate::presence::table::Table) by number. Neither holds a key.

use std::collections::BTreeSet;

use crate::id::{RoomHash, UserId};
use crate::presence::row::{NO_USER, Row, RowKey, Share, Took};
use crate::presence::slab::{Slab, Slot};
use crate::presence::table::TableNumber;

/// What stands for a room's hash in rows.
pub(crate) type RoomNumber = Slot;

/// A row as it is kept.
#[derive(Debug)]
pub(crate) struct PackedRow {
    pub(crate) user: UserId,
    /// Of its last change, in its node's sequence; 0 while no delta has named it.
    pub(crate) number: u64,
    pub(crate) since_ms: u64,
    rare: Option<Box<PackedExtras>>,
    pub(crate) room: RoomNumber,
    pub(crate) table: TableNumber,
    /// The last answer with everything of its table that named it.
    pub(crate) named: u16,
    /// Open, lingering, visible and unproven, if each fits.
    counts: [u8; 4],
}

/// What most rows do not have.
#[derive(Debug, Default)]
struct PackedExtras {
    took: Vec<Took>,
    info: Vec<u8>,
    shared: Vec<Share>,
    /// Where one of them is greater than 255.
    counts: Option<[u32; 4]>,
}

impl Default for PackedRow {
    /// What an empty slot holds.
    fn default() -> Self {
        Self { user: NO_USER, number: 0, since_ms: 0, rare: None, room: 0, table: 0, named: 0, counts: [0; 4] }
    }
}

impl PackedRow {
    fn new(row: Row, room: RoomNumber, table: TableNumber, named: u16) -> Self {
        let all = [row.open, row.lingering, row.visible, row.unproven];
        let small = all.map(u8::try_from);
        let fit = small.iter().all(Result::is_ok);
        let counts = small.map(|count| count.unwrap_or(u8::MAX));
        let plain = fit && row.took.is_empty() && row.info.is_empty() && row.shared.is_empty();
        let rare = (!plain).then(|| {
            let counts = (!fit).then_some(all);
            Box::new(PackedExtras { took: row.took, info: row.info, shared: row.shared, counts })
        });
        let Row { key, number, since_ms, .. } = Row { took: Vec::new(), info: Vec::new(), shared: Vec::new(), ..row };
        Self { user: key.user, number, since_ms, rare, room, table, named, counts }
    }

    /// The row as others are told it.
    pub(crate) fn row(&self, room: RoomHash) -> Row {
        let mut row = Row::new(RowKey { room, user: self.user }, self.info().to_vec(), self.since_ms);
        (row.number, row.open, row.lingering) = (self.number, self.open(), self.lingering());
        (row.visible, row.unproven) = (self.visible(), self.unproven());
        (row.took, row.shared) = (self.took().to_vec(), self.shared().to_vec());
        row
    }

    fn count(&self, index: usize) -> u32 {
        let many = self.rare.as_ref().and_then(|rare| rare.counts);
        many.map_or(u32::from(self.counts[index]), |counts| counts[index])
    }

    /// Open connections.
    pub(crate) fn open(&self) -> u32 {
        self.count(0)
    }

    /// Closed ones that still count.
    pub(crate) fn lingering(&self) -> u32 {
        self.count(1)
    }

    /// Both together.
    pub(crate) fn tabs(&self) -> u32 {
        self.open().saturating_add(self.lingering())
    }

    /// Those of them that took no other one's place.
    pub(crate) fn unclaimed(&self) -> u32 {
        self.took().iter().fold(self.tabs(), |tabs, took| tabs.saturating_sub(took.tabs))
    }

    /// Connections, lingering ones included, whose page is visible.
    pub(crate) fn visible(&self) -> u32 {
        self.count(2)
    }

    /// Connections, lingering ones included, that no pong proves to be alive.
    pub(crate) fn unproven(&self) -> u32 {
        self.count(3)
    }

    /// Tabs that connections of this row have taken the place of, on other nodes.
    pub(crate) fn took(&self) -> &[Took] {
        self.rare.as_ref().map_or(&[], |rare| &rare.took)
    }

    /// Display data; the room's name in a name's row.
    pub(crate) fn info(&self) -> &[u8] {
        self.rare.as_ref().map_or(&[], |rare| &rare.info)
    }

    /// What the user shows.
    pub(crate) fn shared(&self) -> &[Share] {
        self.rare.as_ref().map_or(&[], |rare| &rare.shared)
    }

    /// About how many bytes it takes on the wire.
    pub(crate) fn size(&self) -> usize {
        let shared: usize = self.shared().iter().map(|share| 48 + share.key.len() + share.value.len()).sum();
        84 + self.info().len() + 32 * self.took().len() + shared
    }
}

/// All rows, by room and user.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    slab: Slab<PackedRow>,
    /// Room, 32 bits made of the user, slot: the slot says who it is.
    by_key: BTreeSet<(RoomNumber, u32, Slot)>,
}

impl Rows {
    pub(crate) fn get(&self, slot: Slot) -> &PackedRow {
        &self.slab[slot]
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> &mut PackedRow {
        &mut self.slab[slot]
    }

    fn slots(&self, room: RoomNumber, user: UserId) -> impl Iterator<Item = Slot> {
        let bits = bits(&user);
        let alike = self.by_key.range((room, bits, 0)..=(room, bits, Slot::MAX));
        alike.map(|(_, _, slot)| *slot).filter(move |slot| self.slab[*slot].user == user)
    }

    /// What the nodes say of a user in a room.
    pub(crate) fn of(&self, room: RoomNumber, user: UserId) -> impl Iterator<Item = &PackedRow> {
        self.slots(room, user).map(|slot| &self.slab[slot])
    }

    /// Where a node's row is.
    pub(crate) fn find(&self, room: RoomNumber, user: UserId, table: TableNumber) -> Option<Slot> {
        self.slots(room, user).find(|slot| self.slab[*slot].table == table)
    }

    /// All users that some node has a row for in a room, once each.
    pub(crate) fn users(&self, room: RoomNumber) -> impl Iterator<Item = UserId> {
        let all = self.by_key.range((room, 0, 0)..=(room, u32::MAX, Slot::MAX)).map(|(_, _, slot)| *slot);
        let first = all.filter(move |slot| self.slots(room, self.slab[*slot].user).next() == Some(*slot));
        first.map(|slot| self.slab[slot].user).filter(|user| *user != NO_USER)
    }

    /// Keeps a row that is not there.
    pub(crate) fn insert(&mut self, row: Row, room: RoomNumber, table: TableNumber) -> Slot {
        let bits = bits(&row.key.user);
        let slot = self.slab.insert(PackedRow::new(row, room, table, 0));
        self.by_key.insert((room, bits, slot));
        slot
    }

    /// Puts a row in the place of an older one with its key, and gives that back.
    pub(crate) fn replace(&mut self, slot: Slot, row: Row) -> PackedRow {
        let old = &mut self.slab[slot];
        let new = PackedRow::new(row, old.room, old.table, old.named);
        std::mem::replace(old, new)
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> PackedRow {
        let gone = self.slab.remove(slot);
        self.by_key.remove(&(gone.room, bits(&gone.user), slot));
        gone
    }
}

/// Few users of a room share them: ids are hashes. Folded, so that ids made up for tests differ, too.
fn bits(user: &UserId) -> u32 {
    let words = user.0.chunks_exact(4).map(|word| u32::from_be_bytes(word.try_into().expect("chunks of 4")));
    words.fold(0, |bits, word| bits.rotate_left(5) ^ word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(user: [u8; 32], open: u32) -> Row {
        let mut row = Row::new(RowKey { room: RoomHash([1; 16]), user: UserId(user) }, Vec::new(), 5);
        (row.open, row.visible) = (open, 1);
        row
    }

    #[test]
    fn a_row_takes_few_bytes_and_comes_back_as_it_was() {
        assert_eq!(size_of::<PackedRow>(), 72);
        for open in [1, 255, 256, u32::MAX] {
            let row = row([7; 32], open);
            assert_eq!(PackedRow::new(row.clone(), 3, 4, 0).row(row.key.room), row);
        }
    }

    #[test]
    fn users_whose_bits_are_alike_are_told_apart() {
        let mut rows = Rows::default();
        let [mut first, mut second] = [[0; 32]; 2];
        // The last word but one is turned by five bits before the last one is added.
        (first[31], second[27]) = (1 << 5, 1);
        assert_eq!(bits(&UserId(first)), bits(&UserId(second)));
        for (user, table) in [(first, 1), (second, 1), (first, 2)] {
            rows.insert(row(user, u32::from(table)), 9, table);
        }
        assert_eq!(rows.users(9).count(), 2);
        assert_eq!(rows.of(9, UserId(first)).count(), 2);
        assert_eq!(rows.of(9, UserId(second)).count(), 1);
    }
}
