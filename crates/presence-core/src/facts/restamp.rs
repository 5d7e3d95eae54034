//! Restamping: facts that this node stamped with a clock that ran far ahead get an earlier stamp, once only, or they would
//! win over what was written after them.

use std::collections::BTreeMap;

use crate::facts::Facts;
use crate::facts::fact::{self, Fact, FactKey, StoredFact};
use crate::membership::clock_skew::{FUTURE_MS, NEAR_MS};
use crate::outputs::Outputs;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{NodeClock, Stamp};

/// Most restamps that are remembered.
const RESTAMPS_MAX: usize = 1_024;

/// The stamps of restamped facts: the one that a fact had, and the one that it has instead.
#[derive(Debug, Default)]
pub(super) struct Restamps(BTreeMap<Stamp, Stamp>);

impl Restamps {
    /// The stamp to use instead of `before`: the same each time. A node that hears only clocks that run ahead sends the fact
    /// back with its old stamp, and a new stamp by those clocks could be later than what was written after it.
    fn instead_of(&mut self, before: Stamp, restamped: Stamp) -> Stamp {
        let restamped = *self.0.entry(before).or_insert(restamped);
        if self.0.len() > RESTAMPS_MAX {
            self.0.pop_first();
        }
        restamped
    }
}

impl Facts {
    /// Handles a restamped fact that another node sends back with its old stamp. While this node hears only clocks that run
    /// ahead, it would believe that stamp. What this node has written over the fact since then must win, so it is stamped
    /// again, later than the old stamp. Returns whether that was necessary.
    pub(super) fn was_replaced_since(&mut self, bytes: &[u8], clock: NodeClock, out: &mut Outputs) -> bool {
        if self.restamps.0.is_empty() {
            return false;
        }
        let Some((key, back)) = fact::read(bytes).filter(|(_, fact)| fact.stamp.time <= clock.limit) else {
            return false;
        };
        let Some(restamped) = self.restamps.0.get(&back.stamp).copied() else { return false };
        let Some(known) = self.store.get_own(&key).map(|stored| stored.fact.clone()) else { return false };
        if known.stamp <= restamped || known.stamp >= back.stamp {
            return false;
        }
        self.clock.see(back.stamp);
        let stamp = self.stamp(clock, out);
        let (before, lasts_ms) = (known.stamp, known.expires.since(known.stamp.time));
        self.keep(&Fact { stamp, expires: stamp.time + lasts_ms, ..known }, clock, out);
        // Once the late stamp is no longer believed, the fact gets its first stamp back: it must win over nothing else.
        self.restamps.instead_of(stamp, before);
        true
    }

    /// Restamps what this node stamped too far ahead.
    pub(super) fn restamp_ahead(&mut self, clock: NodeClock, out: &mut Outputs) {
        let later = self.store.keys_later_than(clock.limit).into_iter();
        let ahead: Vec<FactKey> = later.filter(|key| self.store.get_own(key).is_some()).collect();
        // A time far from this node's clock is more likely wrong than this clock.
        let near = clock.wall.0.abs_diff(clock.time.0) <= NEAR_MS || injected(Fault::AnyClock);
        if ahead.is_empty() || !near || injected(Fault::NotRestamped) {
            return;
        }
        let text = "The clock of this machine ran far ahead of the other nodes': the latest facts of this node got earlier stamps.";
        out.warn(text.to_owned());
        self.set_clock_back(clock);
        let skew_ms = clock.wall.0.saturating_sub(clock.time.0);
        for (order, key) in (0..).zip(ahead) {
            let Some(StoredFact { mut fact, .. }) = self.store.take_off(&key) else { continue };
            let lasts_ms = fact.expires.since(fact.stamp.time);
            // The time by the others' clocks, so that a click that was made after seeing this fact elsewhere stays later.
            let stamp = Stamp {
                time: (fact.stamp.time - skew_ms).min(clock.limit - FUTURE_MS),
                counter: fact.stamp.counter.saturating_add(order),
                ..fact.stamp
            };
            fact.stamp = self.restamps.instead_of(fact.stamp, stamp);
            fact.expires = fact.stamp.time + lasts_ms;
            self.keep(&fact, clock, out);
            // Its earlier stamp may leave it no place in a full log.
            if self.store.get(&key).is_none() {
                self.gone(&key, out);
            }
        }
    }

    /// Sets the hybrid clock back after it ran far ahead. It stays later than every stamp that is believed.
    pub(super) fn set_clock_back(&mut self, clock: NodeClock) {
        self.clock.set_back(clock.time);
        if let Some(stamp) = self.store.latest(clock.limit) {
            self.clock.see(stamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeHash;
    use crate::time::{Incarnation, NodeTime};

    #[test]
    fn what_comes_back_gets_the_stamp_that_others_have_seen_already() {
        let stamp = |time_ms| Stamp {
            time: NodeTime(time_ms),
            counter: 0,
            node: NodeHash(1),
            incarnation: Incarnation::new(1),
        };
        let mut restamps = Restamps::default();
        assert_eq!(restamps.instead_of(stamp(351_643), stamp(50_262)), stamp(50_262));
        assert_eq!(restamps.instead_of(stamp(351_643), stamp(52_746)), stamp(50_262), "later, by clocks heard since");
        for time_ms in 0..2_000 {
            restamps.instead_of(stamp(400_000 + time_ms), stamp(time_ms));
        }
        assert_eq!(restamps.0.len(), RESTAMPS_MAX);
    }
}
