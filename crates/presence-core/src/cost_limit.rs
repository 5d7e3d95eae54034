//! Limits how often something is done by what it costs: at once after a quiet moment, then less often the more it costs.
//! Without it a storm of changes would be drawn and told one by one.

use crate::time::Mono;

/// How much may be spent in advance: what comes irregularly does not wait, as long as it does not come too often.
pub const ADVANCE_US: u64 = 2_000;
/// The longest wait.
pub const COST_US_MAX: u64 = 5_000_000;

/// What is paid for already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CostLimiter {
    paid_until_us: u64,
}

impl CostLimiter {
    /// From when on it may be done again.
    pub(crate) fn due(self) -> Mono {
        Mono(self.paid_until_us.saturating_sub(ADVANCE_US).div_ceil(1_000))
    }

    /// It is done now, and takes this much time of everything that there is to do.
    pub(crate) fn spend(&mut self, cost_us: u64, now: Mono) {
        self.paid_until_us = self.paid_until_us.max(now.0 * 1_000) + cost_us.min(COST_US_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often something is done in a second that is asked for every millisecond.
    fn times_a_second(cost_us: u64) -> usize {
        let mut limiter = CostLimiter::default();
        let done = (10_000..11_000).map(Mono).filter(|now| {
            let done = limiter.due() <= *now;
            if done {
                limiter.spend(cost_us, *now);
            }
            done
        });
        done.count()
    }

    #[test]
    fn what_costs_little_is_done_each_time_and_what_costs_much_rarely() {
        assert_eq!([500, 1_000].map(times_a_second), [1_000, 1_000]);
        assert!((333..=336).contains(&times_a_second(3_000)), "{}", times_a_second(3_000));
        assert_eq!(times_a_second(u64::MAX), 1);
    }
}
