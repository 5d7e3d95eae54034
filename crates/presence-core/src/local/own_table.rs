//! The one table that this node writes, and its changes in numbered deltas.

use crate::id::RoomHash;
use crate::local::LocalVisitors;
use crate::presence::Presence;
use crate::presence::row::{NO_USER, Removed, Row, RowKey};
use crate::time::Mono;
use crate::wire::Delta;

/// Most rows in one delta: about 50 KB.
const DELTA_ROWS_MAX: usize = 500;
/// How many removed rows are kept to answer requests.
const REMOVED_MAX: usize = 65_536;

impl LocalVisitors {
    /// Brings the table in line with what is known here of a row.
    pub(super) fn write(&mut self, key: RowKey, presence: &mut Presence, now: Mono) {
        let number = presence.table(self.table).map_or(0, |table| table.number(&key));
        self.changed.entry(key).or_insert(number);
        let Some(row) = self.rows.get_mut(&key) else { return };
        if row.is_over() {
            self.rows.remove(&key);
            presence.remove(self.table, Removed { key, number: 0 }, now);
            if let Some(room) = self.rooms.get_mut(&key.room) {
                room.rows -= 1;
            }
            self.name_room(key.room, presence, now);
            return;
        }
        if row.has_no_tabs() {
            row.end();
        }
        row.settle();
        let mut written = row.written(key);
        written.number = number;
        presence.set(self.table, written);
    }

    /// The room's name is a row of its own for as long as a user of this node is there.
    pub(super) fn name_room(&mut self, hash: RoomHash, presence: &mut Presence, now: Mono) {
        let key = RowKey { room: hash, user: NO_USER };
        let Some(room) = self.rooms.get(&hash) else { return };
        let (needed, table) = (room.rows > 0, presence.table(self.table));
        let named = table.is_some_and(|table| table.get(&key).is_some());
        let number = table.map_or(0, |table| table.number(&key));
        if needed && !named {
            self.changed.entry(key).or_insert(number);
            let mut row = Row::new(key, room.room.as_str().as_bytes().to_vec(), 0);
            row.number = number;
            presence.set(self.table, row);
        } else if !needed && named {
            self.changed.entry(key).or_insert(number);
            presence.remove(self.table, Removed { key, number: 0 }, now);
        }
        if !needed && self.rooms[&hash].connections == 0 {
            self.rooms.remove(&hash);
        }
    }

    /// Numbers what has changed, a bounded part of it, as the next delta.
    pub(crate) fn number(&mut self, presence: &mut Presence, now: Mono) -> Option<Delta> {
        let (after, mut rows, mut removed) = (self.sequence, Vec::new(), Vec::new());
        while rows.len() + removed.len() < DELTA_ROWS_MAX {
            let Some((key, named)) = self.changed.pop_first() else { break };
            let known = presence.table(self.table).and_then(|rows| rows.get(&key).map(|row| row.row(key.room)));
            if known.is_none() && named == 0 {
                continue;
            }
            self.sequence += 1;
            match known {
                Some(row) => {
                    presence.renumber(self.table, &key, self.sequence);
                    rows.push(Row { number: self.sequence, ..row });
                }
                None => {
                    let removal = Removed { key, number: self.sequence };
                    presence.remove(self.table, removal, now);
                    removed.push(removal);
                }
            }
        }
        presence.prune_removals(self.table, REMOVED_MAX, 0, Mono::default());
        let upto = self.sequence;
        (upto > after).then_some(Delta { after, upto, rows, removed })
    }
}
