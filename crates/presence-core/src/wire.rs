//! The messages between nodes. Numbers of fields are never used again; unknown fields are skipped, unknown kinds ignored.
//!
//! A message is `GP`, the major version, a kind, then two CBOR values: who sends, and the body.

use minicbor::{Decode, Encode};

use crate::facts::KeyHash;
use crate::id::{NodeHash, NodeName, Region};
use crate::presence::row::{Removed, Row, TableKey};
use crate::time::Stamp;

const MAGIC: [u8; 3] = [b'G', b'P', 1];
/// Whatever is longer is not read.
pub(crate) const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// About how many bytes of rows or facts go into one answer.
pub(crate) const PAGE_BYTES: usize = 250_000;

/// Who speaks.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Sender {
    #[n(0)]
    pub(crate) name: NodeName,
    #[n(1)]
    pub(crate) incarnation: u64,
    #[n(2)]
    pub(crate) birth: u64,
}

/// What a node publishes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Broadcast {
    Heartbeat(Heartbeat),
    Delta(Delta),
    Facts(Bundle),
    Draining(Leaving),
    Goodbye(Leaving),
    Relayed(Relayed),
    Published(Published),
    Dismissed(Dismissed),
}

/// What a node asks.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Request {
    Hello(Hello),
    Rows(RowsRequest),
    Buckets(BucketsRequest),
    Stamps(StampsRequest),
    Fetch(Fetch),
    Offer(Bundle),
}

#[derive(Clone, PartialEq, Debug, Encode, Decode)]
pub(crate) struct Heartbeat {
    #[n(0)]
    pub(crate) region: Region,
    #[n(1)]
    pub(crate) place: String,
    #[n(2)]
    pub(crate) location: Option<(f64, f64)>,
    /// Rows change no more.
    #[n(3)]
    pub(crate) draining: bool,
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
    pub(crate) cut_ms: u64,
    #[cbor(n(10), with = "minicbor::bytes")]
    pub(crate) facts_root: [u8; 16],
    /// Whom the sender heard directly in the last 1.5 s.
    #[n(11)]
    pub(crate) hears: Vec<NodeHash>,
    /// Who left lately, some of them in turn.
    #[n(12)]
    pub(crate) left: Vec<TableKey>,
    #[n(13)]
    pub(crate) echoes: Vec<Echo>,
    /// What the sender holds of those in `left`, in the same order.
    #[cbor(n(14), default)]
    pub(crate) held: Vec<Held>,
}

/// What a node holds of one that left, for comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Held {
    /// How long its tabs still count; 0: they have run out.
    #[n(0)]
    pub(crate) left_ms: u64,
    /// The number up to which nothing is missed.
    #[n(1)]
    pub(crate) whole: u64,
    /// Its rows changed no more after that number.
    #[n(2)]
    pub(crate) complete: bool,
    /// The lower half of the root of its rows, as far as they are known.
    #[n(3)]
    pub(crate) root: u64,
}

/// Gives a heartbeat's moment back to who sent it.
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

/// The sender goes on purpose: its tabs are held for so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Leaving {
    #[n(0)]
    pub(crate) sequence: u64,
    #[n(1)]
    pub(crate) left_ms: u64,
}

/// What another node published, for one that can't hear it.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Relayed {
    /// Since it was heard.
    #[n(0)]
    pub(crate) age_ms: u64,
    #[cbor(n(1), with = "minicbor::bytes")]
    pub(crate) message: Vec<u8>,
}

