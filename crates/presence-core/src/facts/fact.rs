//! A fact: one value, who wrote it, and when.

use minicbor::{Decode, Encode};

use crate::id::{Digest, KeyHash, PublicId, Region, Room, UserId};
use crate::io::entry_id::EntryId;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{NodeTime, Stamp};

/// Largest value in bytes: binds the author.
pub(crate) const VALUE_BYTES_MAX: usize = 4 * 1024;
/// How long a fact stays unless its author says otherwise.
pub(crate) const LASTS_MS: u64 = 30 * 24 * 3_600_000;
/// Longest that any fact stays.
pub(crate) const LASTS_MAX_MS: u64 = 400 * 24 * 3_600_000;
/// What is merged is no larger: no author makes more than value, names and numbers together.
pub(crate) const FACT_BYTES_MAX: usize = 8 * 1024;

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
    pub(crate) expires: NodeTime,
    /// Only in the build that stands for a later version: what older ones must keep.
    #[cfg(feature = "later-version")]
    #[n(9)]
    pub(crate) later: Option<u64>,
    /// `Some(true)`: a tombstone, which stands for a fact that was removed. An older version shows it as an empty value.
    #[n(10)]
    pub(crate) removed: Option<bool>,
}

impl Fact {
    pub(crate) fn is_removed(&self) -> bool {
        self.removed == Some(true)
    }
}

/// What a fact is filed under.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct FactKey {
    pub(crate) room: Room,
    pub(crate) key: String,
    pub(crate) entry: Option<EntryId>,
}

/// A fact with its author's bytes.
#[derive(Clone, Debug)]
pub(crate) struct StoredFact {
    pub(crate) fact: Fact,
    pub(crate) bytes: Vec<u8>,
    pub(crate) hash: KeyHash,
    /// Its author as the room's visitors see them: views are made often.
    pub(crate) public: PublicId,
    pub(super) sum: u128,
}

impl StoredFact {
    /// Its author; a tombstone has none.
    pub(crate) fn author(&self) -> Option<UserId> {
        (!self.fact.is_removed()).then_some(self.fact.user)
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
        && (fact.entry.is_none() || fact.cap > 0)
        && (fact.expires.since(fact.stamp.time) <= LASTS_MAX_MS || injected(Fault::FactsUnbounded));
    fits.then(|| (FactKey { room, key: fact.key.clone(), entry: fact.entry }, fact))
}

pub(super) fn key_hash(key: &FactKey, digest: Digest) -> KeyHash {
    digest(&disk_name(key))[..16].try_into().expect("a digest has 32 bytes")
}

fn disk_name(key: &FactKey) -> Vec<u8> {
    minicbor::to_vec((key.room.as_str(), &key.key, key.entry)).expect("writing to memory can't fail")
}
