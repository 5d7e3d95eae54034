//! Events at an even rate.

use std::time::{Duration, Instant};

/// Events at one rate, for a while or without end.
#[derive(Debug)]
pub struct Schedule {
    rate: u32,
    since: Instant,
    limit: Option<u64>,
    /// How many events were taken.
    pub taken: u64,
}

impl Schedule {
    /// `rate` events a second from now on; without `seconds` they never end.
    pub fn new(rate: u32, seconds: Option<u32>, now: Instant) -> Self {
        let limit = seconds.map(|seconds| u64::from(rate) * u64::from(seconds));
        Self { rate, since: now, limit, taken: 0 }
    }

    /// When the next event is due; `None` after the last one.
    pub fn next_at(&self) -> Option<Instant> {
        let ends = self.rate == 0 || self.limit.is_some_and(|limit| self.taken >= limit);
        (!ends).then(|| self.since + Duration::from_secs(1).mul_f64(self.taken as f64 / f64::from(self.rate)))
    }

    /// Takes the events that are due, and returns their number.
    pub fn take_due(&mut self, now: Instant) -> u64 {
        if self.rate == 0 {
            return 0;
        }
        let due = (now.duration_since(self.since).as_secs_f64() * f64::from(self.rate)) as u64 + 1;
        let due = self.limit.map_or(due, |limit| due.min(limit)).saturating_sub(self.taken);
        self.taken += due;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_spread_evenly_and_end_at_their_limit() {
        let start = Instant::now();
        let mut schedule = Schedule::new(50, Some(2), start);
        assert_eq!(schedule.next_at(), Some(start));
        assert_eq!(schedule.take_due(start), 1);
        assert_eq!(schedule.next_at(), Some(start + Duration::from_millis(20)));
        assert_eq!(schedule.take_due(start + Duration::from_millis(19)), 0);
        assert_eq!(schedule.take_due(start + Duration::from_millis(1_000)), 50);
        assert_eq!(schedule.take_due(start + Duration::from_secs(9)), 49);
        assert_eq!((schedule.next_at(), schedule.taken), (None, 100));
        let mut never = Schedule::new(0, None, start);
        assert_eq!((never.next_at(), never.take_due(start)), (None, 0));
    }
}
