//! Sends that are spread over time, one socket after the other: what a server's heartbeats cost at least.

use std::io;
use std::time::Instant;

use crate::sockets::Sockets;

/// So many sends a second of always the same frame.
pub(crate) struct Pace {
    frame: Vec<u8>,
    rate: u32,
    since: Instant,
    sent: u64,
    next: usize,
}

impl Pace {
    pub(crate) fn new(frame: Vec<u8>, now: Instant) -> Self {
        Self { frame, rate: 0, since: now, sent: 0, next: 0 }
    }

    pub(crate) fn runs(&self) -> bool {
        self.rate > 0
    }

    pub(crate) fn set(&mut self, rate: u32, now: Instant) {
        *self = Self { rate, since: now, sent: 0, next: self.next, frame: std::mem::take(&mut self.frame) };
    }

    pub(crate) fn send_due(&mut self, sockets: &mut Sockets, now: Instant) -> io::Result<()> {
        let due = u64::try_from((now - self.since).as_micros()).unwrap_or(u64::MAX).saturating_mul(self.rate.into());
        while self.sent < due / 1_000_000 {
            sockets.send_to(self.next, &self.frame)?;
            self.next = self.next.wrapping_add(1);
            self.sent += 1;
        }
        Ok(())
    }
}
