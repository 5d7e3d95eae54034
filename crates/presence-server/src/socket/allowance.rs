//! How fast one socket may ask; without it one page could keep a node busy.

use std::time::Duration;

use tokio::time::Instant;

use crate::config::Limits;

/// So many messages a second, and a burst before that counts.
pub(super) struct Allowance {
    each: Duration,
    burst: u32,
    /// Until when what was sent so far would have taken at that rate.
    used_until: Instant,
}

impl Allowance {
    pub(super) fn new(limits: &Limits) -> Self {
        let each = Duration::from_secs(1) / limits.messages_per_second.max(1);
        Self { each, burst: limits.message_burst, used_until: Instant::now() }
    }

    /// Takes one message; where that is one too many, how long the next one should wait.
    pub(super) fn take(&mut self, now: Instant) -> Option<Duration> {
        let used_until = self.used_until.max(now) + self.each;
        if used_until > now + self.each * self.burst {
            return Some(self.each);
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
        let mut allowance = Allowance { each, burst: 40, used_until: begin };
        assert!((0..40).all(|_| allowance.take(begin).is_none()));
        assert_eq!(allowance.take(begin), Some(each));
        assert!(allowance.take(begin + each).is_none());
        assert!(allowance.take(begin + each).is_some());
        let later = begin + Duration::from_secs(60);
        assert_eq!((0..60).filter(|_| allowance.take(later).is_none()).count(), 40);
    }
}
