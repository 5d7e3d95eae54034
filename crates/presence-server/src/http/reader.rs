//! Who reads counts. What the holder of the API key asks for is never refused for what others did.

use std::net::IpAddr;

/// Who reads counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CountsReader {
    /// The holder of the key.
    Key,
    /// Anybody at this address.
    Anybody(IpAddr),
}
