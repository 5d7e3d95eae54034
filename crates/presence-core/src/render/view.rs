//! The view of a room, made of what is known now.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::app::entry_id::EntryId;
use crate::app::region::RegionView;
use crate::app::view::{Entry, RoomView};
use crate::facts::Facts;
use crate::facts::counter::CounterParts;
use crate::facts::fact::{FactKey, StoredFact};
use crate::facts::name::FactName;
use crate::id::{Digest, PublicId, Region, Room, RoomHash};
use crate::identity::Identity;
use crate::local::LocalVisitors;
use crate::presence::Presence;
use crate::presence::counting::PresenceCounts;
use crate::receipts::ReceiptTracker;
use crate::time::{NodeTime, Stamp};

/// What is drawn from.
#[derive(Clone, Copy)]
pub(crate) struct RoomSource<'a> {
    pub(crate) presence: &'a Presence,
    pub(crate) facts: &'a Facts,
    pub(crate) local: &'a LocalVisitors,
    pub(crate) receipts: &'a ReceiptTracker,
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
        receipts: &'a ReceiptTracker,
        time: NodeTime,
    ) -> Self {
        Self { presence, facts, local, receipts, here: &me.region, digest: me.digest, time }
    }
}

/// What a room's view shows that is not its own.
#[derive(Clone, Debug)]
pub(super) struct Elsewhere<'a> {
    /// The regions of the mesh, without any room's numbers.
    pub(super) regions: &'a [RegionView],
    /// The views of the rooms that it names.
    pub(super) related: Vec<Arc<RoomView>>,
}

/// A room as it is known now.
pub(super) fn view(room: &Room, version: u64, elsewhere: Elsewhere<'_>, source: &RoomSource<'_>) -> RoomView {
    let Elsewhere { regions, related } = elsewhere;
    let hash = &room.hash(source.digest);
    let counts = source.presence.room(hash);
    let whole = counts.map_or_else(PresenceCounts::default, |counts| counts.whole);
    let regions = regions.iter().map(|region| {
        let here = counts.map_or_else(PresenceCounts::default, |counts| counts.of(&region.region));
        RegionView { users: here.users, tabs: here.tabs, unsure: here.unsure, ..region.clone() }
    });
    let facts = FactViews::of(source.facts.shown(room));
    let view = RoomView {
        room: room.clone(),
        version,
        users: whole.users,
        tabs: whole.tabs,
        unsure: whole.unsure,
        looking: whole.looking,
        unproven: whole.unproven,
        regions: regions.collect(),
        registers: facts.registers,
        logs: facts.logs.into_iter().map(|(key, entries)| (key, newest_first(entries))).collect(),
        maps: facts.maps,
        counters: facts.counters.iter().filter_map(|(name, parts)| Some((name.clone(), parts.total()?))).collect(),
        sets: facts.sets,
        shared: shared(room, hash, source),
        receipts: source.receipts.of(room),
        related: BTreeMap::new(),
        here: source.here.clone(),
        as_of_ms: source.time.0,
    };
    view.with_related(related.into_iter())
}

fn shared(room: &Room, hash: &RoomHash, source: &RoomSource<'_>) -> BTreeMap<String, BTreeMap<PublicId, Vec<u8>>> {
    let shown = source.presence.shared(hash).into_iter().map(|(key, users)| {
        let users = users.into_iter();
        (key, users.map(|(user, share)| (user.public(room, source.digest), share.value.clone())).collect())
    });
    shown.collect()
}

/// A room's facts by kind and name.
#[derive(Default)]
struct FactViews<'a> {
    registers: BTreeMap<String, Entry>,
    logs: BTreeMap<String, Vec<(LogOrder, Entry)>>,
    maps: BTreeMap<String, BTreeMap<String, Entry>>,
    counters: BTreeMap<String, CounterParts<'a>>,
    sets: BTreeMap<String, BTreeSet<PublicId>>,
}

/// The order of a log: entries of one click in the order in which it wrote them.
type LogOrder = (Stamp, Option<EntryId>);

impl<'a> FactViews<'a> {
    fn of(shown: impl Iterator<Item = (&'a FactKey, &'a StoredFact)>) -> Self {
        let mut facts = Self::default();
        for (key, stored) in shown {
            match FactName::of(key) {
                FactName::Register(name) => drop(facts.registers.insert(name.to_owned(), entry(stored))),
                FactName::LogEntry(name) => {
                    part(&mut facts.logs, name).push(((stored.fact.stamp, key.entry), entry(stored)));
                }
                FactName::MapEntry { map, entry: key } => {
                    part(&mut facts.maps, map).insert(key.to_owned(), entry(stored));
                }
                FactName::Contribution { counter, by } => part(&mut facts.counters, counter).add(by, stored),
                FactName::Reset { counter } => part(&mut facts.counters, counter).reset(stored),
                FactName::SetUser { set } => drop(part(&mut facts.sets, set).insert(stored.public)),
                FactName::Unknown => {}
            }
        }
        facts
    }
}

/// What is gathered under a name.
fn part<'m, T: Default>(parts: &'m mut BTreeMap<String, T>, name: &str) -> &'m mut T {
    if !parts.contains_key(name) {
        parts.insert(name.to_owned(), T::default());
    }
    parts.get_mut(name).expect("it was inserted")
}

fn newest_first(mut entries: Vec<(LogOrder, Entry)>) -> Vec<Entry> {
    entries.sort_by_key(|(order, _)| Reverse(*order));
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn entry(stored: &StoredFact) -> Entry {
    let fact = &stored.fact;
    Entry { value: fact.value.clone(), author: stored.shown_author(), at_ms: fact.stamp.time.0, id: fact.entry }
}
