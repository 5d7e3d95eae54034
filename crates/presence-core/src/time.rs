//! Moments: when an input came, and when something was written.

use minicbor::{Decode, Encode};

use crate::id::NodeHash;

/// The moment of an input. Deadlines use only the first clock, stamps only the second.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// Milliseconds of a clock that never jumps.
    pub mono_ms: u64,
    /// Milliseconds since 1970 of a clock that may be wrong.
    pub wall_ms: u64,
}

/// The moment of a write. Ordered by time, then counter, then author; no two writes have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub(crate) struct Stamp {
    /// Ms since 1970, by the greatest clock that its author knew of.
    #[n(0)]
    pub(crate) time_ms: u64,
    /// Tells writes of one millisecond apart.
    #[n(1)]
    pub(crate) counter: u32,
    /// The node that took the write.
    #[n(2)]
    pub(crate) node: NodeHash,
    /// Its incarnation.
    #[n(3)]
    pub(crate) incarnation: u64,
}
