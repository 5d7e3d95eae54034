//! Facts: the few things that outlive a node. Registers and capped logs; the last writer wins.
//!
//! A fact is kept, hashed and passed on as its author's bytes, so that a node which knows fewer fields loses none.

pub(crate) mod anti_entropy;
pub(crate) mod hybrid_clock;
pub(crate) mod restamp;

use std::collections::{BTreeMap, BTreeSet};

use minicbor::{Decode, Encode};

use crate::id::{Digest, NodeHash, PublicId, Region, Room, UserId};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Stamp;

/// Largest value in bytes: binds the author.
pub(crate) const VALUE_BYTES_MAX: usize = 4 * 1024;
/// Most keys that an author may use in a room.
pub(crate) const KEYS_MAX: usize = 64;
/// How long a fact stays unless its author says otherwise.
pub(crate) const LASTS_MS: u64 = 30 * 24 * 3_600_000;
/// Who merges takes nothing larger: no author makes more than value, names and numbers together.
pub(crate) const FACT_BYTES_MAX: usize = 8 * 1024;
/// Who merges takes no log longer than this.
pub(crate) const CAP_MAX: u16 = 1_000;
/// A fact stamped this far past the node's time is not taken, shown, hashed or passed on.
pub(crate) const FUTURE_MS: u64 = 60_000;
/// What expires within this is left out of roots: nodes need not agree on the moment.
const EXPIRING_MS: u64 = 60_000;

/// One value of a register, or one entry of a log.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Fact {
    #[n(0)]
    pub(crate) room: String,
    #[n(1)]
    pub(crate) key: String,
    /// `None` for a register, the entry's own id for a log.
    #[n(2)]
    pub(crate) entry: Option<EntryId>,
    /// How many entries the log keeps, as its author knows; 0 for a register.
    #[n(3)]
    pub(crate) cap: u16,
    #[n(4)]
    pub(crate) stamp: Stamp,
    #[n(5)]
    pub(crate) user: UserId,
    #[n(6)]
    pub(crate) region: Region,
    #[cbor(n(7), with = "minicbor::bytes")]
    pub(crate) value: Vec<u8>,
    #[n(8)]
    pub(crate) expires_ms: u64,
    /// Only in the build that stands for a later version: what older ones must keep.
    #[cfg(feature = "later-version")]
    #[n(9)]
    pub(crate) later: Option<u64>,
}

/// Names an entry of a log for good: stamping it anew replaces it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Encode, Decode)]
pub(crate) struct EntryId {
    #[n(0)]
    pub(crate) node: NodeHash,
    #[n(1)]
    pub(crate) incarnation: u64,
    #[n(2)]
    pub(crate) count: u64,
}

/// What a fact is filed under.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct FactKey {
    pub(crate) room: Room,
    pub(crate) key: String,
    pub(crate) entry: Option<EntryId>,
}

/// 128 bits of a fact key's hash: how keys are named between nodes.
pub(crate) type KeyHash = [u8; 16];

/// A fact with its author's bytes.
#[derive(Clone, Debug)]
pub(crate) struct StoredFact {
    pub(crate) fact: Fact,
    pub(crate) bytes: Vec<u8>,
    pub(crate) hash: KeyHash,
    /// Its author as the room's visitors see them: views are made often.
    pub(crate) public: PublicId,
    sum: u128,
}

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
pub(crate) struct Facts {
    own: NodeHash,
    digest: Digest,
    facts: BTreeMap<FactKey, StoredFact>,
    by_hash: BTreeMap<KeyHash, FactKey>,
    by_stamp: BTreeSet<(Stamp, KeyHash)>,
    by_expiry: BTreeSet<(u64, KeyHash)>,
    caps: BTreeMap<(Room, String), u16>,
    parts: Vec<u128>,
}

/// How many parts the facts are compared in.
pub(crate) const BUCKETS: usize = 256;

impl Facts {
    pub(crate) fn new(own: NodeHash, digest: Digest) -> Self {
        Self {
            own,
            digest,
            facts: BTreeMap::new(),
            by_hash: BTreeMap::new(),
            by_stamp: BTreeSet::new(),
            by_expiry: BTreeSet::new(),
            caps: BTreeMap::new(),
            parts: vec![0; BUCKETS],
        }
    }

