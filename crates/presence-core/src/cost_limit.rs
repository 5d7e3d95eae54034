//! How often something is done that costs: at once after a quiet moment, then the seldomer the more it costs. Without it
//! a storm of changes would be drawn and told one by one.

/// So much may be spent in advance: what comes irregularly does not wait, as long as it does not come too often.
const ADVANCE_US: u64 = 2_000;
/// The longest wait.
const COST_US_MAX: u64 = 5_000_000;

/// What is paid for already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CostLimiter {
    paid_until_us: u64,
}

impl CostLimiter {
    /// From when on it may be done again.
    pub(crate) fn due_ms(self) -> u64 {
        self.paid_until_us.saturating_sub(ADVANCE_US).div_ceil(1_000)
    }

    /// It is done now, and takes so much time of everything that there is to do.
    pub(crate) fn spend(&mut self, cost_us: u64, now_ms: u64) {
        self.paid_until_us = self.paid_until_us.max(now_ms * 1_000) + cost_us.min(COST_US_MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often something is done in a second that is asked for every millisecond.
    fn times_a_second(cost_us: u64) -> usize {
        let mut pace = CostLimiter::default();
        let done = (10_000..11_000).filter(|now_ms| {
            let done = pace.due_ms() <= *now_ms;
            if done {
                pace.spend(cost_us, *now_ms);
            }
            done
        });
        done.count()
    }

    #[test]
    fn what_costs_little_is_done_each_time_and_what_costs_much_seldom() {
        assert_eq!([500, 1_000].map(times_a_second), [1_000, 1_000]);
        assert!((333..=336).contains(&times_a_second(3_000)), "{}", times_a_second(3_000));
        assert_eq!(times_a_second(u64::MAX), 1);
    }
}
