//! A published message.

use crate::id::{ConnectionId, StreamName};

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