    /// Takes a fact as its author's bytes. `limit_ms` is the latest stamp that is believed, `time_ms` the node's time.
    pub(crate) fn merge(&mut self, bytes: &[u8], limit_ms: u64, time_ms: u64) -> Merged {
        let Some((key, fact)) = read(bytes) else { return Merged::Refused };
        if fact.stamp.time_ms > limit_ms || fact.expires_ms <= time_ms {
            return Merged::Refused;
        }
        if let Some(known) = self.facts.get(&key)
            && ((known.fact.stamp >= fact.stamp) != (injected(Fault::OldestWins) && known.fact.stamp != fact.stamp))
            && !self.gives_way(known.fact.stamp, limit_ms)
        {
            return Merged::Known;
        }
        self.put(key, fact, bytes)
    }

    /// What is stamped too far ahead gives way to any other, but not what this node will stamp anew itself.
    pub(crate) fn gives_way(&self, stamp: Stamp, limit_ms: u64) -> bool {
        stamp.time_ms > limit_ms && stamp.node != self.own
    }

    fn put(&mut self, key: FactKey, fact: Fact, bytes: &[u8]) -> Merged {
        let full = key.entry.is_some().then(|| (key.room.clone(), key.key.clone()));
        if let Some(log) = &full {
            let cap = self.caps.entry(log.clone()).or_insert(1);
            *cap = fact.cap.clamp(*cap, CAP_MAX);
        }
        self.take_off(&key);
        let hash: KeyHash = key_hash(&key, self.digest);
        let sum = u128::from_be_bytes((self.digest)(bytes)[..16].try_into().expect("a digest has 32 bytes"));
        self.by_hash.insert(hash, key.clone());
        self.by_stamp.insert((fact.stamp, hash));
        self.by_expiry.insert((fact.expires_ms, hash));
        self.parts[usize::from(hash[0])] = self.parts[usize::from(hash[0])].wrapping_add(sum);
        let public = fact.user.public(&key.room, self.digest);
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
        let mut entries: Vec<(Stamp, &FactKey)> =
            self.log(&log.0, &log.1).map(|(key, kept)| (kept.fact.stamp, key)).collect();
        if entries.len() <= cap {
            return Vec::new();
        }
        entries.sort_unstable_by(|a, b| b.cmp(a));
        let off: Vec<FactKey> = entries.into_iter().skip(cap).map(|(_, key)| key.clone()).collect();
        for key in &off {
            self.take_off(key);
        }
        off
    }

    pub(crate) fn take_off(&mut self, key: &FactKey) -> Option<StoredFact> {
        let kept = self.facts.remove(key)?;
        self.by_hash.remove(&kept.hash);
        self.by_stamp.remove(&(kept.fact.stamp, kept.hash));
        self.by_expiry.remove(&(kept.fact.expires_ms, kept.hash));
        let part = &mut self.parts[usize::from(kept.hash[0])];
        *part = part.wrapping_sub(kept.sum);
        Some(kept)
    }

