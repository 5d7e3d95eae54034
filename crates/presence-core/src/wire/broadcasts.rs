//! What a node publishes to all nodes that read it.

use minicbor::{Decode, Encode};

use crate::id::{NodeHash, Region};
use crate::presence::row::{Removed, Row, TableKey};
use crate::time::NodeTime;
use crate::wire::Broadcast;

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct Heartbeat {
    #[n(0)]
    pub(crate) region: Region,
    #[n(1)]
    pub(crate) place: String,
    #[n(2)]
    pub(crate) location: Option<(f64, f64)>,
    /// Its rows change no longer.
    #[n(3)]
    pub(crate) draining: bool,
    /// By the clocks of the sender.
    #[n(4)]
    pub(crate) wall_ms: u64,
    /// Comes back in echoes.
    #[n(5)]
    pub(crate) mono_ms: u64,
    /// Greatest major version spoken.
    #[n(6)]
    pub(crate) formats: u8,
    #[n(7)]
    pub(crate) sequence: u64,
    #[cbor(n(8), with = "minicbor::bytes")]
    pub(crate) rows_root: [u8; 16],
    #[n(9)]
    pub(crate) cut: NodeTime,
    #[cbor(n(10), with = "minicbor::bytes")]
    pub(crate) facts_root: [u8; 16],
    /// Nodes that the sender heard directly in the last 1.5 s; none where `unheard` says it.
    #[n(11)]
    pub(crate) hears: Vec<NodeHash>,
    /// Tables of nodes that left lately, some of them in turn.
    #[n(12)]
    pub(crate) left: Vec<TableKey>,
    #[n(13)]
    pub(crate) echoes: Vec<Echo>,
    /// What the sender holds of those in `left`, in the same order.
    #[cbor(n(14), default)]
    pub(crate) held: Vec<HeldTable>,
    /// How many messages it has published. A version before this field does not say.
    #[n(15)]
    pub(crate) published: Option<u64>,
    /// For how long it has received every message.
    #[n(16)]
    pub(crate) complete_ms: Option<u64>,
    /// What it received of authors that are gone, some of them in turn.
    #[cbor(n(17), default)]
    pub(crate) heard_upto: Vec<HeardUpto>,
    /// What the sender counts of some other nodes, in turn.
    #[cbor(n(18), default)]
    pub(crate) counted: Vec<CountedTable>,
    /// In a large mesh: which nodes the sender knows. A version before this field does not say.
    #[n(19)]
    pub(crate) known: Option<KnownNodes>,
    /// Those of the known nodes that it does not hear directly: it hears all others.
    #[n(20)]
    pub(crate) unheard: Option<Vec<NodeHash>>,
}

/// The nodes that a node knows, itself included, for comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct KnownNodes {
    #[n(0)]
    pub(crate) count: u64,
    /// Of their hashes.
    #[n(1)]
    pub(crate) sum: u64,
}

/// How much a node received of an author that is gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct HeardUpto {
    #[n(0)]
    pub(crate) table: TableKey,
    /// The number of the last message before one that is missing.
    #[n(1)]
    pub(crate) upto: u64,
    #[n(2)]
    pub(crate) gone_ms: u64,
}

/// What a node counts of another one's rows, for that one to compare.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct CountedTable {
    #[n(0)]
    pub(crate) table: TableKey,
    /// The number up to which nothing is missed.
    #[n(1)]
    pub(crate) upto: u64,
    /// How many rows count: none of a node that is silent.
    #[n(2)]
    pub(crate) rows: u64,
}

/// What a node holds of one that left, for comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct HeldTable {
    /// How long its tabs still count; 0: they have run out.
    #[n(0)]
    pub(crate) left_ms: u64,
    /// The number up to which nothing is missed.
    #[n(1)]
    pub(crate) contiguous_upto: u64,
    /// Its rows changed no longer after that number.
    #[n(2)]
    pub(crate) complete: bool,
    /// The lower half of the root of its rows, as far as they are known.
    #[n(3)]
    pub(crate) root: u64,
    /// Its node was killed and is back: it did not leave on purpose.
    #[cbor(n(4), default)]
    pub(crate) crashed: bool,
}

