//! The members of a room in the order of their public ids, kept for the rooms that were asked for lately.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::id::{Digest, PublicId, Room, RoomHash, UserId};
use crate::presence::room_counts::Transition;
use crate::time::Mono;

/// Most rooms that are kept at a time.
const ROOMS_MAX: usize = 256;
/// A room that was not asked for this long is forgotten.
const FORGOTTEN_MS: u64 = 60_000;

/// The members of all rooms that were asked for lately.
#[derive(Debug, Default)]
pub(crate) struct MemberIndex {
    by_room: BTreeMap<RoomHash, RoomMembers>,
}

#[derive(Debug, Default)]
struct RoomMembers {
    asked_at: Mono,
    users: BTreeMap<PublicId, UserId>,
}

impl MemberIndex {
    /// Whether this room's members are kept already.
    pub(crate) fn has(&self, room: &RoomHash) -> bool {
        self.by_room.contains_key(room)
    }

    /// Begins to keep a room's members. The room that was asked for longest ago makes room.
    pub(crate) fn begin(&mut self, room: &Room, hash: RoomHash, users: Vec<UserId>, digest: Digest) {
        if self.by_room.len() >= ROOMS_MAX {
            let oldest = self.by_room.iter().min_by_key(|(_, members)| members.asked_at).map(|(hash, _)| *hash);
            oldest.map(|oldest| self.by_room.remove(&oldest));
        }
        let users = users.into_iter().map(|user| (user.public(room, digest), user)).collect();
        self.by_room.insert(hash, RoomMembers { asked_at: Mono::default(), users });
    }

    /// A user has joined or left.
    pub(crate) fn apply(&mut self, transition: &Transition, digest: Digest) {
        if self.by_room.is_empty() {
            return;
        }
        let Some(members) = self.by_room.get_mut(&transition.room.hash(digest)) else { return };
        let public = transition.user.public(&transition.room, digest);
        if transition.arrived {
            members.users.insert(public, transition.user);
        } else {
            members.users.remove(&public);
        }
    }

    /// How many are there.
    pub(crate) fn total(&self, room: &RoomHash) -> usize {
        self.by_room.get(room).map_or(0, |members| members.users.len())
    }

    /// A room's members are asked for now.
    pub(crate) fn asked(&mut self, room: &RoomHash, now: Mono) {
        if let Some(members) = self.by_room.get_mut(room) {
            members.asked_at = now;
        }
    }

    /// Those after one, in order.
    pub(crate) fn after(&self, room: &RoomHash, after: Option<PublicId>) -> impl Iterator<Item = (PublicId, UserId)> {
        let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
        let members = self.by_room.get(room).into_iter();
        members
            .flat_map(move |members| members.users.range((begin, Bound::Unbounded)))
            .map(|(public, user)| (*public, *user))
    }

    /// The user behind an id that others may see.
    pub(crate) fn user(&self, room: &RoomHash, public: &PublicId) -> Option<UserId> {
        self.by_room.get(room)?.users.get(public).copied()
    }

    /// Forgets what was not asked for lately.
    pub(crate) fn prune(&mut self, now: Mono) {
        self.by_room.retain(|_, members| now.since(members.asked_at) < FORGOTTEN_MS);
    }
}
