//! How many facts a room has, by what its limits are in; and tombstones, of which the oldest are dropped.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::fact::{Fact, FactKey, StoredFact};
use crate::facts::name::counts_as;
use crate::id::{KeyHash, Room};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Stamp;

/// Most facts that are kept besides tombstones, and most bytes of them for an author: about 150 MB of memory.
pub(crate) const FACTS_MAX: usize = 100_000;
pub(super) const BYTES_MAX: usize = 64 * 1024 * 1024;
/// Most tombstones of one room. A node that was away while more facts of it were removed can bring the first of them back.
/// It is more than a set has members by default: who removes one removes all of it everywhere.
const ROOM_TOMBSTONES_MAX: usize = 16_384;
/// Most tombstones of all rooms.
const TOMBSTONES_MAX: usize = 50_000;
/// Most bytes of live facts that are merged: more than authors may write, so that nodes that are full still agree.
const MERGED_BYTES_MAX: usize = 2 * BYTES_MAX;

/// One room.
#[derive(Debug, Default)]
struct RoomTally {
    /// How many live facts there are by what they count as.
    live: BTreeMap<String, usize>,
    tombstones: BTreeSet<(Stamp, KeyHash)>,
}

/// All rooms. It is the same on all nodes that hold the same facts: so its limits are no settings.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    rooms: BTreeMap<Room, RoomTally>,
    tombstones: BTreeSet<(Stamp, KeyHash)>,
    pub(super) live: usize,
    pub(super) live_bytes: usize,
}

impl Tallies {
    /// Whether there is room for a live fact that another node or the disk brings, in place of one with that many bytes.
    pub(super) fn may_merge(&self, replaced: Option<usize>, bytes: usize) -> bool {
        let fits = self.live_bytes - replaced.unwrap_or(0) + bytes <= MERGED_BYTES_MAX;
        (fits && (replaced.is_some() || self.live < FACTS_MAX)) || injected(Fault::FactsUnbounded)
    }

    pub(super) fn add(&mut self, key: &FactKey, fact: &Fact, hash: KeyHash, bytes: usize) {
        if !self.rooms.contains_key(&key.room) {
            self.rooms.insert(key.room.clone(), RoomTally::default());
        }
        let Some(room) = self.rooms.get_mut(&key.room) else { return };
        if fact.is_removed() {
            room.tombstones.insert((fact.stamp, hash));
            self.tombstones.insert((fact.stamp, hash));
            return;
        }
        (self.live, self.live_bytes) = (self.live + 1, self.live_bytes + bytes);
        let Some(counted) = counts_as(&key.key) else { return };
        match room.live.get_mut(counted) {
            Some(count) => *count += 1,
            None => drop(room.live.insert(counted.to_owned(), 1)),
        }
    }

    pub(super) fn remove(&mut self, key: &FactKey, fact: &Fact, hash: KeyHash, bytes: usize) {
        let Some(room) = self.rooms.get_mut(&key.room) else { return };
        if fact.is_removed() {
            room.tombstones.remove(&(fact.stamp, hash));
            self.tombstones.remove(&(fact.stamp, hash));
        } else {
            (self.live, self.live_bytes) = (self.live - 1, self.live_bytes - bytes);
            if let Some(counted) = counts_as(&key.key)
                && let Some(count) = room.live.get_mut(counted)
            {
                *count -= 1;
                if *count == 0 {
                    room.live.remove(counted);
                }
            }
        }
        if room.live.is_empty() && room.tombstones.is_empty() {
            self.rooms.remove(&key.room);
        }
    }

    /// The oldest tombstone, where the room has too many, or all rooms together.
    pub(super) fn excess_tombstone(&self, room: &Room) -> Option<KeyHash> {
        let of_room = self.rooms.get(room).filter(|tally| tally.tombstones.len() > ROOM_TOMBSTONES_MAX);
        let oldest = of_room.and_then(|tally| tally.tombstones.first());
        let oldest = oldest.or_else(|| self.tombstones.first().filter(|_| self.tombstones.len() > TOMBSTONES_MAX));
        oldest.map(|(_, hash)| *hash)
    }

    /// How many live keys a room has.
    pub(super) fn keys(&self, room: &Room) -> usize {
        self.rooms.get(room).map_or(0, |tally| tally.live.len())
    }

    /// How many live facts of a room count as this.
    pub(super) fn count(&self, room: &Room, counted: &str) -> usize {
        self.rooms.get(room).and_then(|tally| tally.live.get(counted)).copied().unwrap_or(0)
    }
}

/// The oldest facts of a log that is longer than this.
pub(super) fn oldest_beyond(most: usize, facts: Vec<(&FactKey, &StoredFact)>) -> Vec<FactKey> {
    if facts.len() <= most {
        return Vec::new();
    }
    let mut by_stamp: Vec<(Stamp, &FactKey)> = facts.into_iter().map(|(key, kept)| (kept.fact.stamp, key)).collect();
    by_stamp.sort_unstable_by(|a, b| b.cmp(a));
    by_stamp.into_iter().skip(most).map(|(_, key)| key.clone()).collect()
}
