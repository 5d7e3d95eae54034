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
    /// The last moment at which nothing waited, or some of it was taken.
    took_ms: u64,
    took: bool,
    probed_ms: Option<u64>,
    probe: Option<(u64, Instant)>,
    alive_ms: u64,
}

impl Keepalive {
    pub(crate) fn new(ping_after: PingAfter, now_ms: u64) -> Self {
        Self {
            ping_after,
            sent_ms: now_ms,
            took_ms: now_ms,
            took: false,
            probed_ms: None,
            probe: None,
            alive_ms: now_ms,
        }
    }

    /// Notes that something was sent.
    pub(crate) fn sent(&mut self, now_ms: u64) {
        self.sent_ms = self.sent_ms.max(now_ms);
    }

    /// Notes that something begins to wait.
    pub(crate) fn waits(&mut self, now_ms: u64) {
        self.took_ms = self.took_ms.max(now_ms);
    }

    /// Notes that the socket took some of what waits.
    pub(crate) fn took(&mut self) {
        self.took = true;
    }

    /// Decides what is due now.
    pub(crate) fn poll(&mut self, tick: &Tick, queue: OutboxState) -> KeepaliveAction {
        let now_ms = tick.ms;
        if std::mem::take(&mut self.took) {
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
mod tests {
    use super::*;

    const SLACK_MS: u64 = 50;

    fn tick(ms: u64, woken_ms: u64) -> Tick {
        Tick {
            ms,
            woken_ms,
            slack_ms: SLACK_MS,
            pings: Arc::default(),
            ping_every_ms: 3_000,
            probe_every_ms: 10_000,
            pong_within_ms: 25_000,
            write_within_ms: 10_000,
        }
    }

    /// What happened to one socket in some time.
    #[derive(Default)]
    struct Observed {
        looks: usize,
        probed: Vec<u64>,
        pinged: Vec<u64>,
        closed: Option<(u64, CloseReason)>,
    }

    /// Polls as often as the keepalive asks for it, as late as the wheel may, and sends what is due.
    fn watch(pulse: &mut Keepalive, from_ms: u64, until_ms: u64, queue: OutboxState) -> Observed {
        let (mut seen, mut ms) = (Observed::default(), from_ms);
        while ms < until_ms {
            seen.looks += 1;
            match pulse.poll(&tick(ms, 0), queue) {
                KeepaliveAction::Close(reason) => {
                    seen.closed = Some((ms, reason));
                    break;
                }
                KeepaliveAction::Signs { probe, ping } => {
                    seen.probed.extend(probe.map(|_| ms));
                    if ping {
                        seen.pinged.push(ms);
                        pulse.sent(ms);
                    }
                }
            }
            let next_ms = pulse.next_ms(&tick(ms, 0), queue);
            assert!(next_ms > ms, "nothing is looked at twice in one tick");
            ms = next_ms.next_multiple_of(SLACK_MS);
        }
        seen
    }

    #[test]
    fn a_silent_browser_is_pinged_probed_and_given_up_after_25_s() {
        let mut pulse = Keepalive::new(PingAfter::PingEvery, 0);
        let seen = watch(&mut pulse, 0, 60_000, OutboxState::Empty);
        assert_eq!(seen.closed, Some((25_000, CloseReason::Unanswered)));
        assert_eq!(seen.pinged[..2], [2_950, 5_900]);
        // Every third ping is joined by a probe, and costs no write of its own.
        assert_eq!(seen.probed, [0, 8_850, 17_700]);
        assert!(seen.probed[1..].iter().all(|at| seen.pinged.contains(at)));
        assert_eq!(seen.looks, 1 + seen.pinged.len() + 1);
    }

    #[test]
    fn a_busy_socket_is_sent_probes_and_no_pings() {
        let mut pulse = Keepalive::new(PingAfter::PingEvery, 0);
        let mut probed = Vec::new();
        for ms in (0..24_000).step_by(500) {
            pulse.sent(ms);
            let KeepaliveAction::Signs { probe, ping } = pulse.poll(&tick(ms, 0), OutboxState::Empty) else {
                panic!("closed")
            };
            assert!(!ping);
            probed.extend(probe.map(|_| ms));
        }
        assert_eq!(probed, [0, 10_000, 20_000]);
    }

    #[test]
    fn a_patient_client_is_sent_a_ping_after_10_quiet_seconds() {
        let mut pulse = Keepalive::new(PingAfter::ProbeEvery, 0);
        let seen = watch(&mut pulse, 0, 21_000, OutboxState::Empty);
        assert_eq!(seen.pinged, [9_950, 19_900]);
        assert_eq!(seen.probed, [0, 9_950, 19_900]);
    }

    #[test]
    fn any_pong_keeps_a_socket_alive_and_the_right_one_measures_the_round_trip() {
        let probe = |pulse: &mut Keepalive, ms| match pulse.poll(&tick(ms, 0), OutboxState::Empty) {
            KeepaliveAction::Signs { probe: Some(probe), .. } => probe,
            other => panic!("{other:?}"),
        };
        let mut pulse = Keepalive::new(PingAfter::PingEvery, 0);
        let first = probe(&mut pulse, 0);
        assert_eq!(pulse.ponged(b"unasked", 24_000, Instant::now()), None);
        assert_eq!(watch(&mut pulse, 25_000, 48_000, OutboxState::Empty).closed, None);
        assert_eq!(pulse.ponged(&first, 48_000, Instant::now()), None, "an answer to an older ping");
        let second = probe(&mut pulse, 60_000);
        assert!(pulse.ponged(&second, 60_010, Instant::now()).is_some_and(|ms| ms < 500));
        assert_eq!(pulse.ponged(&second, 60_010, Instant::now()), None, "answered already");
    }

    #[test]
    fn a_browser_that_takes_nothing_for_10_s_is_closed_and_one_that_takes_a_little_is_not() {
        let mut pulse = Keepalive::new(PingAfter::PingEvery, 0);
        pulse.waits(0);
        for begin_ms in (0..60_000).step_by(5_000) {
            let seen = watch(&mut pulse, begin_ms, begin_ms + 5_000, OutboxState::Waiting);
            assert!(seen.closed.is_none() && seen.pinged.is_empty() && seen.probed.is_empty());
            pulse.took();
        }
        // Nothing waits any longer: it has as much time to answer a probe as a browser that was just heard.
        let seen = watch(&mut pulse, 60_000, 65_000, OutboxState::Empty);
        assert!(seen.closed.is_none() && seen.probed == [60_000]);
        pulse.waits(64_000);
        let seen = watch(&mut pulse, 65_000, 80_000, OutboxState::Waiting);
        assert_eq!(seen.closed, Some((74_000, CloseReason::Stalled)));
    }

    #[test]
    fn no_browser_is_closed_for_a_suspension_of_the_node_which_ends_with_a_ping() {
        let clock = SocketClock::default();
        clock.advance(Duration::from_secs(5));
        let mut pulse = Keepalive::new(PingAfter::PingEvery, clock.now_ms());
        let KeepaliveAction::Signs { probe: Some(probe), .. } =
            pulse.poll(&tick(clock.now_ms(), 0), OutboxState::Empty)
        else {
            panic!("no probe")
        };
        // Suspended for 40 s: the hub counts one.
        let ms = clock.advance(Duration::from_secs(1));
        assert!(matches!(pulse.poll(&tick(ms, ms), OutboxState::Empty), KeepaliveAction::Signs { ping: true, .. }));
        let late = Instant::now() + Duration::from_secs(40);
        assert_eq!(pulse.ponged(&probe, ms, late), None, "no round trip of 40 s");
        pulse.sent(ms);
        assert!(matches!(
            pulse.poll(&tick(ms + 250, ms), OutboxState::Empty),
            KeepaliveAction::Signs { ping: false, .. }
        ));
    }
}
