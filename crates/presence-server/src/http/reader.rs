//! Who reads counts. What the operator asks for is never refused for what others did.

use std::net::IpAddr;

use crate::queries::Priority;

/// Who reads counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CountsReader {
    /// The holder of a key for all sites.
    Operator,
    /// Anybody at this address, also with a key of one site: there may be many sites.
    Anybody(IpAddr),
}

impl CountsReader {
    pub(super) fn priority(self) -> Priority {
        match self {
            Self::Operator => Priority::Operator,
            Self::Anybody(_) => Priority::Ordinary,
        }
    }
}
