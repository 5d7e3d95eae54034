//! What a node asks another one, and the answers.

use minicbor::{Decode, Encode};

use crate::id::{KeyHash, NodeName, Region, TabId};
use crate::io::message::PastMessage;
use crate::presence::row::{Removed, Row, RowKey, TableKey};
use crate::time::{Incarnation, NodeTime, Stamp};

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Hello {
    #[n(0)]
    pub(crate) advertised: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct HelloAnswer {
    /// The greatest incarnation that is known of the asker's name.
    #[n(0)]
    pub(crate) known: Incarnation,
    #[n(1)]
    pub(crate) advertised: Vec<String>,
    /// Nodes heard, or that said hello, in the last 10 s.
    #[n(2)]
    pub(crate) nodes: Vec<Reachable>,
}

/// A node and where it can be dialled.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Reachable {
    #[n(0)]
    pub(crate) name: NodeName,
    #[n(1)]
    pub(crate) addresses: Vec<String>,
}

/// Rows of a node last changed in (after, upto].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct RowsRequest {
    #[n(0)]
    pub(crate) table: TableKey,
    #[n(1)]
    pub(crate) after: u64,
    #[n(2)]
    pub(crate) upto: u64,
    /// One page of an answer that was begun: exactly this range.
    #[n(3)]
    pub(crate) page: bool,
}

#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct RowsAnswer {
    /// Nothing is known of that table, or not enough.
    #[n(0)]
    pub(crate) unknown: bool,
    /// All rows numbered at or below `upto`: what is not named is gone.
    #[n(1)]
    pub(crate) all: bool,
    #[n(2)]
    pub(crate) upto: u64,
    /// Where the pages after this one end; the last is `upto`.
    #[n(3)]
    pub(crate) cuts: Vec<u64>,
    #[n(4)]
    pub(crate) rows: Vec<Row>,
    #[n(5)]
    pub(crate) removed: Vec<Removed>,
    /// For a node that left: how long its tabs are still held.
    #[n(6)]
    pub(crate) held_ms: Option<u64>,
    /// Its region.
    #[n(7)]
    pub(crate) region: Option<Region>,
    /// For a node that left: its last number.
    #[n(8)]
    pub(crate) ends: Option<u64>,
    /// Its node did not leave, but was killed and is back.
    #[cbor(n(9), default)]
    pub(crate) crashed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct BucketsRequest {
    #[n(0)]
    pub(crate) cut: NodeTime,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct BucketSums {
    /// 256 sums of 16 bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) sums: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct StampsRequest {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) buckets: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct BucketStamps {
    /// How many of the buckets asked for are answered, from the first.
    #[n(0)]
    pub(crate) buckets: u64,
    #[n(1)]
    pub(crate) stamps: Vec<Stamped>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Stamped {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) key: KeyHash,
    #[n(1)]
    pub(crate) stamp: Stamp,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Fetch {
    /// 16 bytes each.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) keys: Vec<u8>,
}

/// The messages that were published to a stream in the last ms.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct MessagesRequest {
    #[n(0)]
    pub(crate) stream: String,
    #[n(1)]
    pub(crate) age_ms: u64,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct MessagesAnswer {
    /// Whether that is all of them.
    #[n(0)]
    pub(crate) complete: bool,
    #[n(1)]
    pub(crate) messages: Vec<PastMessage>,
}

/// A tab has joined a room at the asker: the socket that it has elsewhere is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct TabMoved {
    #[n(0)]
    pub(crate) key: RowKey,
    #[n(1)]
    pub(crate) tab: TabId,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct TabMovedAnswer {
    /// The number that the row has at least once it shows that the tab is closed; none: the tab is not here.
    #[n(0)]
    pub(crate) seen: Option<u64>,
}
