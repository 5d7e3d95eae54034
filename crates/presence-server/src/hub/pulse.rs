//! Signs of life of one socket, in both directions: what is due, and when somebody is no longer there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::outbox::Frame;
use crate::config::Limits;
use crate::socket::CloseReason;

/// Time as it passes for sockets: it stands still while the node itself is away. Kept in microseconds, moved by the
/// hub's beat alone, and read by everybody without a call to the system.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Arc<AtomicU64>);

impl Clock {
    pub(crate) fn now_ms(&self) -> u64 {
        self.0.load(Relaxed) / 1_000
    }

    /// Returns the new time in ms.
    pub(crate) fn advance(&self, by: Duration) -> u64 {
        let by_us = u64::try_from(by.as_micros()).unwrap_or(u64::MAX);
        (self.0.fetch_add(by_us, Relaxed) + by_us) / 1_000
    }
}

/// The moment of a beat. The milliseconds are the hub's own: they stand still while the node itself is away.
#[derive(Debug)]
pub(crate) struct Moment {
    pub(crate) ms: u64,
    /// When the node was last found to have been away.
    pub(crate) woken_ms: u64,
    /// How long until the next beat, at most.
    pub(crate) round_ms: u64,
    /// Action Cable's ping.
    pub(crate) ping: Frame,
    pub(crate) ping_every_ms: u64,
    pub(crate) probe_every_ms: u64,
    pub(crate) pong_within_ms: u64,
    pub(crate) write_within_ms: u64,
}

impl Moment {
    pub(crate) fn new(limits: &Limits, ms: u64, woken_ms: u64, ping: Frame) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            ms,
            woken_ms,
            round_ms: millis(round(limits)),
            ping,
            ping_every_ms: millis(limits.ping_every),
            probe_every_ms: millis(limits.probe_every),
            pong_within_ms: millis(limits.pong_within),
            write_within_ms: millis(limits.write_within),
        }
    }
}

/// How often each socket is looked at: often enough that no ping is late.
pub(crate) fn round(limits: &Limits) -> Duration {
    (limits.ping_every / 12).clamp(Duration::from_millis(16), Duration::from_millis(250))
}

/// What is due for one socket.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct Due {
    pub(crate) close: Option<CloseReason>,
    pub(crate) probe: Option<[u8; 8]>,
    pub(crate) ping: bool,
}

#[derive(Debug)]
pub(crate) struct Pulse {
    sent_ms: u64,
    /// The last moment at which nothing waited, or some of it was taken.
    took_ms: u64,
    took: bool,
    probed_ms: Option<u64>,
    probe: Option<(u64, Instant)>,
    alive_ms: u64,
}

impl Pulse {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self { sent_ms: now_ms, took_ms: now_ms, took: false, probed_ms: None, probe: None, alive_ms: now_ms }
    }

    /// Something went out.
    pub(crate) fn sent(&mut self, now_ms: u64) {
        self.sent_ms = now_ms;
    }

    /// Something of what waited went out.
    pub(crate) fn took(&mut self) {
        self.took = true;
    }

    /// What is due now; `waits`: the socket can't take anything at present.
    pub(crate) fn beat(&mut self, moment: &Moment, waits: bool) -> Due {
        let now_ms = moment.ms;
        if std::mem::take(&mut self.took) {
            self.took_ms = now_ms;
            self.sent_ms = now_ms;
        }
        if waits {
            // More pings would only wait, too, and pongs can't be expected: taking bytes is the sign of life.
            let stalled = now_ms.saturating_sub(self.took_ms) >= moment.write_within_ms;
            self.alive_ms = self.alive_ms.max(self.took_ms.saturating_sub(moment.probe_every_ms));
            return Due { close: stalled.then_some(CloseReason::Stalled), ..Due::default() };
        }
        self.took_ms = now_ms;
        if now_ms.saturating_sub(self.alive_ms) >= moment.pong_within_ms {
            return Due { close: Some(CloseReason::Unanswered), ..Due::default() };
        }
        let probe = self.probed_ms.is_none_or(|at| now_ms.saturating_sub(at) >= moment.probe_every_ms);
        let idle_ms = now_ms.saturating_sub(self.sent_ms) + moment.round_ms;
        let ping = idle_ms >= moment.ping_every_ms || (moment.woken_ms > self.sent_ms && moment.woken_ms > 0);
        Due { close: None, probe: probe.then(|| self.probe(now_ms)), ping }
    }

    fn probe(&mut self, now_ms: u64) -> [u8; 8] {
        self.probed_ms = Some(now_ms);
        let number = self.probe.map_or(now_ms, |(number, _)| number.wrapping_add(1).max(now_ms));
        self.probe = Some((number, Instant::now()));
        number.to_be_bytes()
    }

    /// A pong came: the round trip in ms, where it answers our last ping and the node was not away meanwhile.
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
