//! Messages at an even pace: what a bare node says to everybody who reads it.

use std::time::{Duration, Instant};

/// Messages of one size at one rate, for a while.
#[derive(Debug)]
pub(crate) struct Publishing {
    rate: u32,
    pub(crate) bytes: usize,
    since: Instant,
    /// How many there are in all; none: it goes on for ever.
    most: Option<u64>,
    pub(crate) sent: u64,
}

impl Publishing {
    pub(crate) fn new(rate: u32, bytes: usize, seconds: Option<u32>, now: Instant) -> Self {
        let most = seconds.map(|seconds| u64::from(rate) * u64::from(seconds));
        Self { rate, bytes, since: now, most, sent: 0 }
    }

    /// When the next one is due; none: there is no next one.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        let ends = self.rate == 0 || self.most.is_some_and(|most| self.sent >= most);
        (!ends).then(|| self.since + Duration::from_secs(1).mul_f64(self.sent as f64 / f64::from(self.rate)))
    }

    /// How many are due now; they count as sent.
    pub(crate) fn take_due(&mut self, now: Instant) -> u64 {
        let due = (now.duration_since(self.since).as_secs_f64() * f64::from(self.rate)) as u64 + 1;
        let due = self.most.map_or(due, |most| due.min(most)).saturating_sub(self.sent);
        self.sent += due;
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_spread_and_end_at_their_number() {
        let start = Instant::now();
        let mut publishing = Publishing::new(50, 200, Some(2), start);
        assert_eq!(publishing.next_at(), Some(start));
        assert_eq!(publishing.take_due(start), 1);
        assert_eq!(publishing.next_at(), Some(start + Duration::from_millis(20)));
        assert_eq!(publishing.take_due(start + Duration::from_millis(19)), 0);
        assert_eq!(publishing.take_due(start + Duration::from_millis(1_000)), 50);
        assert_eq!(publishing.take_due(start + Duration::from_secs(9)), 49);
        assert_eq!((publishing.next_at(), publishing.sent), (None, 100));
        assert_eq!(Publishing::new(0, 1, None, start).next_at(), None);
    }
}