/// Gives a heartbeat's moment back to its sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Echo {
    #[n(0)]
    pub(crate) to: NodeHash,
    #[n(1)]
    pub(crate) mono_ms: u64,
    #[n(2)]
    pub(crate) held_ms: u64,
}

/// Everything that the sender changed in (after, upto].
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Delta {
    #[n(0)]
    pub(crate) after: u64,
    #[n(1)]
    pub(crate) upto: u64,
    #[n(2)]
    pub(crate) rows: Vec<Row>,
    #[n(3)]
    pub(crate) removed: Vec<Removed>,
}

/// Facts, each as its author's bytes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct Bundle {
    #[n(0)]
    pub(crate) facts: Vec<minicbor::bytes::ByteVec>,
}

/// The sender goes on purpose: its tabs are held for that long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Leaving {
    #[n(0)]
    pub(crate) sequence: u64,
    #[n(1)]
    pub(crate) left_ms: u64,
    /// How many messages it has published. A version before this field does not say.
    #[n(2)]
    pub(crate) published: Option<u64>,
}

/// What another node published, for a node that can't hear it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Relayed {
    /// Since it was heard.
    #[n(0)]
    pub(crate) age_ms: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) message: Vec<u8>,
}

impl Broadcast {
    /// Whether its author signs it: what it says of its author and of its rows is believed when another node relays it.
    /// Facts are anyone's to carry, and what is published is no one's row.
    pub(crate) fn is_signed(&self) -> bool {
        self.proves_sender() || matches!(self, Self::Delta(_) | Self::Status(_))
    }

    /// Whether it shows first whose a link is. Rows do not: a node of an earlier version does not sign them.
    pub(crate) fn proves_sender(&self) -> bool {
        match self {
            Self::Heartbeat(_) | Self::Draining(_) | Self::Goodbye(_) => true,
            Self::Delta(_) | Self::Facts(_) | Self::Relayed(_) | Self::Published(_) | Self::Dismissed(_) => false,
            Self::Receipts(_) | Self::ReceiptReport(_) | Self::Status(_) => false,
        }
    }
}

/// A message for all listeners of a stream.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct PublishedMessage {
    /// Rising, for one incarnation of the sender.
    #[n(0)]
    pub(crate) number: u64,
    #[n(1)]
    pub(crate) stream: String,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) body: Vec<u8>,
    #[n(3)]
    pub(crate) kept: bool,
    #[n(4)]
    pub(crate) whispered: bool,
}

/// A user is to leave a room.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Dismissed {
    #[n(0)]
    pub(crate) room: String,
    /// As the room's visitors see them.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) user: [u8; 32],
}

/// What a node says of itself to operators. Only the newest counts: it is not numbered, and a lost one is not missed.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct NodeStatus {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) body: Vec<u8>,
}

impl NodeStatus {
    /// A longer one is neither sent nor read.
    pub(crate) const BYTES_MAX: usize = 32 * 1_024;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::RowsAnswer;

    /// What an older version writes: one field fewer.
    fn older<T: Encode<()>>(value: &T, fields: u8) -> Vec<u8> {
        let mut bytes = minicbor::to_vec(value).expect("writing to memory can't fail");
        assert_eq!((bytes[0], bytes.pop()), (0x80 | fields, Some(0xf4)), "the last field is false");
        bytes[0] -= 1;
        bytes
    }

    #[test]
    fn what_an_older_version_says_of_a_held_table_is_no_crash() {
        let held = HeldTable { left_ms: 7, contiguous_upto: 8, complete: true, root: 9, crashed: false };
        assert_eq!(minicbor::decode::<HeldTable>(&older(&held, 5)).expect("an older one"), held);
        let answer = RowsAnswer { held_ms: Some(7), ends: Some(8), ..RowsAnswer::default() };
        assert_eq!(minicbor::decode::<RowsAnswer>(&older(&answer, 10)).expect("an older one"), answer);
    }
}