/// A message for all who listen to a stream.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Published {
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

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Hello {
    #[n(0)]
    pub(crate) advertised: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct HelloAnswer {
    /// The greatest incarnation that is known of the asker's name.
    #[n(0)]
    pub(crate) known: u64,
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
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct BucketsRequest {
    #[n(0)]
    pub(crate) cut_ms: u64,
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
    pub(crate) parts: Vec<u8>,
}

#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct BucketStamps {
    /// How many of the parts asked for are answered, from the first.
    #[n(0)]
    pub(crate) parts: u64,
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

impl Broadcast {
    /// The message.
    pub(crate) fn write(&self, sender: &Sender) -> Vec<u8> {
        match self {
            Self::Heartbeat(body) => write(1, sender, body),
            Self::Delta(body) => write(2, sender, body),
            Self::Facts(body) => write(3, sender, body),
            Self::Draining(body) => write(4, sender, body),
            Self::Goodbye(body) => write(5, sender, body),
            Self::Relayed(body) => write(6, sender, body),
            Self::Published(body) => write(7, sender, body),
            Self::Dismissed(body) => write(8, sender, body),
        }
    }

    /// Who says what; `None` where it can't be read.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Sender, Self)> {
        let (kind, sender, body) = open(bytes)?;
        let said = match kind {
            1 => Self::Heartbeat(minicbor::decode(body).ok()?),
            2 => Self::Delta(minicbor::decode(body).ok()?),
            3 => Self::Facts(minicbor::decode(body).ok()?),
            4 => Self::Draining(minicbor::decode(body).ok()?),
            5 => Self::Goodbye(minicbor::decode(body).ok()?),
            6 => Self::Relayed(minicbor::decode(body).ok()?),
            7 => Self::Published(minicbor::decode(body).ok()?),
            8 => Self::Dismissed(minicbor::decode(body).ok()?),
            _ => return None,
        };
        Some((sender, said))
    }
}

impl Request {
    /// The query.
    pub(crate) fn write(&self, sender: &Sender) -> Vec<u8> {
        match self {
            Self::Hello(body) => write(16, sender, body),
            Self::Rows(body) => write(17, sender, body),
            Self::Buckets(body) => write(18, sender, body),
            Self::Stamps(body) => write(19, sender, body),
            Self::Fetch(body) => write(20, sender, body),
            Self::Offer(body) => write(21, sender, body),
        }
    }

    /// Who asks what; `None` where it can't be read.
    pub(crate) fn read(bytes: &[u8]) -> Option<(Sender, Self)> {
        let (kind, sender, body) = open(bytes)?;
        let asked = match kind {
            16 => Self::Hello(minicbor::decode(body).ok()?),
            17 => Self::Rows(minicbor::decode(body).ok()?),
            18 => Self::Buckets(minicbor::decode(body).ok()?),
            19 => Self::Stamps(minicbor::decode(body).ok()?),
            20 => Self::Fetch(minicbor::decode(body).ok()?),
            21 => Self::Offer(minicbor::decode(body).ok()?),
            _ => return None,
        };
        Some((sender, asked))
    }
}

/// An answer, of whatever kind the question was.
pub(crate) fn answer<T: Encode<()>>(sender: &Sender, body: &T) -> Vec<u8> {
    write(48, sender, body)
}

/// Who answers what.
pub(crate) fn read_answer<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Option<(Sender, T)> {
    let (kind, sender, body) = open(bytes)?;
    if kind != 48 {
        return None;
    }
    Some((sender, minicbor::decode(body).ok()?))
}

fn write<T: Encode<()>>(kind: u8, sender: &Sender, body: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(kind);
    minicbor::encode(sender, &mut bytes).expect("writing to memory can't fail");
    minicbor::encode(body, &mut bytes).expect("writing to memory can't fail");
    bytes
}

fn open(bytes: &[u8]) -> Option<(u8, Sender, &[u8])> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return None;
    }
    let (&kind, rest) = bytes.strip_prefix(&MAGIC)?.split_first()?;
    let mut decoder = minicbor::Decoder::new(rest);
    let sender: Sender = decoder.decode().ok()?;
    let sender = Sender { name: NodeName::new(sender.name.as_str())?, ..sender };
    Some((kind, sender, &rest[decoder.position()..]))
}
