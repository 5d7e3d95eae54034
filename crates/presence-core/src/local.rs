//! This node's own visitors: connections, what lingers of them, and the one table that this node writes.

pub(crate) mod row;
pub(crate) mod subscriptions;
pub(crate) mod tab_flags;

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{ConnectionId, Room, RoomHash, SubscriptionId, UserId};
use crate::io::Ended;
use crate::io::tab::Tab;
use crate::local::row::{CLOSED, Linger, LocalRow, OTHER};
use crate::local::subscriptions::{SubscribedTo, Subscriptions};
use crate::local::tab_flags::TabFlags;
use crate::presence::Presence;
use crate::presence::row::{NOBODY, Removed, Row, RowKey, Share, TableKey};

/// How long a tab that its browser closed still counts.
const LINGER_CLOSED_MS: u64 = 2_000;
/// The same where a page was served to its user that no connection has followed yet: a reload on a slow line.
const LINGER_SERVED_MS: u64 = 10_000;
/// The same where the socket ended without a word: the stock client is back in 6 to 18 s.
const LINGER_LOST_MS: u64 = 20_000;
/// Most pages of one user and room that are remembered until a connection follows.
const SERVED_MAX: usize = 16;
/// Most rows in one delta: about 50 KB.
const DELTA_ROWS_MAX: usize = 500;
/// How many removed rows are kept to answer questions.
const REMOVED_MAX: usize = 65_536;
/// Longest display data of a member in bytes.
const INFO_BYTES_MAX: usize = 1_024;

/// What a user shows changes at most this often for the others; the last change always arrives.
const SHARE_GAP_MS: u64 = 50;
/// Most keys under which one user shows something in one room.
const SHARES_MAX: usize = 4;

/// How long after its start a node may still be told of tabs that its first visitors come back from.
const NEWCOMER_MS: u64 = 5_000;

/// Changes of the own table, numbered (after, upto].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Numbered {
    pub(crate) after: u64,
    pub(crate) upto: u64,
    pub(crate) rows: Vec<Row>,
    pub(crate) removed: Vec<Removed>,
}

#[derive(Debug)]
pub(crate) struct LocalVisitors {
    pub(crate) key: TableKey,
    sequence: u64,
    connections: BTreeMap<ConnectionId, Subscriptions>,
    rooms: BTreeMap<RoomHash, LocalRoom>,
    rows: BTreeMap<RowKey, LocalRow>,
    /// Rows that show something newer than the others know, by when they may be told.
    unshared: BTreeSet<(u64, RowKey)>,
    served: BTreeMap<RowKey, Vec<u64>>,
    deadlines: BTreeSet<(u64, RowKey)>,
    /// Rows that no delta has named since they changed, with the number that was named last.
    changed: BTreeMap<RowKey, u64>,
    drained: bool,
    /// Users who came before it was known what they left elsewhere, with the number of their connections.
    owing: BTreeMap<RowKey, u32>,
    /// Until when somebody may come so early.
    newcomer_until_ms: u64,
}

#[derive(Debug)]
struct LocalRoom {
    room: Room,
    rows: u32,
    connections: u32,
    /// Those of them whose pages the app draws.
    drawn: u32,
}

impl LocalVisitors {
    pub(crate) fn new(key: TableKey, now_ms: u64) -> Self {
        Self {
            key,
            owing: BTreeMap::new(),
            newcomer_until_ms: now_ms + NEWCOMER_MS,
            sequence: 0,
            connections: BTreeMap::new(),
            rooms: BTreeMap::new(),
            rows: BTreeMap::new(),
            unshared: BTreeSet::new(),
            served: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            changed: BTreeMap::new(),
            drained: false,
        }
    }

    /// The number of the newest change that a delta has named.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// How many connections of this node are in a room, and on how many of their pages the app draws.
    pub(crate) fn audience(&self, room: &RoomHash) -> (u32, u32) {
        self.rooms.get(room).map_or((0, 0), |room| (room.connections, room.drawn))
    }

