//! How fast one socket may send requests; without it one page could keep a node busy.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Limits;

/// A number of messages a second, after a burst. Small: every socket has some.
pub(super) struct RateLimit {
    each_us: u32,
    burst: u32,
    /// When all messages so far would have been sent at that rate.
    used_until: Instant,
}

impl RateLimit {
    /// The limit of `--messages-per-second` and `--message-burst`.
    pub(super) fn new(limits: &Limits) -> Self {
        Self::of(limits.messages_per_second, limits.message_burst)
    }

    pub(super) fn of(per_second: u32, burst: u32) -> Self {
        Self { each_us: 1_000_000 / per_second.max(1), burst, used_until: Instant::now() }
    }

    /// Counts one message. Returns how long the next one should wait, if this was one too many.
    pub(super) fn spend(&mut self, now: Instant) -> Option<Duration> {
        let each = Duration::from_micros(self.each_us.into());
        let used_until = self.used_until.max(now) + each;
        if used_until > now + each * self.burst {
            return Some(each);
        }
        self.used_until = used_until;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_a_number_a_second() {
        let begin = Instant::now();
        let each = Duration::from_millis(100);
        let mut limit = RateLimit { each_us: 100_000, burst: 40, used_until: begin };
        assert!((0..40).all(|_| limit.spend(begin).is_none()));
        assert_eq!(limit.spend(begin), Some(each));
        assert!(limit.spend(begin + each).is_none());
        assert!(limit.spend(begin + each).is_some());
        let later = begin + Duration::from_secs(60);
        assert_eq!((0..60).filter(|_| limit.spend(later).is_none()).count(), 40);
    }
}
