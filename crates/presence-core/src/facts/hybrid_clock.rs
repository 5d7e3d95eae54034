//! Hybrid logical stamps: a write made after seeing another one is later, however wrong the clocks are.
//!
//! After Kulkarni, Demirbas et al., "Logical Physical Clocks" (2014).

use crate::id::NodeHash;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Incarnation, NodeTime, Stamp};

/// The clock that gives stamps.
#[derive(Clone, Debug)]
pub(crate) struct HybridClock {
    node: NodeHash,
    incarnation: Incarnation,
    time: NodeTime,
    counter: u32,
}

impl HybridClock {
    pub(crate) fn new(node: NodeHash, incarnation: Incarnation) -> Self {
        Self { node, incarnation, time: NodeTime(0), counter: 0 }
    }

    /// A stamp later than all that were given or seen.
    pub(crate) fn stamp(&mut self, time: NodeTime) -> Stamp {
        if time > self.time {
            (self.time, self.counter) = (time, 0);
        } else if let Some(next) = self.counter.checked_add(1) {
            self.counter = next;
        } else {
            (self.time, self.counter) = (self.time + 1, 0);
        }
        Stamp { time: self.time, counter: self.counter, node: self.node, incarnation: self.incarnation }
    }

    /// Takes note of another stamp: what is stamped here from now on is later.
    pub(crate) fn see(&mut self, stamp: Stamp) {
        if injected(Fault::BlindClock) {
            return;
        }
        (self.time, self.counter) = (self.time, self.counter).max((stamp.time, stamp.counter));
    }

    /// The node has another incarnation from now on.
    pub(crate) fn adopt_incarnation(&mut self, incarnation: Incarnation) {
        self.incarnation = incarnation;
    }

    /// Forgets what it has seen beyond `time`: for a clock that ran far ahead of the others'.
    pub(crate) fn set_back(&mut self, time: NodeTime) {
        (self.time, self.counter) = (time, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_later_than_all_seen_even_when_the_clock_is_behind() {
        let mut ahead = HybridClock::new(NodeHash(1), Incarnation::new(1));
        let mut behind = HybridClock::new(NodeHash(2), Incarnation::new(1));
        let first = ahead.stamp(NodeTime(10_000));
        behind.see(first);
        let second = behind.stamp(NodeTime(3_000));
        ahead.see(second);
        let third = ahead.stamp(NodeTime(10_000));
        assert!(first < second && second < third, "{first:?} {second:?} {third:?}");
    }

    #[test]
    fn the_counter_never_wraps() {
        let mut clock = HybridClock::new(NodeHash(1), Incarnation::new(1));
        clock.see(Stamp { time: NodeTime(5), counter: u32::MAX, node: NodeHash(9), incarnation: Incarnation::new(1) });
        let next = clock.stamp(NodeTime(5));
        assert_eq!((next.time, next.counter), (NodeTime(6), 0));
    }
}