    /// Whether there is something for the next delta.
    pub(crate) fn has_news(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The stream that a connection has for its own user, if any.
    pub(crate) fn own_stream(&self, connection: ConnectionId) -> Option<(SubscriptionId, &Room)> {
        self.connections.get(&connection)?.iter().find_map(|(subscription, listens)| match listens {
            SubscribedTo::User(room, _) => Some((subscription, room)),
            SubscribedTo::Room(..) => None,
        })
    }

    /// The subscriptions with which somebody of this node is in a room.
    pub(crate) fn subscriptions_of(&self, key: &RowKey) -> Vec<(ConnectionId, SubscriptionId)> {
        let all = self.connections.iter().flat_map(|(connection, subscriptions)| {
            subscriptions.iter().map(|(subscription, listens)| (*connection, subscription, listens))
        });
        all.filter(|(_, _, listens)| matches!(listens, SubscribedTo::Room(_, other, _) if other == key))
            .map(|(connection, subscription, _)| (connection, subscription))
            .collect()
    }

    /// Whether somebody of this node is in a room, or lingers there.
    pub(crate) fn is_in(&self, key: &RowKey) -> bool {
        self.rows.contains_key(key)
    }

    /// Who of this node is in a room, lingering ones included.
    pub(crate) fn users_of(&self, room: RoomHash) -> impl Iterator<Item = UserId> {
        let everybody = RowKey { room, user: NOBODY }..=RowKey { room, user: UserId([255; 32]) };
        self.rows.range(everybody).map(|(key, _)| key.user)
    }

    /// What a subscription listens to.
    pub(crate) fn listens(&self, connection: ConnectionId, subscription: SubscriptionId) -> Option<&SubscribedTo> {
        self.connections.get(&connection)?.get(subscription)
    }

    /// Rows change no more.
    pub(crate) fn drain(&mut self) {
        self.drained = true;
    }

    /// A subscription to a user's own stream.
    pub(crate) fn listened(&mut self, connection: ConnectionId, subscription: SubscriptionId, room: Room, key: RowKey) {
        let listens = SubscribedTo::User(room, key);
        self.connections.entry(connection).or_default().insert(subscription, listens);
    }

    /// A subscription to a room: the first one of a connection is a tab.
    pub(crate) fn joined(
        &mut self,
        (connection, subscription): (ConnectionId, SubscriptionId),
        room: &Room,
        key: RowKey,
        tab: Tab,
        presence: &mut Presence,
        (now_ms, wall_ms): (u64, u64),
    ) {
        let subscriptions = self.connections.entry(connection).or_default();
        if subscriptions.get(subscription).is_some() {
            return;
        }
        let before = subscriptions.traits(&key);
        subscriptions.insert(subscription, SubscribedTo::Room(room.clone(), key, TabFlags::of(&tab)));
        let after = subscriptions.traits(&key).expect("inserted in the line above");
        if let Some(before) = before {
            return self.changed_traits(key, before, after, presence, now_ms);
        }
        if !self.drained {
            self.followed(&key, now_ms);
        }
        let own_room = self.rooms.entry(key.room).or_insert_with(|| LocalRoom::of(room));
        own_room.connections += 1;
        own_room.drawn += u32::from(after.draws);
        if self.drained {
            return;
        }
        let row = self.rows.entry(key).or_insert_with(|| {
            own_room.rows += 1;
            LocalRow::since(wall_ms)
        });
        row.count(after, 1);
        if tab.info.len() <= INFO_BYTES_MAX && !tab.info.is_empty() {
            row.rare_mut().info = tab.info;
        }
        if !row.take(&key, self.key, presence) && now_ms < self.newcomer_until_ms {
            *self.owing.entry(key).or_default() += 1;
            presence.awaited.insert(key);
        }
        self.write(key, presence, now_ms);
        self.name_room(key.room, presence, now_ms);
    }

    /// A page was hidden, or shown again.
    pub(crate) fn looked(
        &mut self,
        connection: ConnectionId,
        subscription: SubscriptionId,
        visible: bool,
        presence: &mut Presence,
        now_ms: u64,
    ) {
        let Some(subscriptions) = self.connections.get_mut(&connection) else { return };
        let Some(SubscribedTo::Room(_, key, _)) = subscriptions.get(subscription) else { return };
        let key = *key;
        let before = subscriptions.traits(&key).expect("it was found in the line above");
        if let Some(SubscribedTo::Room(_, _, traits)) = subscriptions.get_mut(subscription) {
            traits.visible = visible;
        }
        let after = subscriptions.traits(&key).expect("it is still there");
        self.changed_traits(key, before, after, presence, now_ms);
    }

    /// The same connection takes part in another way.
    fn changed_traits(&mut self, key: RowKey, before: TabFlags, after: TabFlags, presence: &mut Presence, now_ms: u64) {
        if before == after {
            return;
        }
        if let Some(room) = self.rooms.get_mut(&key.room) {
            room.drawn = room.drawn + u32::from(after.draws) - u32::from(before.draws);
        }
        let Some(row) = self.rows.get_mut(&key).filter(|_| !self.drained) else { return };
        row.count(before, -1);
        row.count(after, 1);
        self.write(key, presence, now_ms);
    }

    /// One subscription ended; the connection goes on.
    pub(crate) fn unsubscribed(
        &mut self,
        connection: ConnectionId,
        subscription: SubscriptionId,
        ended: Ended,
        presence: &mut Presence,
        now_ms: u64,
    ) {
        let Some(subscriptions) = self.connections.get_mut(&connection) else { return };
        let Some(SubscribedTo::Room(_, key, _)) = subscriptions.get(subscription) else {
            subscriptions.remove(subscription);
            return;
        };
        let key = *key;
        let before = subscriptions.traits(&key).expect("it was found in the line above");
        subscriptions.remove(subscription);
        match subscriptions.traits(&key) {
            Some(after) => self.changed_traits(key, before, after, presence, now_ms),
            None => self.left(key, before, ended, presence, now_ms),
        }
    }

    /// A connection ended, and with it all its tabs.
    pub(crate) fn disconnected(
        &mut self,
        connection: ConnectionId,
        ended: Ended,
        presence: &mut Presence,
        now_ms: u64,
    ) {
        let Some(subscriptions) = self.connections.remove(&connection) else { return };
        let keys: BTreeSet<RowKey> = subscriptions
            .iter()
            .filter_map(|(_, listens)| match listens {
                SubscribedTo::Room(_, key, _) => Some(*key),
                SubscribedTo::User(..) => None,
            })
            .collect();
        for key in keys {
            let was = subscriptions.traits(&key).expect("each key was found in these");
            self.left(key, was, ended, presence, now_ms);
        }
    }

    fn left(&mut self, key: RowKey, was: TabFlags, ended: Ended, presence: &mut Presence, now_ms: u64) {
        if let Some(room) = self.rooms.get_mut(&key.room) {
            room.connections -= 1;
            room.drawn -= u32::from(was.draws);
        }
        if self.drained {
            return;
        }
        let served = ended == Ended::Closed && self.followed(&key, now_ms);
        let Some(row) = self.rows.get_mut(&key) else { return };
        let stays_ms = match ended {
            Ended::Closed if served => LINGER_SERVED_MS,
            Ended::Closed | Ended::Unanswered => LINGER_CLOSED_MS,
            Ended::Lost => LINGER_LOST_MS,
            Ended::Resigned => {
                row.count(was, -1);
                return self.write(key, presence, now_ms);
            }
        };
        let short = ended == Ended::Closed && !served;
        let linger = Linger {
            until_ms: now_ms + stays_ms,
            closed_ms: now_ms,
            ended: if short { CLOSED } else { OTHER },
            visible: was.visible,
            proven: was.proven,
        };
        row.count(was, -1);
        row.linger(linger);
        self.deadlines.insert((linger.until_ms, key));
        self.write(key, presence, now_ms);
    }

    /// A page was served: the next tab that its user closes, or one closed just now, is waited for longer.
    pub(crate) fn served(&mut self, key: RowKey, now_ms: u64) {
        if self.drained {
            return;
        }
        if let Some(linger) = self.rows.get_mut(&key).and_then(LocalRow::closed_lately) {
            linger.ended = OTHER;
            linger.until_ms = linger.closed_ms + LINGER_SERVED_MS;
            self.deadlines.insert((linger.until_ms, key));
            return;
        }
        let pages = self.served.entry(key).or_default();
        if pages.len() < SERVED_MAX {
            pages.push(now_ms);
            self.deadlines.insert((now_ms + LINGER_SERVED_MS, key));
        }
    }

    /// Crosses off one served page; whether there was one.
    fn followed(&mut self, key: &RowKey, now_ms: u64) -> bool {
        let Some(pages) = self.served.get_mut(key) else { return false };
        pages.retain(|served_ms| served_ms + LINGER_SERVED_MS > now_ms);
        let followed = !pages.is_empty();
        if followed {
            pages.remove(0);
        }
        if pages.is_empty() {
            self.served.remove(key);
        }
        followed
    }

    /// A user shows the others something else under this key; empty: nothing. Whether they may.
    pub(crate) fn share(&mut self, key: RowKey, share: Share, presence: &mut Presence, now_ms: u64) -> bool {
        let Some(row) = self.rows.get_mut(&key).filter(|_| !self.drained) else { return false };
        let known = row.rare().shared.iter().position(|known| known.key == share.key);
        if known.is_none() && share.value.is_empty() {
            return true;
        }
        let rare = row.rare_mut();
        match known {
            Some(at) if share.value.is_empty() => drop(rare.shared.remove(at)),
            Some(at) => rare.shared[at] = share,
            None if rare.shared.len() < SHARES_MAX => rare.shared.push(share),
            None => return false,
        }
        self.unshared.insert((rare.shared_ms + SHARE_GAP_MS, key));
        self.say_shared(presence, now_ms);
        true
    }

    /// When somebody may next be told what is shown now.
    pub(crate) fn share_due_ms(&self) -> Option<u64> {
        self.unshared.first().map(|(due_ms, _)| *due_ms)
    }

    fn say_shared(&mut self, presence: &mut Presence, now_ms: u64) {
        while let Some(&(due_ms, key)) = self.unshared.first().filter(|(due_ms, _)| *due_ms <= now_ms) {
            self.unshared.remove(&(due_ms, key));
            if let Some(row) = self.rows.get_mut(&key).filter(|_| !self.drained) {
                row.rare_mut().shared_ms = now_ms;
                self.write(key, presence, now_ms);
            }
        }
    }

    /// Ends what has lingered long enough.
    pub(crate) fn expire(&mut self, presence: &mut Presence, now_ms: u64) {
        self.say_shared(presence, now_ms);
        while let Some(&(deadline_ms, key)) = self.deadlines.first() {
            if deadline_ms > now_ms {
                break;
            }
            self.deadlines.pop_first();
            if let Some(pages) = self.served.get_mut(&key) {
                pages.retain(|served_ms| served_ms + LINGER_SERVED_MS > now_ms);
                if pages.is_empty() {
                    self.served.remove(&key);
                }
            }
            let Some(row) = self.rows.get_mut(&key).filter(|_| !self.drained) else { continue };
            if row.forget_lingering(now_ms) {
                self.write(key, presence, now_ms);
            }
        }
    }

    /// Ends what a connection here took of another node and what has run out there.
    pub(crate) fn review(&mut self, keys: &BTreeSet<RowKey>, presence: &mut Presence, now_ms: u64) {
        if self.drained {
            return;
        }
        for key in keys {
            let Some(row) = self.rows.get_mut(key).filter(|row| !row.rare().took.is_empty()) else { continue };
            let before = row.rare().took.clone();
            let all = &mut row.rare_mut().took;
            for took in all.iter_mut() {
                took.tabs = took.tabs.min(presence.loose(key, took.table));
            }
            all.retain(|took| took.tabs > 0);
            if *all != before {
                self.write(*key, presence, now_ms);
            }
        }
    }

    /// Takes what a newcomer's first visitors left elsewhere, as it becomes known here: a node that is started again at
    /// once has visitors before it has heard of the tabs that are held for them.
    pub(crate) fn collect(&mut self, keys: &BTreeSet<RowKey>, presence: &mut Presence, now_ms: u64) {
        if now_ms >= self.newcomer_until_ms || self.drained {
            self.owing.clear();
            presence.awaited.clear();
            return;
        }
        for key in keys {
            let Some(owed) = self.owing.remove(key) else { continue };
            presence.awaited.remove(key);
            let Some(row) = self.rows.get_mut(key).filter(|row| row.open > 0) else { continue };
            // One at a time: what was taken counts once it is written.
            let took = row.take_elsewhere(key, self.key, presence);
            let left = owed.min(row.open) - u32::from(took);
            if left > 0 {
                self.owing.insert(*key, left);
                presence.awaited.insert(*key);
            }
            if took {
                self.write(*key, presence, now_ms);
            }
        }
    }

    /// Brings the table in line with what is known here of a row.
    fn write(&mut self, key: RowKey, presence: &mut Presence, now_ms: u64) {
        let number = presence.table(self.key).map_or(0, |table| table.number(&key));
        self.changed.entry(key).or_insert(number);
        let Some(row) = self.rows.get_mut(&key) else { return };
        if row.is_over() {
            self.rows.remove(&key);
            presence.remove(self.key, Removed { key, number: 0 }, now_ms);
            if let Some(room) = self.rooms.get_mut(&key.room) {
                room.rows -= 1;
            }
            self.name_room(key.room, presence, now_ms);
            return;
        }
        row.settle();
        let mut written = row.written(key);
        written.number = number;
        presence.set(self.key, written);
    }

    /// The room's name is a row of its own for as long as somebody of this node is there.
    fn name_room(&mut self, hash: RoomHash, presence: &mut Presence, now_ms: u64) {
        let key = RowKey { room: hash, user: NOBODY };
        let Some(room) = self.rooms.get(&hash) else { return };
        let (needed, table) = (room.rows > 0, presence.table(self.key));
        let named = table.is_some_and(|table| table.get(&key).is_some());
        let number = table.map_or(0, |table| table.number(&key));
        if needed && !named {
            self.changed.entry(key).or_insert(number);
            let mut row = Row::new(key, room.room.as_str().as_bytes().to_vec(), 0);
            row.number = number;
            presence.set(self.key, row);
        } else if !needed && named {
            self.changed.entry(key).or_insert(number);
            presence.remove(self.key, Removed { key, number: 0 }, now_ms);
        }
        if !needed && self.rooms[&hash].connections == 0 {
            self.rooms.remove(&hash);
        }
    }

    /// Numbers what has changed, a bounded part of it, as the next delta.
    pub(crate) fn number(&mut self, presence: &mut Presence, now_ms: u64) -> Option<Numbered> {
        let mut numbered = Numbered { after: self.sequence, ..Numbered::default() };
        while numbered.rows.len() + numbered.removed.len() < DELTA_ROWS_MAX {
            let Some((key, named)) = self.changed.pop_first() else { break };
            let known = presence.table(self.key).and_then(|rows| rows.get(&key).map(|row| row.row(key.room)));
            if known.is_none() && named == 0 {
                continue;
            }
            self.sequence += 1;
            match known {
                Some(row) => {
                    presence.renumber(self.key, &key, self.sequence);
                    numbered.rows.push(Row { number: self.sequence, ..row });
                }
                None => {
                    let removed = Removed { key, number: self.sequence };
                    presence.remove(self.key, removed, now_ms);
                    numbered.removed.push(removed);
                }
            }
        }
        if let Some(table) = presence.table_mut(self.key) {
            table.prune(REMOVED_MAX, 0, 0);
        }
        numbered.upto = self.sequence;
        (numbered.upto > numbered.after).then_some(numbered)
    }
}

impl LocalRoom {
    fn of(room: &Room) -> Self {
        Self { room: room.clone(), rows: 0, connections: 0, drawn: 0 }
    }
}

/// A row's key.
pub(crate) fn row_key(room: RoomHash, user: UserId) -> RowKey {
    RowKey { room, user }
}
