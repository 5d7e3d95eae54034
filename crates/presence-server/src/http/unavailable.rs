//! Why a node does not take a request now.

use axum::http::StatusCode;

use crate::problem::Problem;

/// A visitor that was refused for want of memory may try again after this many seconds.
const MEMORY_RETRY_S: u32 = 10;

/// Why a node does not take a request now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unavailable {
    /// The node is about to stop.
    Draining,
    /// All connections but the reserve are taken.
    Full,
    /// The node uses nearly all the memory that it may.
    Memory,
    /// The visitor's address holds all the sockets that it may.
    AddressLimit,
    /// The driver is behind.
    Overloaded,
}

impl Unavailable {
    pub(super) const ALL: [Self; 5] = [Self::Draining, Self::Full, Self::Memory, Self::AddressLimit, Self::Overloaded];

    /// The word in metrics.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Draining => "draining",
            Self::Full => "node_full",
            Self::Memory => "memory",
            Self::AddressLimit => "address",
            Self::Overloaded => "overloaded",
        }
    }
}

impl From<Unavailable> for Problem {
    fn from(reason: Unavailable) -> Self {
        let (status, detail) = match reason {
            Unavailable::Draining => (
                StatusCode::SERVICE_UNAVAILABLE,
                "This node is about to stop. Connect again: another node will answer.",
            ),
            Unavailable::Full => (StatusCode::SERVICE_UNAVAILABLE, "This node is full. Try again, or another node."),
            Unavailable::Memory => (
                StatusCode::SERVICE_UNAVAILABLE,
                "This node has no memory left for more visitors. Try again, or another node.",
            ),
            Unavailable::AddressLimit => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many sockets are open from your network. Close some pages and try again.",
            ),
            Unavailable::Overloaded => {
                (StatusCode::SERVICE_UNAVAILABLE, "This node is overloaded. Try again in a second.")
            }
        };
        let problem = Self::new(status, detail);
        if reason == Unavailable::Memory { problem.retry_after(MEMORY_RETRY_S) } else { problem }
    }
}
