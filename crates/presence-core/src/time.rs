//! Clocks, one type each, so that a moment of one can't be passed where another is meant; and stamps of writes.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use minicbor::decode::Error;
use minicbor::{Decode, Decoder, Encode};

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

/// Which start of a node: the greater one is the later one. The wall clock's ms at that start, or one more than before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode)]
#[cbor(transparent)]
pub(crate) struct Incarnation(#[n(0)] u64);

impl Incarnation {
    /// Before any start.
    pub(crate) const NONE: Self = Self(0);
    /// A clock of the year 10,889. What is greater is refused, so that there is always a next one.
    pub(crate) const MAX: Self = Self(1 << 48);
    /// How far past this node's clock another node may say that this node's last start was: a clock that was set back by
    /// more is wrong for longer than any fact lasts.
    const AHEAD_MAX_MS: u64 = 400 * 86_400_000;

    /// The incarnation of this number, or the greatest one.
    pub(crate) fn new(number: u64) -> Self {
        Self(number.min(Self::MAX.0))
    }

    /// Reads what `Display` writes. A number that no node has stands for the greatest one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self::new)
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }

    /// The one after it; `None` where there is none.
    pub(crate) fn next(self) -> Option<Self> {
        (self < Self::MAX).then(|| Self(self.0 + 1))
    }

    /// Whether another node is believed that it knows this one of ours: kept on disk, it would stay for good.
    pub(crate) fn is_credible(self, ours: Self, wall: Wall) -> bool {
        self.0 <= (wall + Self::AHEAD_MAX_MS).0.max(ours.0)
    }
}

impl<'b, C> Decode<'b, C> for Incarnation {
    fn decode(decoder: &mut Decoder<'b>, _: &mut C) -> Result<Self, Error> {
        let number = decoder.u64()?;
        (number <= Self::MAX.0).then_some(Self(number)).ok_or_else(|| Error::message("an incarnation out of range"))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
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
    pub(crate) incarnation: Incarnation,
}
