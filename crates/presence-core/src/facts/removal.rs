//! Which facts were not removed: a tombstone replaces a fact on every node and wins over it, so that no node brings it back.

use crate::app::fact_kind::FactKind;
use crate::facts::Facts;
use crate::facts::counter::Contribution;
use crate::facts::fact::{FactKey, LASTS_MS, StoredFact};
use crate::facts::name::FactName;
use crate::id::Room;
use crate::io::query::{ListedFact, ListedFacts};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{NodeTime, Stamp};

/// A tombstone stays at least this long: a node that was away for less can't bring the fact back.
const TOMBSTONE_MS_MIN: u64 = LASTS_MS;
/// A tombstone stays as long as its fact would have, but no longer than this.
const TOMBSTONE_MS_MAX: u64 = 12 * LASTS_MS;
/// A list of a room's facts ends with the key that reaches this; each has 1,000 entries at most.
const LISTED: usize = 1_000;

impl Facts {
    /// The facts of a room that were not removed.
    fn live(&self, room: &Room) -> impl Iterator<Item = (&FactKey, &StoredFact)> {
        self.store.room(room).filter(|(_, stored)| !stored.fact.is_removed())
    }

    /// The facts of a room that are shown.
    pub(crate) fn shown(&self, room: &Room) -> impl Iterator<Item = (&FactKey, &StoredFact)> {
        self.live(room).filter(|(_, stored)| stored.fact.stamp.time <= self.shown_limit)
    }

    /// The facts of a room, a line each with its stamp: for tests that explain a difference.
    pub(crate) fn described(&self, room: &Room) -> Vec<String> {
        let describe = |(key, stored): (&FactKey, &StoredFact)| {
            let (value, stamp) = (String::from_utf8_lossy(&stored.fact.value), stored.fact.stamp);
            format!("{} {:?} {value:?} of {:?} at {}.{}", key.key, key.entry, stamp.node, stamp.time.0, stamp.counter)
        };
        self.store.room(room).map(describe).collect()
    }

    /// The facts of a room, also those that are not shown, in the order of their keys.
    pub(crate) fn list(&self, room: &Room, after: Option<&str>) -> ListedFacts {
        let mut listed = ListedFacts::default();
        let mut last: Option<&str> = None;
        for (key, stored) in self.live(room).filter(|(key, _)| after.is_none_or(|after| key.key.as_str() > after)) {
            if listed.facts.len() >= LISTED && last != Some(&key.key) {
                listed.next = last.map(str::to_owned);
                break;
            }
            last = Some(&key.key);
            // Only nodes understand it.
            if !matches!(FactName::of(key), FactName::Reset { .. }) {
                listed.facts.push(listed_fact(key, stored));
            }
        }
        listed
    }
}

/// When the tombstone ends of a fact that would have ended then.
pub(super) fn expires(ends: NodeTime, stamp: Stamp) -> NodeTime {
    if injected(Fault::TombstonesEnd) {
        return stamp.time + 1;
    }
    ends.clamp(stamp.time + TOMBSTONE_MS_MIN, stamp.time + TOMBSTONE_MS_MAX)
}

/// A fact as an operator sees it.
pub(super) fn listed_fact(key: &FactKey, stored: &StoredFact) -> ListedFact {
    let mut value = stored.fact.value.clone();
    let (kind, name, entry) = match FactName::of(key) {
        FactName::Register(name) => (FactKind::Register, name, None),
        FactName::LogEntry(name) => (FactKind::Log, name, key.entry.map(|entry| entry.to_string())),
        FactName::MapEntry { map, entry } => (FactKind::Map, map, Some(entry.to_owned())),
        FactName::SetUser { set } => (FactKind::Set, set, Some(stored.public.long())),
        FactName::Contribution { counter, by } => {
            value = Contribution::of(&stored.fact).total.to_string().into_bytes();
            (FactKind::Counter, counter, Some(format!("{}-{}", by.node, by.incarnation)))
        }
        FactName::Reset { counter } => (FactKind::Counter, counter, Some("reset".to_owned())),
        FactName::Unknown => (FactKind::Unknown, key.key.as_str(), None),
    };
    ListedFact {
        kind,
        key: name.to_owned(),
        entry,
        value,
        author: stored.public,
        region: stored.fact.region.clone(),
        at_ms: stored.fact.stamp.time.0,
        expires_ms: stored.fact.expires.0,
    }
}