    /// Takes off what has run out.
    pub(crate) fn expire(&mut self, time_ms: u64) -> Vec<FactKey> {
        let mut off = Vec::new();
        while let Some(&(expires_ms, hash)) = self.by_expiry.first() {
            if expires_ms > time_ms {
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

    pub(crate) fn by_hash(&self, hash: &KeyHash) -> Option<&StoredFact> {
        self.by_hash.get(hash).and_then(|key| self.facts.get(key))
    }

    /// All facts of a room.
    pub(crate) fn room(&self, room: &Room) -> impl Iterator<Item = (&FactKey, &StoredFact)> {
        let first = FactKey { room: room.clone(), key: String::new(), entry: None };
        let room = room.clone();
        self.facts.range(first..).take_while(move |(key, _)| key.room == room)
    }

    fn log(&self, room: &Room, log: &str) -> impl Iterator<Item = (&FactKey, &StoredFact)> {
        let first = FactKey { room: room.clone(), key: log.to_owned(), entry: None };
        let (room, log) = (room.clone(), log.to_owned());
        self.facts.range(first..).take_while(move |(key, _)| key.room == room && key.key == log)
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
            let keys: BTreeSet<&str> = self.room(room).map(|(fact, _)| fact.key.as_str()).collect();
            keys.len() < KEYS_MAX
        }
    }

    /// The greatest stamp that is known.
    pub(crate) fn newest(&self) -> Option<Stamp> {
        self.by_stamp.last().map(|(stamp, _)| *stamp)
    }

    /// The greatest stamp that is believed.
    pub(crate) fn latest(&self, limit_ms: u64) -> Option<Stamp> {
        let first = Stamp { time_ms: limit_ms.saturating_add(1), counter: 0, node: NodeHash(0), incarnation: 0 };
        self.by_stamp.range(..(first, [0; 16])).next_back().map(|(stamp, _)| *stamp)
    }

    /// Facts stamped later than this, by stamp.
    pub(crate) fn keys_later_than(&self, limit_ms: u64) -> Vec<FactKey> {
        self.later_than(limit_ms).map(|kept| self.by_hash[&kept.hash].clone()).collect()
    }

    fn later_than(&self, time_ms: u64) -> impl Iterator<Item = &StoredFact> {
        let last = Stamp { time_ms, counter: u32::MAX, node: NodeHash(u64::MAX), incarnation: u64::MAX };
        self.by_stamp.range((last, [255; 16])..).map(|(_, hash)| &self.facts[&self.by_hash[hash]])
    }

    /// Sums of the parts: facts stamped at or before `cut_ms` that expire more than a minute after `at_ms`.
    pub(crate) fn parts(&self, cut_ms: u64, at_ms: u64) -> Vec<u128> {
        let mut parts = self.parts.clone();
        for kept in self.later_than(cut_ms) {
            let part = &mut parts[usize::from(kept.hash[0])];
            *part = part.wrapping_sub(kept.sum);
        }
        let soon = (at_ms.saturating_add(EXPIRING_MS), [255; 16]);
        for (_, hash) in self.by_expiry.range(..=soon) {
            let kept = &self.facts[&self.by_hash[hash]];
            if kept.fact.stamp.time_ms <= cut_ms {
                let part = &mut parts[usize::from(hash[0])];
                *part = part.wrapping_sub(kept.sum);
            }
        }
        parts
    }

    /// The sum over all parts.
    pub(crate) fn root(&self, cut_ms: u64, at_ms: u64) -> u128 {
        self.parts(cut_ms, at_ms).into_iter().fold(0, u128::wrapping_add)
    }

    /// Keys and stamps of one part, the future ones left out.
    pub(crate) fn part(&self, part: u8, limit_ms: u64) -> impl Iterator<Item = &StoredFact> {
        let mut first = [0; 16];
        first[0] = part;
        self.by_hash
            .range(first..)
            .take_while(move |(hash, _)| hash[0] == part)
            .map(|(_, key)| &self.facts[key])
            .filter(move |kept| kept.fact.stamp.time_ms <= limit_ms)
    }
}

/// Reads a fact from its author's bytes, if it is well-formed.
pub(crate) fn read(bytes: &[u8]) -> Option<(FactKey, Fact)> {
    if bytes.len() > FACT_BYTES_MAX {
        return None;
    }
    let fact: Fact = minicbor::decode(bytes).ok()?;
    let room = Room::new(&fact.room)?;
    let fits = (1..=64).contains(&fact.key.len())
        && fact.value.len() <= VALUE_BYTES_MAX
        && Region::new(fact.region.as_str()).is_some()
        && (fact.entry.is_none() || fact.cap > 0);
    fits.then(|| (FactKey { room, key: fact.key.clone(), entry: fact.entry }, fact))
}

pub(crate) fn key_hash(key: &FactKey, digest: Digest) -> KeyHash {
    digest(&disk_name(key))[..16].try_into().expect("a digest has 32 bytes")
}

fn disk_name(key: &FactKey) -> Vec<u8> {
    minicbor::to_vec((key.room.as_str(), &key.key, key.entry)).expect("writing to memory can't fail")
}
