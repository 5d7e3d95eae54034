//! This node's own visitors: connections, what lingers of them, and the one table that this node writes.

mod claims;
pub(crate) mod linger;
pub(crate) mod moves;
mod own_table;
mod row;
pub(crate) mod sharing;
pub(crate) mod subscriptions;
mod tab_flags;

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{ConnectionId, Room, RoomHash, SubscriptionId, SubscriptionKey, TabId, UserId};
use crate::io::Ended;
use crate::io::node_counts::TabCounts;
use crate::io::tab::Tab;
use crate::local::moves::Moves;
use crate::local::row::LocalRow;
use crate::local::subscriptions::{SubscribedTo, Subscriptions};
use crate::local::tab_flags::TabFlags;
use crate::presence::Presence;
use crate::presence::row::{INFO_BYTES_MAX, NO_USER, RowKey, TableKey};
use crate::time::{Mono, Now};

/// How long after its start a node may still be told of tabs that its first visitors come back from.
const WARM_UP_MS: u64 = 5_000;

#[derive(Debug)]
pub(crate) struct LocalVisitors {
    table: TableKey,
    sequence: u64,
    connections: BTreeMap<ConnectionId, Subscriptions>,
    /// The last connection of each tab that has an id.
    tabs: BTreeMap<TabId, ConnectionId>,
    moves: Moves,
    rooms: BTreeMap<RoomHash, LocalRoom>,
    rows: BTreeMap<RowKey, LocalRow>,
    /// Rows that show something newer than the others know, by when they may be told.
    unshared: BTreeSet<(Mono, RowKey)>,
    served: BTreeMap<RowKey, Vec<Mono>>,
    deadlines: BTreeSet<(Mono, RowKey)>,
    /// Rows that no delta has named since they changed, with the number that was named last.
    changed: BTreeMap<RowKey, u64>,
    drained: bool,
    counts: TabCounts,
    /// Users who came before it was known what they left elsewhere, with the number of their connections.
    pending_claims: BTreeMap<RowKey, u32>,
    /// Until when that may happen.
    warm_up_until: Mono,
}

