//! Answers what no view holds: the members of a room, the busiest rooms, the users below a path.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use crate::id::{PublicId, Region, Room, RoomHash, UserId};
use crate::io::query::{Below, Member, Members, Subtree};
use crate::presence::Presence;
use crate::presence::room_counts::DerivedRoom;
use crate::presence::row::RowKey;
use crate::presence::rows::RoomNumber;
use crate::time::Mono;

/// Most members, or rooms, in one answer.
const MOST: usize = 1_000;
/// At most this many members are looked at for one answer: where few are of the region asked for, an answer is short.
const SCANNED_MAX: usize = 10_000;

impl Presence {
    /// The members of a room, in pages.
    pub(crate) fn members_of(
        &mut self,
        room: &Room,
        after: Option<PublicId>,
        most: usize,
        region: Option<&Region>,
        now: Mono,
    ) -> Members {
        let hash = room.hash(self.digest);
        if self.room(&hash).is_none() {
            return Members::default();
        }
        if !self.members.has(&hash) {
            let users: Vec<UserId> = self.present(&hash).collect();
            self.members.begin(room, hash, users, self.digest);
        }
        let most = most.min(MOST);
        let mut answer = Members { total: self.members.total(&hash), ..Members::default() };
        let mut last = None;
        self.members.asked(&hash, now);
        for (index, (public, user)) in self.members.after(&hash, after).enumerate() {
            if answer.members.len() == most || index == SCANNED_MAX {
                answer.next = last;
                break;
            }
            last = Some(public);
            let member = self.member(public, RowKey { room: hash, user });
            if region.is_none_or(|region| member.regions.contains(region)) {
                answer.members.push(member);
            }
        }
        answer
    }

    /// The members of a room, with those that only a silent node knows.
    pub(crate) fn present(&self, room: &RoomHash) -> impl Iterator<Item = UserId> {
        let number = self.numbers.get(room).copied();
        let users = number.into_iter().flat_map(|room| self.rows.users(room).map(move |user| (room, user)));
        users.filter(|(room, user)| self.user_counts(*room, *user).present()).map(|(_, user)| user)
    }

    fn member(&self, public: PublicId, key: RowKey) -> Member {
        let room = self.numbers.get(&key.room);
        let rows = room.map(|room| self.counting_rows(*room, key.user)).unwrap_or_default();
        let regions: BTreeSet<Region> = rows.iter().map(|row| self.tables.of(row.table).region.clone()).collect();
        Member {
            public,
            user: key.user,
            info: rows.iter().map(|row| row.info()).find(|info| !info.is_empty()).unwrap_or_default().to_vec(),
            since_ms: rows.iter().map(|row| row.since_ms).min().unwrap_or(0),
            tabs: self.tabs(&key),
            regions: regions.into_iter().collect(),
        }
    }

    /// The rooms with the most users.
    pub(crate) fn busiest(&self, prefix: &str, most: usize) -> Vec<(Room, u32)> {
        let most = most.min(MOST);
        // The least busy of those kept is on top, to make room for a busier one.
        let mut kept = BinaryHeap::with_capacity(most + 1);
        for (_, room) in self.rooms() {
            let Some(name) = room.name.as_ref().filter(|name| name.as_str().starts_with(prefix)) else { continue };
            if room.whole.users > 0 {
                kept.push(Reverse((room.whole.users, Reverse(name.clone()))));
                if kept.len() > most {
                    kept.pop();
                }
            }
        }
        kept.into_sorted_vec().into_iter().map(|Reverse((users, Reverse(name)))| (name, users)).collect()
    }

    /// The distinct users of all rooms of a subtree.
    pub(crate) fn below(&mut self, subtree: &Subtree, now: Mono) -> Below {
        if !self.roll_ups.has(subtree) {
            self.begin_roll_up(subtree);
        }
        self.roll_ups.below(subtree, now)
    }

    fn begin_roll_up(&mut self, subtree: &Subtree) {
        self.roll_ups.begin(subtree);
        let below = |room: &DerivedRoom| room.name.as_ref().is_some_and(|name| subtree.contains(name));
        let rooms: Vec<RoomNumber> = self.rooms().filter(|(_, room)| below(room)).map(|(number, _)| number).collect();
        for room in rooms {
            let users: Vec<UserId> = self.rows.users(room).collect();
            for user in users {
                let user_counts = self.user_counts(room, user);
                self.roll_ups.tell(subtree, user, &user_counts);
            }
        }
    }
}
