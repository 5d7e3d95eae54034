//! Delivery fast one socket may ask; without it one page could keep a node busy.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Limits;

/// So many messages a second, and a burst before that counts. Small: every socket has some.
pub(super) struct RateLimit {
    each_us: u32,
    burst: u32,
    /// Until when what was sent so far would have taken at that rate.
    used_until: Instant,
}

impl RateLimit {
    /// What a socket may say.
    pub(super) fn new(limits: &Limits) -> Self {
        Self::of(limits.messages_per_second, limits.message_burst)
    }

    pub(super) fn of(per_second: u32, burst: u32) -> Self {
        Self { each_us: 1_000_000 / per_second.max(1), burst, used_until: Instant::now() }
    }

    /// Takes one message; where that is one too many, how long the next one should wait.
    pub(super) fn take(&mut self, now: Instant) -> Option<Duration> {
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
    fn a_burst_passes_then_so_many_a_second() {
        let begin = Instant::now();
        let each = Duration::from_millis(100);
        let mut rate_limit = RateLimit { each_us: 100_000, burst: 40, used_until: begin };
        assert!((0..40).all(|_| rate_limit.take(begin).is_none()));
        assert_eq!(rate_limit.take(begin), Some(each));
        assert!(rate_limit.take(begin + each).is_none());
        assert!(rate_limit.take(begin + each).is_some());
        let later = begin + Duration::from_secs(60);
        assert_eq!((0..60).filter(|_| rate_limit.take(later).is_none()).count(), 40);
    }
}
