//! All facts: registers and capped logs; the last writer wins.

use std::collections::{BTreeMap, BTreeSet};

use crate::facts::fact::{Fact, FactKey, StoredFact, key_hash, read};
use crate::id::{Digest, KeyHash, NodeHash, Room};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Incarnation, NodeTime, Stamp};

/// Most keys that an author may use in a room.
pub(crate) const KEYS_MAX: usize = 64;
/// What is merged makes no log longer than this.
pub(crate) const CAP_MAX: u16 = 1_000;
/// Most facts that are kept, and bytes of them: about 150 MB of memory.
pub(crate) const FACTS_MAX: usize = 100_000;
const BYTES_MAX: usize = 64 * 1024 * 1024;
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
        /// What left a full log, or an older value.
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
    /// Of all facts together.
    bytes: usize,
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
            bytes: 0,
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
        if !self.facts.contains_key(&key) && !self.has_room(bytes.len()) {
            return Merged::Refused;
        }
        self.put(key, fact, bytes)
    }

    /// Whether one more fact with that many bytes may be kept.
    pub(crate) fn has_room(&self, bytes: usize) -> bool {
        let fits = self.facts.len() < FACTS_MAX && self.bytes + bytes <= BYTES_MAX;
        fits || injected(Fault::FactsUnbounded)
    }

    /// Whether a fact is stamped too far ahead: it gives way to any other, unless this node will restamp it itself.
    pub(crate) fn is_overruled(&self, stamp: Stamp, limit: NodeTime) -> bool {
        stamp.time > limit && stamp.node != self.own
    }

    fn put(&mut self, key: FactKey, fact: Fact, bytes: &[u8]) -> Merged {
        let full = key.entry.is_some().then(|| (key.room.clone(), key.key.clone()));
        self.take_off(&key);
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
        self.bytes += bytes.len();
        self.facts.insert(key.clone(), StoredFact { fact, bytes: bytes.to_vec(), hash, public, sum });
        let displaced = full.map(|log| self.trim(&log)).unwrap_or_default();
        if displaced.contains(&key) {
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
        self.bytes -= kept.bytes.len();
        if key.entry.is_some() && self.log(&key.room, &key.key).next().is_none() {
            self.caps.remove(&(key.room.clone(), key.key.clone()));
        }
        Some(kept)
    }

    /// Takes off what has run out.
    pub(crate) fn expire(&mut self, time: NodeTime) -> Vec<FactKey> {
        let mut off = Vec::new();
        while let Some(&(expires, hash)) = self.by_expiry.first() {
            if expires > time {
                break;
            }
            let key = self.by_hash[&hash].clone();
            self.take_off(&key);
            off.push(key);
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
        let first = FactKey { room: room.clone(), key: String::new(), entry: None };
        let room = room.clone();
        self.facts.range(first..).take_while(move |(key, _)| key.room == room)
    }

    pub(super) fn log(&self, room: &Room, log: &str) -> impl Iterator<Item = (&FactKey, &StoredFact)> {
        let first = FactKey { room: room.clone(), key: log.to_owned(), entry: None };
        let (room, log) = (room.clone(), log.to_owned());
        self.facts.range(first..).take_while(move |(key, _)| key.room == room && key.key == log)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &StoredFact> {
        self.facts.values()
    }

    /// The names of all rooms that hold facts.
    pub(crate) fn rooms(&self) -> Vec<Room> {
        let mut rooms: Vec<Room> = self.facts.keys().map(|key| key.room.clone()).collect();
        rooms.dedup();
        rooms
    }

    /// Whether a room may use this key: it does already, or uses few.
    pub(crate) fn key_fits(&self, room: &Room, key: &str) -> bool {
        self.log(room, key).next().is_some() || {
            let live = self.room(room).filter(|(_, kept)| !kept.fact.is_removed());
            let keys: BTreeSet<&str> = live.map(|(fact, _)| fact.key.as_str()).collect();
            keys.len() < KEYS_MAX
        }
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

    /// Sums of the buckets: facts stamped at or before `cut` that expire more than a minute after `at`.
    pub(crate) fn buckets(&self, cut: NodeTime, at: NodeTime) -> Vec<u128> {
        let mut buckets = self.buckets.clone();
        for kept in self.later_than(cut) {
            let bucket = &mut buckets[usize::from(kept.hash[0])];
            *bucket = bucket.wrapping_sub(kept.sum);
        }
        let soon = (at + EXPIRING_MS, [255; 16]);
        for (_, hash) in self.by_expiry.range(..=soon) {
            let kept = &self.facts[&self.by_hash[hash]];
            if kept.fact.stamp.time <= cut {
                let bucket = &mut buckets[usize::from(hash[0])];
                *bucket = bucket.wrapping_sub(kept.sum);
            }
        }
        buckets
    }

    /// The sum over all buckets.
    pub(crate) fn root(&self, cut: NodeTime, at: NodeTime) -> u128 {
        self.buckets(cut, at).into_iter().fold(0, u128::wrapping_add)
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

/// The oldest facts of a log that is longer than this.
fn oldest_beyond(most: usize, facts: Vec<(&FactKey, &StoredFact)>) -> Vec<FactKey> {
    if facts.len() <= most {
        return Vec::new();
    }
    let mut by_stamp: Vec<(Stamp, &FactKey)> = facts.into_iter().map(|(key, kept)| (kept.fact.stamp, key)).collect();
    by_stamp.sort_unstable_by(|a, b| b.cmp(a));
    by_stamp.into_iter().skip(most).map(|(_, key)| key.clone()).collect()
}
