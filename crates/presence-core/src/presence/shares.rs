//! What users show each other for as long as they are there, all nodes' rows combined: of one user the newest.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{RoomHash, UserId};
use crate::presence::Presence;
use crate::presence::row::{RowKey, Share};
use crate::presence::rows::{PackedRow, RoomNumber};

/// A room shows what this many users share at most.
const SHARING_MAX: usize = 1_000;

impl Presence {
    /// What is shown in a room, by key and user, of a thousand users at most: of one user the newest.
    pub(crate) fn shared(&self, hash: &RoomHash) -> BTreeMap<String, BTreeMap<UserId, &Share>> {
        let mut shared: BTreeMap<String, BTreeMap<UserId, &Share>> = BTreeMap::new();
        let Some(room) = self.numbers.get(hash).copied() else { return shared };
        for user in self.rooms[room].sharing.iter().take(SHARING_MAX) {
            if self.user_counts(room, *user).whole.users == 0 {
                continue;
            }
            for share in self.rows.of(room, *user).flat_map(PackedRow::shared) {
                let known = shared.entry(share.key.clone()).or_default().entry(*user).or_insert(share);
                if known.stamp < share.stamp {
                    *known = share;
                }
            }
        }
        shared
    }

    /// Marks the shares of a user that differ from the row before.
    pub(crate) fn note_shared(&mut self, room: RoomNumber, key: RowKey, before: Option<&PackedRow>) {
        let now: Vec<&Share> = self.rows.of(room, key.user).flat_map(PackedRow::shared).collect();
        let was = before.map_or(&[][..], PackedRow::shared);
        if now.is_empty() && was.is_empty() {
            return;
        }
        let fresh = now.iter().filter(|share| !was.contains(share)).map(|share| share.key.clone());
        let stale = was.iter().filter(|share| !now.contains(share)).map(|share| share.key.clone());
        let keys: BTreeSet<String> = fresh.chain(stale).collect();
        if now.is_empty() {
            self.rooms[room].sharing.remove(&key.user);
        } else {
            self.rooms[room].sharing.insert(key.user);
        }
        self.dirty.entry(key.room).or_default().shared.extend(keys);
    }

    /// What a user shows appears and disappears with them.
    pub(crate) fn note_hidden(&mut self, room: RoomNumber, key: RowKey) {
        if self.rooms[room].sharing.contains(&key.user) {
            let shares = self.rows.of(room, key.user).flat_map(PackedRow::shared);
            let keys: Vec<String> = shares.map(|share| share.key.clone()).collect();
            self.dirty.entry(key.room).or_default().shared.extend(keys);
        }
    }
}
