//! Removing a fact: a tombstone replaces it on every node and wins over it, so that no node brings it back.

use crate::facts::Facts;
use crate::facts::fact::{Fact, FactKey, LASTS_MS, StoredFact};
use crate::id::{Room, UserId};
use crate::identity::Identity;
use crate::io::entry_id::EntryId;
use crate::io::query::{ListedFact, ListedFacts};
use crate::outputs::Outputs;
use crate::time::NodeClock;

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

    /// The facts of a room, also those that are not shown, in the order of their keys.
    pub(crate) fn list(&self, room: &Room, after: Option<&str>) -> ListedFacts {
        let mut listed = ListedFacts::default();
        for (key, stored) in self.live(room).filter(|(key, _)| after.is_none_or(|after| key.key.as_str() > after)) {
            let last = listed.facts.last().map(|last| &last.key);
            if listed.facts.len() >= LISTED && last != Some(&key.key) {
                listed.next = last.cloned();
                break;
            }
            listed.facts.push(listed_fact(key, stored));
        }
        listed
    }

    /// Replaces a register, a log or one entry of a log by tombstones. Returns how many facts that were.
    pub(crate) fn remove(
        &mut self,
        me: &Identity,
        room: &Room,
        key: &str,
        entry: Option<EntryId>,
        clock: NodeClock,
        out: &mut Outputs,
    ) -> usize {
        let facts = self.store.log(room, key).filter(|(_, stored)| !stored.fact.is_removed());
        let facts = facts.filter(|(key, _)| entry.is_none() || key.entry == entry);
        let facts: Vec<Fact> = facts.map(|(_, stored)| stored.fact.clone()).collect();
        for fact in &facts {
            let stamp = self.stamp(clock, out);
            let tombstone = Fact {
                stamp,
                // Nothing of the fact may remain, who wrote it included.
                user: UserId([0; 32]),
                region: me.region.clone(),
                value: Vec::new(),
                expires: fact.expires.clamp(stamp.time + TOMBSTONE_MS_MIN, stamp.time + TOMBSTONE_MS_MAX),
                removed: Some(true),
                ..fact.clone()
            };
            self.keep(&tombstone, clock, out);
        }
        facts.len()
    }
}

fn listed_fact(key: &FactKey, stored: &StoredFact) -> ListedFact {
    ListedFact {
        key: key.key.clone(),
        entry: key.entry,
        value: stored.fact.value.clone(),
        author: stored.public,
        region: stored.fact.region.clone(),
        at_ms: stored.fact.stamp.time.0,
        expires_ms: stored.fact.expires.0,
    }
}
