//! Clocks, one type each, so that a moment of one can't be passed where another is meant; and stamps of writes.

use std::ops::{Add, AddAssign, Sub};

use minicbor::{Decode, Encode};

use crate::id::NodeHash;

/// The moment of an input.
///
/// ```
/// use presence_core::{Mono, Now, Wall};
///
/// let started = Now { mono: Mono(5_000), wall: Wall(1_800_000_000_000) };
/// let later = Now { mono: started.mono + 250, ..started };
/// assert_eq!(later.mono.since(started.mono), 250);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For deadlines.
    pub mono: Mono,
    /// For stamps.
    pub wall: Wall,
}

macro_rules! clock {
    ($(#[$doc:meta])* $vis:vis struct $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode, Decode)]
        #[cbor(transparent)]
        $vis struct $name(
            /// Milliseconds.
            #[n(0)]
            pub u64,
        );

        impl $name {
            /// Milliseconds since an earlier moment of the same clock; 0 if that is in fact later.
            $vis fn since(self, earlier: Self) -> u64 {
                self.0.saturating_sub(earlier.0)
            }
        }

        impl Add<u64> for $name {
            type Output = Self;

            fn add(self, ms: u64) -> Self {
                Self(self.0.saturating_add(ms))
            }
        }

        impl Sub<u64> for $name {
            type Output = Self;

            fn sub(self, ms: u64) -> Self {
                Self(self.0.saturating_sub(ms))
            }
        }

        impl AddAssign<u64> for $name {
            fn add_assign(&mut self, ms: u64) {
                *self = *self + ms;
            }
        }
    };
}

clock! {
    /// A clock that never jumps, in milliseconds since any moment: this process's own.
    pub struct Mono
}

clock! {
    /// A machine's clock, in milliseconds since 1970: it may be wrong.
    pub struct Wall
}

clock! {
    /// Node time in milliseconds since 1970: the machine's clock, or that of most nodes where this machine's runs far ahead.
    pub(crate) struct NodeTime
}

impl Mono {
    /// The second that it falls into, to count what happens in one.
    pub(crate) fn second(self) -> u64 {
        self.0 / 1_000
    }
}

/// What a node takes for the time at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeClock {
    pub(crate) wall: Wall,
    pub(crate) time: NodeTime,
    /// The latest stamp that is believed.
    pub(crate) limit: NodeTime,
}

/// The moment of a write. Ordered by time, then counter, then author; no two writes have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub(crate) struct Stamp {
    /// The greatest clock that its author knew of.
    #[n(0)]
    pub(crate) time: NodeTime,
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
