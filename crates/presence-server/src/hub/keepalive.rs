//! Keepalive of one socket: which pings are due, and when its browser is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use presence_cable::PingAfter;
use tokio::time::Instant;

use super::frame::Frame;
use super::outbox::OutboxState;
use super::protocols::ProtocolId;
use crate::clock::millis;
use crate::close_reason::CloseReason;
use crate::config::Limits;

/// What a socket must take within `--write-within` while something waits for it: a socket that takes a little now and then
/// would keep its whole queue otherwise.
pub(super) const PROGRESS_BYTES: usize = 16 * 1_024;

/// Time as it passes for sockets: it stands still while the node's process is suspended. Kept in microseconds, moved only
/// when the hub turns its wheel, and read without a system call.
#[derive(Clone, Debug, Default)]
pub(crate) struct SocketClock(Arc<AtomicU64>);

impl SocketClock {
    pub(crate) fn now_ms(&self) -> u64 {
        self.0.load(Relaxed) / 1_000
    }

    /// Returns the new time in ms.
    pub(crate) fn advance(&self, by: Duration) -> u64 {
        let by_us = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        (self.0.fetch_add(by_us, Relaxed) + by_us) / 1_000
    }
}

/// One turn of the wheel, at which sockets are polled. The milliseconds are those of [`SocketClock`].
#[derive(Debug)]
pub(crate) struct Tick {
    pub(crate) ms: u64,
    /// When the process was last found to have been suspended.
    pub(crate) woken_ms: u64,
    /// How late a poll may come: what must not be late is done that much earlier.
    pub(crate) slack_ms: u64,
    /// The ping of each protocol.
    pub(crate) pings: Arc<[Frame]>,
    pub(crate) ping_every_ms: u64,
    pub(crate) probe_every_ms: u64,
    pub(crate) pong_within_ms: u64,
    pub(crate) write_within_ms: u64,
}

impl Tick {
    pub(crate) fn new(limits: &Limits, ms: u64, woken_ms: u64, pings: &Arc<[Frame]>) -> Self {
        Self {
            ms,
            woken_ms,
            slack_ms: millis(slot(limits)),
            pings: Arc::clone(pings),
            ping_every_ms: millis(limits.ping_every),
            probe_every_ms: millis(limits.probe_every),
            pong_within_ms: millis(limits.pong_within),
            write_within_ms: millis(limits.write_within),
        }
    }

    /// The ping of a protocol.
    pub(crate) fn ping(&self, protocol: ProtocolId) -> &Frame {
        &self.pings[protocol.index()]
    }

    /// How long a socket may be quiet before a ping is due.
    fn quiet_ms(&self, ping_after: PingAfter) -> u64 {
        match ping_after {
            PingAfter::PingEvery => self.ping_every_ms,
            PingAfter::ProbeEvery => self.probe_every_ms,
        }
    }
}

/// How exactly sockets are polled: no ping is noticeably early.
pub(crate) fn slot(limits: &Limits) -> Duration {
    (limits.ping_every / 60).clamp(Duration::from_millis(5), Duration::from_millis(50))
}

/// What one socket needs.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum KeepaliveAction {
    /// To be closed.
    Close(CloseReason),
    /// A ping of WebSocket, one for the page's script, both, or nothing.
    Signs { probe: Option<[u8; 8]>, ping: bool },
}

#[derive(Debug)]
pub(crate) struct Keepalive {
    ping_after: PingAfter,
    sent_ms: u64,
    /// The last moment at which nothing waited, or enough of it had been taken.
    took_ms: u64,
    /// What was taken since then.
    taken: usize,
    probed_ms: Option<u64>,
    probe: Option<(u64, Instant)>,
    alive_ms: u64,
}

impl Keepalive {
    pub(crate) fn new(ping_after: PingAfter, now_ms: u64) -> Self {
        Self { ping_after, sent_ms: now_ms, took_ms: now_ms, taken: 0, probed_ms: None, probe: None, alive_ms: now_ms }
    }

    /// Notes that something was sent.
    pub(crate) fn sent(&mut self, now_ms: u64) {
        self.sent_ms = self.sent_ms.max(now_ms);
    }

