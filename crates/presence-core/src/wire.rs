//! The messages between nodes. Numbers of fields are never used again; unknown fields are skipped, unknown kinds ignored.
//!
//! A message is `GP`, the major version, a kind, then two CBOR values: the sender, and the body. A new kind is a line in one
//! of the lists below, a struct, and a handler in `node/inbound.rs`; `CONTRIBUTING.md` lists all places.

mod broadcasts;
mod receipts;
mod requests;
mod signature;

use minicbor::{Decode, Encode};

pub(crate) use self::broadcasts::{
    Bundle, CountedTable, Delta, Dismissed, Echo, HeardUpto, Heartbeat, HeldTable, KnownNodes, Leaving, NodeStatus,
    PublishedMessage, Relayed,
};
pub(crate) use self::receipts::{ReceiptBundle, ReceiptReport, ReportedRegion, ReportedWrite, SentReceipt};
pub(crate) use self::requests::{
    BucketStamps, BucketSums, BucketsRequest, Fetch, Hello, HelloAnswer, MessagesAnswer, MessagesRequest, Reachable,
    RowsAnswer, RowsRequest, Stamped, StampsRequest, TabMoved, TabMovedAnswer,
};
pub(crate) use self::signature::{sign, signature};
use crate::id::NodeName;
use crate::time::Incarnation;

const MAGIC: [u8; 3] = [b'G', b'P', 1];
/// The kind of every answer: its asker knows what it asked.
const ANSWER: u8 = 48;
/// A longer message is not read.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// About how many bytes of rows or facts go into one answer.
pub(crate) const PAGE_BYTES: usize = 250_000;

/// Why a message can't be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unreadable {
    /// Its kind is of a later version.
    UnknownKind,
    /// It is cut short, too long or no message.
    Malformed,
    /// One of its fields has a value that no node has.
    OutOfRange,
}

impl From<minicbor::decode::Error> for Unreadable {
    fn from(error: minicbor::decode::Error) -> Self {
        if error.is_message() { Self::OutOfRange } else { Self::Malformed }
    }
}

/// The node that sends a message.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct SenderId {
    #[n(0)]
    pub(crate) name: NodeName,
    #[n(1)]
    pub(crate) incarnation: Incarnation,
    #[n(2)]
    pub(crate) birth: u64,
}

/// Makes an enum of messages out of a list of kinds, with what writes, reads and names them.
macro_rules! kinds {
    ($(#[$doc:meta])* $list:ident { $($number:literal => $kind:ident($body:ty),)+ }) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Debug)]
        pub(crate) enum $list {
            $($kind($body),)+
        }

        impl $list {
            /// The message.
            pub(crate) fn write(&self, sender: &SenderId) -> Vec<u8> {
                match self {
                    $(Self::$kind(body) => write($number, sender, body),)+
                }
            }

            /// Who sends what.
            pub(crate) fn read(bytes: &[u8]) -> Result<(SenderId, Self), Unreadable> {
                let (kind, sender, body) = open(bytes)?;
                let message = match kind {
                    $($number => Self::$kind(minicbor::decode(body)?),)+
                    _ => return Err(Unreadable::UnknownKind),
                };
                Ok((sender, message))
            }

            fn name(kind: u8) -> Option<&'static str> {
                match kind {
                    $($number => Some(stringify!($kind)),)+
                    _ => None,
                }
            }
        }
    };
}

kinds! {
    /// What a node publishes.
    #[expect(clippy::large_enum_variant, reason = "each is written or read once, and none is kept")]
    Broadcast {
        1 => Heartbeat(Heartbeat),
        2 => Delta(Delta),
        3 => Facts(Bundle),
        4 => Draining(Leaving),
        5 => Goodbye(Leaving),
        6 => Relayed(Relayed),
        7 => Published(PublishedMessage),
        8 => Dismissed(Dismissed),
        9 => Receipts(ReceiptBundle),
        10 => ReceiptReport(ReceiptReport),
        11 => Status(NodeStatus),
    }
}

kinds! {
    /// What a node asks.
    Request {
        16 => Hello(Hello),
        17 => Rows(RowsRequest),
        18 => Buckets(BucketsRequest),
        19 => Stamps(StampsRequest),
        20 => Fetch(Fetch),
        21 => Offer(Bundle),
        22 => Messages(MessagesRequest),
        23 => TabMoved(TabMoved),
    }
}

/// The name of a message's kind: for tests and measurements.
#[doc(hidden)]
pub fn kind_name(bytes: &[u8]) -> Option<&'static str> {
    let kind = *bytes.strip_prefix(&MAGIC)?.first()?;
    let answer = (kind == ANSWER).then_some("Answer");
    Broadcast::name(kind).or_else(|| Request::name(kind)).or(answer)
}

/// An answer, of whatever kind the request was.
pub(crate) fn answer<T: Encode<()>>(sender: &SenderId, body: &T) -> Vec<u8> {
    write(ANSWER, sender, body)
}

/// Who answers what.
pub(crate) fn read_answer<T: for<'b> Decode<'b, ()>>(bytes: &[u8]) -> Option<(SenderId, T)> {
    let (kind, sender, body) = open(bytes).ok()?;
    if kind != ANSWER {
        return None;
    }
    Some((sender, minicbor::decode(body).ok()?))
}

fn write<T: Encode<()>>(kind: u8, sender: &SenderId, body: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(kind);
    minicbor::encode(sender, &mut bytes).expect("writing to memory can't fail");
    minicbor::encode(body, &mut bytes).expect("writing to memory can't fail");
    bytes
}

fn open(bytes: &[u8]) -> Result<(u8, SenderId, &[u8]), Unreadable> {
    let short = bytes.strip_prefix(&MAGIC).filter(|_| bytes.len() <= MESSAGE_BYTES_MAX);
    let (&kind, rest) = short.and_then(<[u8]>::split_first).ok_or(Unreadable::Malformed)?;
    let mut decoder = minicbor::Decoder::new(rest);
    let sender: SenderId = decoder.decode()?;
    let name = NodeName::new(sender.name.as_str()).ok_or(Unreadable::OutOfRange)?;
    Ok((kind, SenderId { name, ..sender }, &rest[decoder.position()..]))
}
