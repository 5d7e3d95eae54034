//! All facts: for each key the one that was written last, and of a log the newest entries.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::facts::fact::{Fact, FactKey, StoredFact, key_hash, read};
use crate::facts::name::belongs_to;
use crate::facts::tally::{BYTES_MAX, FACTS_MAX, Tallies, oldest_beyond};
use crate::id::{Digest, KeyHash, NodeHash, Room};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Incarnation, NodeTime, Stamp};

/// What is merged makes no log longer than this.
pub(crate) const CAP_MAX: u16 = 1_000;
/// What expires within this is left out of roots: nodes need not agree on the moment.
const EXPIRING_MS: u64 = 60_000;

/// What merging a fact did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Merged {
    /// It is not well-formed, or stamped too far ahead.
    Refused,
    /// What is known already is as new.
    Known,
    /// It is in; what it displaced has gone.
    Taken {
        /// Where it is filed.
        key: FactKey,
        /// What left a full log, and tombstones for which there was no room.
        displaced: Vec<FactKey>,
    },
}

/// All facts.
#[derive(Debug)]
pub(crate) struct FactStore {
    own: NodeHash,
    digest: Digest,
    facts: BTreeMap<FactKey, StoredFact>,
    by_hash: BTreeMap<KeyHash, FactKey>,
    by_stamp: BTreeSet<(Stamp, KeyHash)>,
    by_expiry: BTreeSet<(NodeTime, KeyHash)>,
    caps: BTreeMap<(Room, String), u16>,
    buckets: Vec<u128>,
    tallies: Tallies,
}

/// How many buckets the facts are compared in.
pub(crate) const BUCKETS: usize = 256;

impl FactStore {
    pub(crate) fn new(own: NodeHash, digest: Digest) -> Self {
        Self {
            own,
            digest,
            facts: BTreeMap::new(),
            by_hash: BTreeMap::new(),
            by_stamp: BTreeSet::new(),
            by_expiry: BTreeSet::new(),
            caps: BTreeMap::new(),
            buckets: vec![0; BUCKETS],
            tallies: Tallies::default(),
        }
    }

    /// Takes a fact as its author's bytes. `limit` is the latest stamp that is believed, `time` the node's time.
    pub(crate) fn merge(&mut self, bytes: &[u8], limit: NodeTime, time: NodeTime) -> Merged {
        let Some((key, fact)) = read(bytes) else { return Merged::Refused };
        if fact.stamp.time > limit || fact.expires <= time {
            return Merged::Refused;
        }
        if let Some(known) = self.facts.get(&key)
            && ((known.fact.stamp >= fact.stamp) != (injected(Fault::OldestWins) && known.fact.stamp != fact.stamp))
            && !self.is_overruled(known.fact.stamp, limit)
        {
            return Merged::Known;
        }
        if !fact.is_removed() && !self.tallies.may_merge(self.live_bytes(&key), bytes.len()) {
            return Merged::Refused;
        }
        self.put(key, fact, bytes)
    }

    /// Whether that many facts more with that many bytes together may be written.
    pub(crate) fn has_room(&self, facts: usize, bytes: usize) -> bool {
        let fits = self.tallies.live + facts <= FACTS_MAX && self.tallies.live_bytes + bytes <= BYTES_MAX;
        fits || injected(Fault::FactsUnbounded)
    }

    /// Whether there is a fact of this key that was not removed.
    pub(crate) fn is_live(&self, key: &FactKey) -> bool {
        self.live_bytes(key).is_some()
    }

    /// How many bytes the fact of this key takes, if it was not removed.
    pub(crate) fn live_bytes(&self, key: &FactKey) -> Option<usize> {
        self.get(key).filter(|stored| !stored.fact.is_removed()).map(|stored| stored.bytes.len())
    }

    /// Whether a fact is stamped too far ahead: it gives way to any other, unless this node will restamp it itself.
    pub(crate) fn is_overruled(&self, stamp: Stamp, limit: NodeTime) -> bool {
        stamp.time > limit && stamp.node != self.own
    }

