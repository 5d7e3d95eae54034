//! A fact: one value, who wrote it, and when.

use minicbor::{Decode, Encode};

use crate::app::entry_id::EntryId;
use crate::app::view::Author;
use crate::id::{Digest, KeyHash, PublicId, Region, Room, UserId};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{NodeTime, Stamp};
use crate::trace::TraceContext;

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
    /// The click in its trace, where that is recorded. It is a part of the author's bytes like all else: two facts of one stamp are
    /// the same bytes on every node, so a fact that gets an earlier stamp again keeps it.
    #[n(12)]
    pub(crate) trace: Option<Box<TraceContext>>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeHash;
    use crate::time::Incarnation;

    /// A fact as a version writes and reads it that knows of no trace.
    #[derive(PartialEq, Debug, Encode, Decode)]
    struct OlderFact {
        #[n(0)]
        room: String,
        #[n(1)]
        key: String,
        #[n(2)]
        entry: Option<EntryId>,
        #[n(3)]
        cap: u16,
        #[n(4)]
        stamp: Stamp,
        #[n(5)]
        user: UserId,
        #[n(6)]
        region: Region,
        #[cbor(n(7), with = "minicbor::bytes")]
        value: Vec<u8>,
        #[n(8)]
        expires: NodeTime,
        #[cfg(feature = "later-version")]
        #[n(9)]
        later: Option<u64>,
        #[n(10)]
        removed: Option<bool>,
        #[n(11)]
        receipts: Option<bool>,
    }

    fn older() -> OlderFact {
        let (node, incarnation) = (NodeHash(1), Incarnation::new(1));
        OlderFact {
            room: "demo".to_owned(),
            key: "lamp".to_owned(),
            entry: None,
            cap: 0,
            stamp: Stamp { time: NodeTime(1_000), counter: 0, node, incarnation },
            user: UserId([1; 32]),
            region: Region::new("yyz").expect("a code"),
            value: b"on".to_vec(),
            expires: NodeTime(2_000),
            #[cfg(feature = "later-version")]
            later: Some(7),
            removed: None,
            receipts: None,
        }
    }

    fn written(fact: &impl Encode<()>) -> Vec<u8> {
        minicbor::to_vec(fact).expect("writing to memory can't fail")
    }

    #[test]
    fn a_fact_without_a_trace_is_that_of_an_older_version_byte_for_byte_and_one_with_it_is_read_there() {
        let bytes = written(&older());
        let (_, mut fact) = read(&bytes).expect("a fact");
        assert_eq!((&fact.trace, written(&fact)), (&None, bytes));
        fact.trace = TraceContext::new([1; 16], [2; 8], true).map(Box::new);
        let traced = written(&fact);
        assert_eq!(minicbor::decode::<OlderFact>(&traced).expect("a fact"), older());
        assert_eq!(read(&traced).expect("a fact").1, fact);
    }

    #[test]
    fn a_fact_whose_trace_is_none_is_refused() {
        let (_, mut fact) = read(&written(&older())).expect("a fact");
        fact.trace = TraceContext::new([1; 16], [2; 8], true).map(Box::new);
        let traced = written(&fact);
        let id_at = traced.len() - 25;
        let mut zero = traced.clone();
        zero[id_at..id_at + 16].fill(0);
        let mut short = traced.clone();
        // The length that stands before the bytes, and one byte fewer.
        short[id_at - 1] = 24;
        short.pop();
        for wrong in [zero, short, traced[..traced.len() - 1].to_vec()] {
            assert_eq!(read(&wrong), None);
        }
    }
}
