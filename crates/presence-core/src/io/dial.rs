//! How a dial ended.

use crate::id::{LinkId, NodeHash};

/// A link that a dial made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Linked {
    /// Which link; never used again for another one.
    pub link: LinkId,
    /// The node at its other end, as its certificate names it: the only one that may speak there.
    pub node: NodeHash,
}

/// Why a dial made no link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DialError {
    /// Its certificate is of another authority: the two nodes have different secrets.
    WrongSecret,
    /// It speaks another version of the protocol between nodes.
    OtherVersion,
    /// Its certificate is not valid for the address that was dialled, or for the name that it gave.
    WrongName,
    /// It refused the link: it is closing, or too many handshakes are in progress there.
    Refused,
    /// Nothing answered in time.
    NoAnswer,
    /// The address can't be dialled from this machine.
    Unreachable,
    /// Too many other dials are under way here, or this node is closing.
    Busy,
    /// Another program answered.
    Protocol,
}

impl DialError {
    /// Every reason, in the order of [`DialError::index`].
    pub const ALL: [Self; 8] = [
        Self::WrongSecret,
        Self::OtherVersion,
        Self::WrongName,
        Self::Refused,
        Self::NoAnswer,
        Self::Unreachable,
        Self::Busy,
        Self::Protocol,
    ];

    /// Its place in [`DialError::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// A short name for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::WrongSecret => "wrong_secret",
            Self::OtherVersion => "other_version",
            Self::WrongName => "wrong_name",
            Self::Refused => "refused",
            Self::NoAnswer => "no_answer",
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::Protocol => "protocol",
        }
    }

    /// Whether only a changed setting can help, however often the address is dialled.
    pub fn needs_operator(self) -> bool {
        matches!(self, Self::WrongSecret | Self::OtherVersion | Self::WrongName)
    }
}

impl std::fmt::Display for DialError {
    /// A sentence that goes on after the address: "…: it does not answer."
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::WrongSecret => "it does not know our GP_SECRET, which must be the same on every node.",
            Self::OtherVersion => "it speaks another version of the protocol between nodes; upgrade the older of the two.",
            Self::WrongName => {
                "its certificate is not valid for that address; add the address to the certificate, or dial a name that it holds."
            }
            Self::Refused => "it refused the link; it is closing, or busy with other dials.",
            Self::NoAnswer => "it does not answer.",
            Self::Unreachable => "this machine has no route to that address.",
            Self::Busy => "this node is busy with other dials.",
            Self::Protocol => "another program answers there.",
        })
    }
}