    /// Notes that something begins to wait.
    pub(crate) fn waits(&mut self, now_ms: u64) {
        self.took_ms = self.took_ms.max(now_ms);
        self.taken = 0;
    }

    /// Notes that the socket took this much of what waits.
    pub(crate) fn took(&mut self, bytes: usize) {
        self.taken = self.taken.saturating_add(bytes);
    }

    /// Decides what is due now.
    pub(crate) fn poll(&mut self, tick: &Tick, queue: OutboxState) -> KeepaliveAction {
        let now_ms = tick.ms;
        if self.taken >= PROGRESS_BYTES || (self.taken > 0 && queue == OutboxState::Empty) {
            self.taken = 0;
            self.took_ms = now_ms;
            self.sent_ms = now_ms;
        }
        if queue == OutboxState::Waiting {
            // More pings would only wait, too, and pongs can't be expected: the browser is alive as long as it takes bytes.
            let stalled = now_ms.saturating_sub(self.took_ms) >= tick.write_within_ms;
            self.alive_ms = self.alive_ms.max(self.took_ms.saturating_sub(tick.probe_every_ms));
            return if stalled {
                KeepaliveAction::Close(CloseReason::Stalled)
            } else {
                KeepaliveAction::Signs { probe: None, ping: false }
            };
        }
        self.took_ms = now_ms;
        if now_ms.saturating_sub(self.alive_ms) >= tick.pong_within_ms {
            return KeepaliveAction::Close(CloseReason::Unanswered);
        }
        let quiet_ms = tick.quiet_ms(self.ping_after);
        let idle_ms = now_ms.saturating_sub(self.sent_ms) + tick.slack_ms;
        let ping = idle_ms >= quiet_ms || (tick.woken_ms > self.sent_ms && tick.woken_ms > 0);
        // A probe that would be due before the next ping goes with this one: two frames, one write.
        let early_ms = if ping { quiet_ms } else { 0 };
        let due = |at_ms| now_ms.saturating_sub(at_ms) + early_ms >= tick.probe_every_ms;
        let probe = self.probed_ms.is_none_or(due).then(|| self.probe(now_ms));
        KeepaliveAction::Signs { probe, ping }
    }

    /// When to poll again, after what was due is done.
    pub(crate) fn next_ms(&self, tick: &Tick, queue: OutboxState) -> u64 {
        let quiet_ms = tick.quiet_ms(self.ping_after).saturating_sub(tick.slack_ms);
        if queue == OutboxState::Waiting {
            return (self.took_ms + tick.write_within_ms).min(tick.ms + quiet_ms);
        }
        let probe_ms = self.probed_ms.map_or(tick.ms, |at_ms| at_ms + tick.probe_every_ms);
        (self.sent_ms + quiet_ms).min(probe_ms).min(self.alive_ms + tick.pong_within_ms)
    }

    fn probe(&mut self, now_ms: u64) -> [u8; 8] {
        self.probed_ms = Some(now_ms);
        let number = self.probe.map_or(now_ms, |(number, _)| number.wrapping_add(1).max(now_ms));
        self.probe = Some((number, Instant::now()));
        number.to_be_bytes()
    }

    /// Notes that the browser is alive, as its script said.
    pub(crate) fn alive(&mut self, now_ms: u64) {
        self.alive_ms = now_ms;
    }

    /// Handles a pong: returns the round trip in ms, if it answers the last ping and the process was not suspended meanwhile.
    pub(crate) fn ponged(&mut self, payload: &[u8], now_ms: u64, now: Instant) -> Option<u32> {
        self.alive_ms = now_ms;
        let (number, at) = self.probe?;
        if payload != number.to_be_bytes() {
            return None;
        }
        self.probe = None;
        let round_trip_ms = u64::try_from(now.duration_since(at).as_millis()).ok()?;
        let by_hub_ms = now_ms.saturating_sub(self.probed_ms?);
        (round_trip_ms <= by_hub_ms + 500).then(|| u32::try_from(round_trip_ms).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests;
