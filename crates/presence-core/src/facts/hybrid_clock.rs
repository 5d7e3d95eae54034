//! Hybrid logical stamps: a write made after seeing another one is later, however wrong the clocks are.
//!
//! After Kulkarni, Demirbas et al., "Logical Physical Clocks" (2014).

use crate::id::NodeHash;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Stamp;

/// The clock that gives stamps.
#[derive(Clone, Debug)]
pub(crate) struct HybridClock {
    node: NodeHash,
    incarnation: u64,
    time_ms: u64,
    counter: u32,
}

impl HybridClock {
    pub(crate) fn new(node: NodeHash, incarnation: u64) -> Self {
        Self { node, incarnation, time_ms: 0, counter: 0 }
    }

    /// A stamp later than all that were given or seen.
    pub(crate) fn stamp(&mut self, wall_ms: u64) -> Stamp {
        if wall_ms > self.time_ms {
            (self.time_ms, self.counter) = (wall_ms, 0);
        } else if let Some(next) = self.counter.checked_add(1) {
            self.counter = next;
        } else {
            (self.time_ms, self.counter) = (self.time_ms + 1, 0);
        }
        Stamp { time_ms: self.time_ms, counter: self.counter, node: self.node, incarnation: self.incarnation }
    }

    /// Takes note of somebody's stamp: what is stamped here from now on is later.
    pub(crate) fn see(&mut self, stamp: Stamp) {
        if injected(Fault::BlindClock) {
            return;
        }
        (self.time_ms, self.counter) = (self.time_ms, self.counter).max((stamp.time_ms, stamp.counter));
    }

    /// The node has another incarnation from now on.
    pub(crate) fn rename(&mut self, incarnation: u64) {
        self.incarnation = incarnation;
    }

    /// Forgets what it has seen beyond `wall_ms`: for a clock that ran far ahead of everybody's.
    pub(crate) fn set_back(&mut self, wall_ms: u64) {
        (self.time_ms, self.counter) = (wall_ms, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_later_than_all_seen_even_when_the_clock_is_behind() {
        let mut ahead = HybridClock::new(NodeHash(1), 1);
        let mut behind = HybridClock::new(NodeHash(2), 1);
        let first = ahead.stamp(10_000);
        behind.see(first);
        let second = behind.stamp(3_000);
        ahead.see(second);
        let third = ahead.stamp(10_000);
        assert!(first < second && second < third, "{first:?} {second:?} {third:?}");
    }

    #[test]
    fn the_counter_never_wraps() {
        let mut clock = HybridClock::new(NodeHash(1), 1);
        clock.see(Stamp { time_ms: 5, counter: u32::MAX, node: NodeHash(9), incarnation: 1 });
        let next = clock.stamp(5);
        assert_eq!((next.time_ms, next.counter), (6, 0));
    }
}
