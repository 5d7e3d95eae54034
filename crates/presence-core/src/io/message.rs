//! A published message.

use minicbor::{Decode, Encode};

use crate::id::{ConnectionId, NodeHash, StreamName};

/// A message for all who listen to a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// Who it is for.
    pub stream: StreamName,
    /// JSON text, at most 64 KiB; longer ones are not sent.
    pub body: Vec<u8>,
    /// Whether it is for the stream's history, too.
    pub kept: bool,
    /// A browser said it, no server: a page must not perform it.
    pub whispered: bool,
    /// The connection of this node that it is not for: the one that sent it.
    pub from: Option<ConnectionId>,
}

impl Message {
    /// Longest body in bytes.
    pub const BODY_BYTES_MAX: usize = 64 * 1_024;
}

/// Which message that is, the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub struct MessageId {
    /// The node that took it.
    #[n(0)]
    pub author: NodeHash,
    /// Which start of that node.
    #[n(1)]
    pub incarnation: u64,
    /// Its number among those that this start published.
    #[n(2)]
    pub number: u64,
}

/// A message of a stream's history, as one node has it for another.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub struct PastMessage {
    /// Which one.
    #[n(0)]
    pub id: MessageId,
    /// How long ago it came to the node that has it.
    #[n(1)]
    pub age_ms: u64,
    /// JSON text.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub body: Vec<u8>,
}

impl PastMessage {
    /// Most messages of one stream that a node keeps, or says at a time.
    pub const COUNT_MAX: usize = 100;
    /// Most bytes of bodies that a node says at a time; more are not fetched.
    pub const BYTES_MAX: usize = 512 * 1_024;
}
