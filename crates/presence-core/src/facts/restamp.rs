//! Facts that this node stamped with a clock that ran far ahead: stamped restamp, and once only, or they would win over what
//! was written after them.

use std::collections::BTreeMap;

use crate::facts::{self, Fact, FactKey, StoredFact};
use crate::node::Node;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Now;
use crate::time::Stamp;

/// So many are remembered.
const RESTAMPS_MAX: usize = 1_024;

/// What was stamped restamp: the stamp that it had, and the one that it has instead.
#[derive(Debug, Default)]
pub(crate) struct Restamps(BTreeMap<Stamp, Stamp>);

impl Restamps {
    /// The stamp instead of this one: that of the first time. A fact comes back with the stamp that it had, from somebody who
    /// hears only clocks that run ahead; by the clocks of then it would be later than what was written after it.
    fn instead_of(&mut self, before: Stamp, restamp: Stamp) -> Stamp {
        let restamp = *self.0.entry(before).or_insert(restamp);
        if self.0.len() > RESTAMPS_MAX {
            self.0.pop_first();
        }
        restamp
    }
}

impl Node {
    /// What was stamped restamp comes back with the stamp that it had, and is believed while only clocks are heard that run
    /// ahead. What this node has written in its place since then must stay later, so that is written again. Whether it
    /// was so.
    pub(crate) fn was_replaced_since(&mut self, bytes: &[u8], limit_ms: u64, now: Now) -> bool {
        if self.restamps.0.is_empty() {
            return false;
        }
        let Some((key, back)) = facts::read(bytes).filter(|(_, fact)| fact.stamp.time_ms <= limit_ms) else {
            return false;
        };
        let Some(restamp) = self.restamps.0.get(&back.stamp).copied() else { return false };
        let own = self.facts.get(&key).filter(|kept| kept.fact.stamp.node == self.hash);
        let Some(known) = own.map(|kept| kept.fact.clone()) else { return false };
        if known.stamp <= restamp || known.stamp >= back.stamp {
            return false;
        }
        self.clock.see(back.stamp);
        let stamp = self.stamp(now);
        let (before, lasts_ms) = (known.stamp, known.expires_ms.saturating_sub(known.stamp.time_ms));
        self.write_fact(&Fact { stamp, expires_ms: stamp.time_ms.saturating_add(lasts_ms), ..known }, now);
        // Nor may it gain by that: it has its own stamp again as soon as this one is not believed any more.
        self.restamps.instead_of(stamp, before);
        true
    }

    /// Stamps restamp what this node stamped too far ahead.
    pub(crate) fn restamp_ahead(&mut self, now: Now) {
        let (time_ms, limit_ms) = (self.time_ms(now), self.limit_ms(now));
        let own = |key: &FactKey| self.facts.get(key).is_some_and(|kept| kept.fact.stamp.node == self.hash);
        let ahead: Vec<FactKey> = self.facts.keys_later_than(limit_ms).into_iter().filter(own).collect();
        if ahead.is_empty() || injected(Fault::NotRestamped) {
            return;
        }
        self.tell(
            true,
            None,
            "Our clock ran far ahead of the other nodes': our latest facts are stamped restamp.".to_owned(),
        );
        self.set_clock_back(now);
        let skew_ms = now.wall_ms.saturating_sub(time_ms);
        for (order, key) in (0..).zip(ahead) {
            let Some(StoredFact { mut fact, .. }) = self.facts.take_off(&key) else { continue };
            let lasts_ms = fact.expires_ms.saturating_sub(fact.stamp.time_ms);
            // When it was made by the others' clocks, so that a click made after seeing it elsewhere stays later.
            let stamp = Stamp {
                time_ms: fact.stamp.time_ms.saturating_sub(skew_ms).min(limit_ms - facts::FUTURE_MS),
                counter: fact.stamp.counter.saturating_add(order),
                ..fact.stamp
            };
            fact.stamp = self.restamps.instead_of(fact.stamp, stamp);
            fact.expires_ms = fact.stamp.time_ms.saturating_add(lasts_ms);
            self.write_fact(&fact, now);
        }
    }

    /// The hybrid clock ran far ahead: it forgets what is not believed, and stays later than all that is.
    pub(crate) fn set_clock_back(&mut self, now: Now) {
        self.clock.set_back(self.time_ms(now));
        if let Some(stamp) = self.facts.latest(self.limit_ms(now)) {
            self.clock.see(stamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeHash;

    #[test]
    fn what_comes_back_gets_the_stamp_that_others_have_seen_already() {
        let stamp = |time_ms| Stamp { time_ms, counter: 0, node: NodeHash(1), incarnation: 1 };
        let mut restamp = Restamps::default();
        assert_eq!(restamp.instead_of(stamp(351_643), stamp(50_262)), stamp(50_262));
        assert_eq!(restamp.instead_of(stamp(351_643), stamp(52_746)), stamp(50_262), "later, by clocks heard since");
        for time_ms in 0..2_000 {
            restamp.instead_of(stamp(400_000 + time_ms), stamp(time_ms));
        }
        assert_eq!(restamp.0.len(), RESTAMPS_MAX);
    }
}
