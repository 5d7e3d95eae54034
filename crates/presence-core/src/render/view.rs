//! The view of a room, made of what is known now.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::app::view::{Author, Entry, RegionView, RoomView};
use crate::facts::Facts;
use crate::facts::fact::StoredFact;
use crate::id::{Digest, PublicId, Region, Room, RoomHash};
use crate::identity::Identity;
use crate::local::LocalVisitors;
use crate::presence::Presence;
use crate::presence::counting::PresenceCounts;
use crate::time::{NodeTime, Stamp};

/// What is drawn from.
#[derive(Clone, Copy)]
pub(crate) struct RoomSource<'a> {
    pub(crate) presence: &'a Presence,
    pub(crate) facts: &'a Facts,
    pub(crate) local: &'a LocalVisitors,
    pub(crate) here: &'a Region,
    pub(crate) digest: Digest,
    pub(crate) time: NodeTime,
}

impl<'a> RoomSource<'a> {
    pub(crate) fn new(
        me: &'a Identity,
        presence: &'a Presence,
        facts: &'a Facts,
        local: &'a LocalVisitors,
        time: NodeTime,
    ) -> Self {
        Self { presence, facts, local, here: &me.region, digest: me.digest, time }
    }
}

/// A room as it is known now. The regions are those of the mesh, without any room's numbers.
pub(super) fn view(room: &Room, version: u64, regions: &[RegionView], source: &RoomSource<'_>) -> RoomView {
    let hash = &room.hash(source.digest);
    let counts = source.presence.room(hash);
    let whole = counts.map_or_else(PresenceCounts::default, |counts| counts.whole);
    let regions = regions.iter().map(|region| {
        let here = counts.map_or_else(PresenceCounts::default, |counts| counts.of(&region.region));
        RegionView { users: here.users, tabs: here.tabs, unsure: here.unsure, ..region.clone() }
    });
    let mut registers = BTreeMap::new();
    let mut logs: BTreeMap<String, Vec<(Stamp, Entry)>> = BTreeMap::new();
    for (key, stored) in source.facts.shown(room) {
        let entry = entry(stored);
        if key.entry.is_some() {
            logs.entry(key.key.clone()).or_default().push((stored.fact.stamp, entry));
        } else {
            registers.insert(key.key.clone(), entry);
        }
    }
    RoomView {
        room: room.clone(),
        version,
        users: whole.users,
        tabs: whole.tabs,
        unsure: whole.unsure,
        looking: whole.looking,
        unproven: whole.unproven,
        regions: regions.collect(),
        registers,
        logs: logs.into_iter().map(|(key, entries)| (key, newest_first(entries))).collect(),
        shared: shared(room, hash, source),
        here: source.here.clone(),
        as_of_ms: source.time.0,
    }
}

fn shared(room: &Room, hash: &RoomHash, source: &RoomSource<'_>) -> BTreeMap<String, BTreeMap<PublicId, Vec<u8>>> {
    let shown = source.presence.shared(hash).into_iter().map(|(key, users)| {
        let users = users.into_iter();
        (key, users.map(|(user, share)| (user.public(room, source.digest), share.value.clone())).collect())
    });
    shown.collect()
}

fn newest_first(mut entries: Vec<(Stamp, Entry)>) -> Vec<Entry> {
    entries.sort_by_key(|(stamp, _)| Reverse(*stamp));
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn entry(stored: &StoredFact) -> Entry {
    let fact = &stored.fact;
    let author = Author { user: fact.user, public: stored.public, region: fact.region.clone() };
    Entry { value: fact.value.clone(), author, at_ms: fact.stamp.time.0 }
}