/// How many connections of this node are in a room, and on how many of their pages the app draws.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct LocalWatchers {
    pub(crate) connections: u32,
    pub(crate) drawn: u32,
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
    pub(crate) fn new(table: TableKey, now: Mono) -> Self {
        Self {
            table,
            pending_claims: BTreeMap::new(),
            warm_up_until: now + WARM_UP_MS,
            sequence: 0,
            connections: BTreeMap::new(),
            tabs: BTreeMap::new(),
            moves: Moves::default(),
            rooms: BTreeMap::new(),
            rows: BTreeMap::new(),
            unshared: BTreeSet::new(),
            served: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            changed: BTreeMap::new(),
            drained: false,
            counts: TabCounts::default(),
        }
    }

    /// The number of the newest change that a delta has named.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// What happened to tabs since the start.
    pub(crate) fn counts(&self) -> TabCounts {
        self.counts
    }

    /// How many connections of this node are in a room, and on how many of their pages the app draws.
    pub(crate) fn watchers(&self, room: &RoomHash) -> LocalWatchers {
        let watchers = |room: &LocalRoom| LocalWatchers { connections: room.connections, drawn: room.drawn };
        self.rooms.get(room).map(watchers).unwrap_or_default()
    }

    /// Whether the app draws a page of this node in a room.
    pub(crate) fn is_drawn(&self, room: &RoomHash) -> bool {
        self.watchers(room).drawn > 0
    }

    /// This node has a higher incarnation from now on.
    pub(crate) fn adopt_table(&mut self, table: TableKey) {
        self.table = table;
    }

    /// Whether there is something for the next delta.
    pub(crate) fn has_news(&self) -> bool {
        !self.changed.is_empty()
    }

    /// The stream that a connection has for its own user, if any.
    pub(crate) fn user_stream(&self, connection: ConnectionId) -> Option<(SubscriptionId, &Room)> {
        self.connections.get(&connection)?.iter().find_map(|(subscription, listens)| match listens {
            SubscribedTo::User(room, _) => Some((subscription, room)),
            SubscribedTo::Room(..) => None,
        })
    }

    /// The subscriptions with which a user of this node is in a room.
    pub(crate) fn subscriptions_of(&self, key: &RowKey) -> Vec<SubscriptionKey> {
        let all = self.connections.iter().flat_map(|(connection, subscriptions)| {
            let at = |subscription| SubscriptionKey { connection: *connection, subscription };
            subscriptions.iter().map(move |(subscription, to)| (at(subscription), to))
        });
        let there = all.filter(|(_, to)| matches!(to, SubscribedTo::Room(_, other, _) if other == key));
        there.map(|(at, _)| at).collect()
    }

    /// Whether a user of this node is in a room, or lingers there.
    pub(crate) fn is_in(&self, key: &RowKey) -> bool {
        self.rows.get(key).is_some_and(|row| !row.has_no_tabs())
    }

    /// Who of this node is in a room, lingering ones included.
    pub(crate) fn users_of(&self, room: RoomHash) -> impl Iterator<Item = UserId> {
        let everybody = RowKey { room, user: NO_USER }..=RowKey { room, user: UserId([255; 32]) };
        self.rows.range(everybody).filter(|(_, row)| !row.has_no_tabs()).map(|(key, _)| key.user)
    }

    /// What a subscription listens to.
    pub(crate) fn subscribed_to(&self, at: SubscriptionKey) -> Option<&SubscribedTo> {
        self.connections.get(&at.connection)?.get(at.subscription)
    }

    /// Rows change no longer.
    pub(crate) fn drain(&mut self) {
        self.drained = true;
    }

    /// A subscription to a user's own stream.
    pub(crate) fn listened(&mut self, at: SubscriptionKey, room: Room, key: RowKey) {
        let listens = SubscribedTo::User(room, key);
        self.connections.entry(at.connection).or_default().insert(at.subscription, listens);
    }

    /// A subscription to a room: the first one of a connection is a tab.
    pub(crate) fn joined(
        &mut self,
        at: SubscriptionKey,
        room: &Room,
        key: RowKey,
        tab: Tab,
        presence: &mut Presence,
        now: Now,
    ) {
        let subscriptions = self.connections.entry(at.connection).or_default();
        if subscriptions.get(at.subscription).is_some() {
            return;
        }
        let before = subscriptions.flags(&key);
        subscriptions.insert(at.subscription, SubscribedTo::Room(room.clone(), key, TabFlags::of(&tab)));
        if let Some(tab) = tab.id {
            subscriptions.tab = Some(tab);
            self.tabs.insert(tab, at.connection);
        }
        let after = subscriptions.flags(&key).expect("inserted in the line above");
        if let Some(before) = before {
            return self.changed_flags(key, before, after, presence, now.mono);
        }
        self.counts.joined += 1;
        if !self.drained {
            self.take_served_page(&key, now.mono);
        }
        let own_room = self.rooms.entry(key.room).or_insert_with(|| LocalRoom::of(room));
        own_room.connections += 1;
        own_room.drawn += u32::from(after.draws);
        if self.drained {
            return;
        }
        let row = self.rows.entry(key).or_insert_with(|| {
            own_room.rows += 1;
            LocalRow::since(now.wall)
        });
        if row.has_no_tabs() {
            row.since = now.wall;
        }
        row.count(after, 1);
        if tab.info.len() <= INFO_BYTES_MAX && !tab.info.is_empty() {
            row.rare_mut().info = tab.info;
        }
        let claimed = row.claim(&key, self.table, presence, &mut self.counts);
        if !self.asks_about(tab.id, key, claimed, presence, now.mono) {
            self.begin_to_count(key, claimed, presence, now.mono);
        }
    }

    /// A tab counts from now on. One that took no other one's place, on a node that has just started, may do so later.
    fn begin_to_count(&mut self, key: RowKey, claimed: bool, presence: &mut Presence, now: Mono) {
        if !claimed && now < self.warm_up_until {
            *self.pending_claims.entry(key).or_default() += 1;
            presence.await_tab(key);
        }
        self.write(key, presence, now);
        self.name_room(key.room, presence, now);
    }

    /// A page was hidden, or shown again.
    pub(crate) fn looked(&mut self, at: SubscriptionKey, visible: bool, presence: &mut Presence, now: Mono) {
        let Some(subscriptions) = self.connections.get_mut(&at.connection) else { return };
        let Some(SubscribedTo::Room(_, key, _)) = subscriptions.get(at.subscription) else { return };
        let key = *key;
        let before = subscriptions.flags(&key).expect("it was found in the line above");
        if let Some(SubscribedTo::Room(_, _, flags)) = subscriptions.get_mut(at.subscription) {
            flags.visible = visible;
        }
        let after = subscriptions.flags(&key).expect("it is still there");
        self.changed_flags(key, before, after, presence, now);
    }

    /// The same connection takes part in another way.
    fn changed_flags(&mut self, key: RowKey, before: TabFlags, after: TabFlags, presence: &mut Presence, now: Mono) {
        if before == after {
            return;
        }
        if let Some(room) = self.rooms.get_mut(&key.room) {
            room.drawn = room.drawn + u32::from(after.draws) - u32::from(before.draws);
        }
        let Some(row) = self.rows.get_mut(&key).filter(|_| !self.drained) else { return };
        row.count(before, -1);
        row.count(after, 1);
        self.write(key, presence, now);
    }

    /// One subscription ended; the connection goes on.
    pub(crate) fn unsubscribed(&mut self, at: SubscriptionKey, ended: Ended, presence: &mut Presence, now: Mono) {
        let Some(subscriptions) = self.connections.get_mut(&at.connection) else { return };
        let Some(SubscribedTo::Room(_, key, _)) = subscriptions.get(at.subscription) else {
            subscriptions.remove(at.subscription);
            return;
        };
        let key = *key;
        let (before, tab) = (subscriptions.flags(&key).expect("it was found in the line above"), subscriptions.tab);
        subscriptions.remove(at.subscription);
        match subscriptions.flags(&key) {
            Some(after) => self.changed_flags(key, before, after, presence, now),
            None => self.left(key, tab, before, ended, presence, now),
        }
    }

    /// A connection ended, and with it all its tabs.
    pub(crate) fn disconnected(&mut self, connection: ConnectionId, ended: Ended, presence: &mut Presence, now: Mono) {
        let Some(subscriptions) = self.connections.remove(&connection) else { return };
        let tab = subscriptions.tab;
        if let Some(tab) = tab.filter(|tab| self.tabs.get(tab) == Some(&connection)) {
            self.tabs.remove(&tab);
        }
        let keys: BTreeSet<RowKey> = subscriptions
            .iter()
            .filter_map(|(_, listens)| match listens {
                SubscribedTo::Room(_, key, _) => Some(*key),
                SubscribedTo::User(..) => None,
            })
            .collect();
        for key in keys {
            let was = subscriptions.flags(&key).expect("each key was found in these");
            self.left(key, tab, was, ended, presence, now);
        }
    }
}

impl LocalRoom {
    fn of(room: &Room) -> Self {
        Self { room: room.clone(), rows: 0, connections: 0, drawn: 0 }
    }
}