    fn put(&mut self, key: FactKey, fact: Fact, bytes: &[u8]) -> Merged {
        let full = key.entry.is_some().then(|| (key.room.clone(), key.key.clone()));
        let known = self.take_off(&key).is_some();
        if let Some(log) = &full {
            let cap = self.caps.entry(log.clone()).or_insert(1);
            *cap = fact.cap.clamp(*cap, CAP_MAX);
        }
        let hash: KeyHash = key_hash(&key, self.digest);
        let sum = u128::from_be_bytes((self.digest)(bytes)[..16].try_into().expect("a digest has 32 bytes"));
        self.by_hash.insert(hash, key.clone());
        self.by_stamp.insert((fact.stamp, hash));
        self.by_expiry.insert((fact.expires, hash));
        self.buckets[usize::from(hash[0])] = self.buckets[usize::from(hash[0])].wrapping_add(sum);
        let public = fact.user.public(&key.room, self.digest);
        let removed = fact.is_removed();
        self.tallies.add(&key, &fact, hash, bytes.len());
        self.facts.insert(key.clone(), StoredFact { fact, bytes: bytes.to_vec(), hash, public, sum });
        let mut displaced = full.map(|log| self.trim(&log)).unwrap_or_default();
        while removed && let Some(oldest) = self.tallies.excess_tombstone(&key.room) {
            let oldest = self.by_hash[&oldest].clone();
            self.take_off(&oldest);
            displaced.push(oldest);
        }
        // The fact that it replaced is gone, so callers must hear of it.
        if displaced.contains(&key) && !known {
            return Merged::Known;
        }
        Merged::Taken { key, displaced }
    }

    /// Takes the oldest entries off a log that is longer than its cap.
    fn trim(&mut self, log: &(Room, String)) -> Vec<FactKey> {
        let cap = usize::from(self.caps.get(log).copied().unwrap_or(1));
        // Tombstones have room of their own: removing entries must not make a log shorter for those that follow.
        let (removed, entries): (Vec<_>, Vec<_>) =
            self.log(&log.0, &log.1).partition(|(_, kept)| kept.fact.is_removed());
        let mut off = oldest_beyond(cap, entries);
        off.extend(oldest_beyond(usize::from(CAP_MAX), removed));
        for key in &off {
            self.take_off(key);
        }
        off
    }

    pub(crate) fn take_off(&mut self, key: &FactKey) -> Option<StoredFact> {
        let kept = self.facts.remove(key)?;
        self.by_hash.remove(&kept.hash);
        self.by_stamp.remove(&(kept.fact.stamp, kept.hash));
        self.by_expiry.remove(&(kept.fact.expires, kept.hash));
        let bucket = &mut self.buckets[usize::from(kept.hash[0])];
        *bucket = bucket.wrapping_sub(kept.sum);
        self.tallies.remove(key, &kept.fact, kept.hash, kept.bytes.len());
        if key.entry.is_some() && self.log(&key.room, &key.key).next().is_none() {
            self.caps.remove(&(key.room.clone(), key.key.clone()));
        }
        Some(kept)
    }

    pub(super) fn own(&self) -> NodeHash {
        self.own
    }

    /// When the first fact runs out.
    pub(crate) fn first_expiry(&self) -> Option<NodeTime> {
        self.by_expiry.first().map(|(expires, _)| *expires)
    }

    /// Takes off what has run out.
    pub(crate) fn expire(&mut self, time: NodeTime) -> Vec<(FactKey, Fact)> {
        let mut off = Vec::new();
        while let Some(&(expires, hash)) = self.by_expiry.first() {
            if expires > time {
                break;
            }
            let key = self.by_hash[&hash].clone();
            let kept = self.take_off(&key);
            off.extend(kept.map(|kept| (key, kept.fact)));
        }
        off
    }

    pub(crate) fn get(&self, key: &FactKey) -> Option<&StoredFact> {
        self.facts.get(key)
    }

    /// The fact of this key, if this node stamped it.
    pub(crate) fn get_own(&self, key: &FactKey) -> Option<&StoredFact> {
        self.get(key).filter(|stored| stored.fact.stamp.node == self.own)
    }

    pub(crate) fn key_hash(&self, key: &FactKey) -> KeyHash {
        key_hash(key, self.digest)
    }

    pub(crate) fn by_hash(&self, hash: &KeyHash) -> Option<&StoredFact> {
        self.by_hash.get(hash).and_then(|key| self.facts.get(key))
    }

    /// All facts of a room.
    pub(crate) fn room(&self, room: &Room) -> impl Iterator<Item = (&FactKey, &StoredFact)> {
        let (start, room) = (self.starting_at(Some((room, ""))), room.clone());
        start.take_while(move |(key, _)| key.room == room)
    }

