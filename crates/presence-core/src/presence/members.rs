//! Who is in a room, in an order that others may see: kept for the rooms that somebody has asked for lately.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::id::{Digest, PublicId, Room, RoomHash, UserId};
use crate::presence::Transition;

/// Most rooms that are kept at a time.
const ROLLS_MAX: usize = 256;
/// A room that nobody has asked for this long is forgotten.
const FORGOTTEN_MS: u64 = 60_000;

/// The rolls of all rooms that somebody has asked for lately.
#[derive(Debug, Default)]
pub(crate) struct MemberIndex {
    by_room: BTreeMap<RoomHash, RoomMembers>,
}

#[derive(Debug, Default)]
struct RoomMembers {
    asked_ms: u64,
    users: BTreeMap<PublicId, UserId>,
}

impl MemberIndex {
    /// Whether this room's roll is kept already.
    pub(crate) fn has(&self, room: &RoomHash) -> bool {
        self.by_room.contains_key(room)
    }

    /// Begins to keep a room's roll. The one that was asked for longest ago makes room.
    pub(crate) fn begin(&mut self, room: &Room, hash: RoomHash, users: impl Iterator<Item = UserId>, digest: Digest) {
        if self.by_room.len() >= ROLLS_MAX {
            let oldest = self.by_room.iter().min_by_key(|(_, roll)| roll.asked_ms).map(|(hash, _)| *hash);
            oldest.map(|oldest| self.by_room.remove(&oldest));
        }
        let users = users.map(|user| (user.public(room, digest), user)).collect();
        self.by_room.insert(hash, RoomMembers { asked_ms: 0, users });
    }

    /// Somebody has come or left.
    pub(crate) fn apply(&mut self, passage: &Transition, digest: Digest) {
        if self.by_room.is_empty() {
            return;
        }
        let Some(roll) = self.by_room.get_mut(&passage.room.hash(digest)) else { return };
        let public = passage.user.public(&passage.room, digest);
        if passage.arrived {
            roll.users.insert(public, passage.user);
        } else {
            roll.users.remove(&public);
        }
    }

    /// How many are there.
    pub(crate) fn total(&self, room: &RoomHash) -> usize {
        self.by_room.get(room).map_or(0, |roll| roll.users.len())
    }

    /// Those after one, in order.
    pub(crate) fn after(
        &mut self,
        room: &RoomHash,
        after: Option<PublicId>,
        now_ms: u64,
    ) -> impl Iterator<Item = (PublicId, UserId)> {
        let roll = self.by_room.get_mut(room).map(|roll| {
            roll.asked_ms = now_ms;
            let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
            roll.users.range((begin, Bound::Unbounded)).map(|(public, user)| (*public, *user))
        });
        roll.into_iter().flatten()
    }

    /// The user behind an id that others may see.
    pub(crate) fn user(&self, room: &RoomHash, public: &PublicId) -> Option<UserId> {
        self.by_room.get(room)?.users.get(public).copied()
    }

    /// Forgets what nobody asks for.
    pub(crate) fn prune(&mut self, now_ms: u64) {
        self.by_room.retain(|_, roll| now_ms.saturating_sub(roll.asked_ms) < FORGOTTEN_MS);
    }
}
