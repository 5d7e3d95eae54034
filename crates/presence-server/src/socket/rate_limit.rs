//! How fast one socket may send; without it one page could keep a node busy, or make it flood all others.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Limits;

/// The time for which a burst of bytes makes up, in seconds.
const BYTE_BURST_SECONDS: usize = 4;
/// The longest pause: a browser's answers to pings are not read meanwhile.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What moments are counted from: so each takes 8 bytes instead of 16.
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A number of messages or bytes a second, after a burst. Small: every socket has some.
pub(super) struct RateLimit {
    each_ns: u32,
    burst: u32,
    /// When all that was counted so far would have been sent at that rate, in ns since [`EPOCH`].
    used_until_ns: i64,
}

impl RateLimit {
    /// The limit of `--messages-per-second` and `--message-burst`.
    pub(super) fn of_messages(limits: &Limits) -> Self {
        Self::new(limits.messages_per_second, limits.message_burst)
    }

    /// The same rate for subscriptions, after a burst of as many as one socket may have: a page asks for all of its own at once.
    pub(super) fn of_subscriptions(limits: &Limits) -> Self {
        let rooms = u32::try_from(limits.rooms_per_socket).unwrap_or(u32::MAX);
        Self::new(limits.messages_per_second, limits.message_burst.max(rooms))
    }

    /// The limit of `--bytes-per-second`.
    pub(super) fn of_bytes(limits: &Limits) -> Self {
        let count = |bytes| u32::try_from(bytes).unwrap_or(u32::MAX);
        Self::new(count(limits.bytes_per_second), count(limits.bytes_per_second.saturating_mul(BYTE_BURST_SECONDS)))
    }

    fn new(per_second: u32, burst: u32) -> Self {
        Self { each_ns: 1_000_000_000 / per_second.max(1), burst, used_until_ns: since_epoch(Instant::now()) }
    }

    /// Counts one message, unless it is one too many; returns whether it was counted.
    pub(super) fn try_spend(&mut self, now: Instant) -> bool {
        let now_ns = since_epoch(now);
        let used_until_ns = self.used_until_ns.max(now_ns) + self.ns(1);
        let within = used_until_ns <= now_ns + self.ns(self.burst);
        if within {
            self.used_until_ns = used_until_ns;
        }
        within
    }

    /// Counts this many. Returns how long the next should wait, if these were too many.
    pub(super) fn charge(&mut self, count: usize, now: Instant) -> Option<Duration> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let now_ns = since_epoch(now);
        let full_ns = now_ns + self.ns(self.burst);
        self.used_until_ns = (self.used_until_ns.max(now_ns) + self.ns(count)).min(full_ns + ns(PAUSE_MAX));
        let pause_ns = u64::try_from(self.used_until_ns - full_ns).ok().filter(|pause_ns| *pause_ns > 0);
        pause_ns.map(Duration::from_nanos)
    }

    /// How long this many take at that rate.
    fn ns(&self, count: u32) -> i64 {
        i64::from(self.each_ns) * i64::from(count)
    }
}

/// A moment may be before the first one: clocks of tests stand still.
fn since_epoch(at: Instant) -> i64 {
    ns(at.saturating_duration_since(*EPOCH)) - ns(EPOCH.saturating_duration_since(at))
}

fn ns(time: Duration) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(begin: Instant) -> RateLimit {
        RateLimit { each_ns: 100_000_000, burst: 40, used_until_ns: since_epoch(begin) }
    }

    #[test]
    fn a_burst_passes_then_a_number_a_second() {
        let begin = Instant::now();
        let each = Duration::from_millis(100);
        let mut limit = limit(begin);
        assert!((0..40).all(|_| limit.try_spend(begin)));
        assert!(!limit.try_spend(begin));
        assert!(limit.try_spend(begin + each));
        assert!(!limit.try_spend(begin + each));
        let later = begin + Duration::from_secs(60);
        assert_eq!((0..60).filter(|_| limit.try_spend(later)).count(), 40);
    }

    #[test]
    fn what_is_too_much_is_counted_and_paid_for_by_a_pause() {
        let begin = Instant::now();
        let mut limit = limit(begin);
        assert_eq!(limit.charge(40, begin), None);
        assert_eq!(limit.charge(16, begin), Some(Duration::from_millis(1_600)));
        let later = begin + Duration::from_millis(1_600);
        assert_eq!(limit.charge(1, later), Some(Duration::from_millis(100)));
        assert_eq!(limit.charge(usize::MAX, later), Some(PAUSE_MAX));
    }
}