    pub(super) fn log(&self, room: &Room, log: &str) -> impl Iterator<Item = (&FactKey, &StoredFact)> {
        let (start, room, log) = (self.starting_at(Some((room, log))), room.clone(), log.to_owned());
        start.take_while(move |(key, _)| key.room == room && key.key == log)
    }

    /// Facts in the order of their keys, from this place on.
    pub(crate) fn starting_at(&self, place: Option<(&Room, &str)>) -> impl Iterator<Item = (&FactKey, &StoredFact)> {
        let first = place.map(|(room, key)| FactKey { room: room.clone(), key: key.to_owned(), entry: None });
        self.facts.range((first.map_or(Bound::Unbounded, Bound::Included), Bound::Unbounded))
    }

    /// The names of all rooms that hold facts.
    pub(crate) fn rooms(&self) -> Vec<Room> {
        let mut rooms: Vec<Room> = self.facts.keys().map(|key| key.room.clone()).collect();
        rooms.dedup();
        rooms
    }

    /// All facts of a name, of whatever kind.
    pub(crate) fn named(&self, room: &Room, name: &str) -> impl Iterator<Item = (&FactKey, &StoredFact)> {
        let (start, room, name) = (self.starting_at(Some((room, name))), room.clone(), name.to_owned());
        let begins = {
            let name = name.clone();
            move |(key, _): &(&FactKey, &StoredFact)| key.room == room && key.key.starts_with(&name)
        };
        start.take_while(begins).filter(move |(key, _)| belongs_to(&key.key, &name))
    }

    /// How many facts there are, in all rooms and in each.
    pub(super) fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    /// The greatest stamp that is known.
    pub(crate) fn newest(&self) -> Option<Stamp> {
        self.by_stamp.last().map(|(stamp, _)| *stamp)
    }

    /// The greatest stamp that is believed.
    pub(crate) fn latest(&self, limit: NodeTime) -> Option<Stamp> {
        let first = Stamp { time: limit + 1, counter: 0, node: NodeHash(0), incarnation: Incarnation::NONE };
        self.by_stamp.range(..(first, [0; 16])).next_back().map(|(stamp, _)| *stamp)
    }

    /// The keys of facts that are stamped later than this, in the order of their stamps.
    pub(crate) fn keys_later_than(&self, limit: NodeTime) -> Vec<FactKey> {
        self.later_than(limit).map(|kept| self.by_hash[&kept.hash].clone()).collect()
    }

    fn later_than(&self, time: NodeTime) -> impl Iterator<Item = &StoredFact> {
        let last = Stamp { time, counter: u32::MAX, node: NodeHash(u64::MAX), incarnation: Incarnation::MAX };
        self.by_stamp.range((last, [255; 16])..).map(|(_, hash)| &self.facts[&self.by_hash[hash]])
    }

    /// Sums of the buckets: facts stamped at or before `cut`. Here what expires soon counts, too: it is repaired with what
    /// the same click has written besides.
    pub(crate) fn buckets(&self, cut: NodeTime) -> Vec<u128> {
        let mut buckets = self.buckets.clone();
        for kept in self.later_than(cut) {
            let bucket = &mut buckets[usize::from(kept.hash[0])];
            *bucket = bucket.wrapping_sub(kept.sum);
        }
        buckets
    }

    /// Whether something expires within a minute after `at`.
    pub(crate) fn has_expiring(&self, at: NodeTime) -> bool {
        self.by_expiry.first().is_some_and(|(expires, _)| *expires <= at + EXPIRING_MS)
    }

    /// The sum over all buckets of what expires more than a minute after `at`.
    pub(crate) fn root(&self, cut: NodeTime, at: NodeTime) -> u128 {
        let all = self.buckets(cut).into_iter().fold(0, u128::wrapping_add);
        let soon =
            self.by_expiry.range(..=(at + EXPIRING_MS, [255; 16])).map(|(_, hash)| &self.facts[&self.by_hash[hash]]);
        soon.filter(|kept| kept.fact.stamp.time <= cut).fold(all, |root, kept| root.wrapping_sub(kept.sum))
    }

    /// Keys and stamps of one bucket, the future ones left out.
    pub(crate) fn bucket(&self, bucket: u8, limit: NodeTime) -> impl Iterator<Item = &StoredFact> {
        let mut first = [0; 16];
        first[0] = bucket;
        self.by_hash
            .range(first..)
            .take_while(move |(hash, _)| hash[0] == bucket)
            .map(|(_, key)| &self.facts[key])
            .filter(move |kept| kept.fact.stamp.time <= limit)
    }
}
