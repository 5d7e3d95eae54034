//! A fact: one value, who wrote it, and when.

use minicbor::{Decode, Encode};

use crate::app::entry_id::EntryId;
use crate::app::view::Author;
use crate::id::{Digest, KeyHash, PublicId, Region, Room, UserId};
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

/// One value of a register, or one entry of a log; the key says whether it is a part of something else.
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
    /// `Some(true)`: each region tells the author's node when its pages show it.
    #[n(11)]
    pub(crate) receipts: Option<bool>,
}

impl Fact {
    pub(crate) fn is_removed(&self) -> bool {
        self.removed == Some(true)
    }
}

/// A write that asks for receipts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReceiptsAsked {
    pub(crate) stamp: Stamp,
    pub(crate) author: Author,
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
    /// Who wrote or removed it; what an operator removed has no author.
    pub(crate) fn author(&self) -> Option<UserId> {
        (self.fact.user != UserId([0; 32])).then_some(self.fact.user)
    }

    /// Its author as a view names it.
    pub(crate) fn shown_author(&self) -> Author {
        Author { user: self.fact.user, public: self.public, region: self.fact.region.clone() }
    }

    /// What is told about it, if it asks for receipts.
    pub(super) fn receipts_asked(&self) -> Option<ReceiptsAsked> {
        let asks = self.fact.receipts == Some(true) && !self.fact.is_removed();
        asks.then(|| ReceiptsAsked { stamp: self.fact.stamp, author: self.shown_author() })
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
