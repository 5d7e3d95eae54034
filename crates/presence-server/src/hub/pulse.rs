//! Signs of life of one socket, in both directions: what is due, and when somebody is no longer there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::Speaks;
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
    /// Action Cable's ping, and presence-v1's.
    pub(crate) pings: [Frame; 2],
    pub(crate) ping_every_ms: u64,
    pub(crate) probe_every_ms: u64,
    pub(crate) pong_within_ms: u64,
    pub(crate) write_within_ms: u64,
}

impl Moment {
    pub(crate) fn new(limits: &Limits, ms: u64, woken_ms: u64, pings: [Frame; 2]) -> Self {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self {
            ms,
            woken_ms,
            round_ms: millis(round(limits)),
            pings,
            ping_every_ms: millis(limits.ping_every),
            probe_every_ms: millis(limits.probe_every),
            pong_within_ms: millis(limits.pong_within),
            write_within_ms: millis(limits.write_within),
        }
    }
}

impl Moment {
    /// The sign of life of a language.
    pub(crate) fn ping(&self, speaks: Speaks) -> Frame {
        let [cable, embed] = &self.pings;
        match speaks {
            Speaks::Cable => cable.clone(),
            Speaks::Embed => embed.clone(),
        }
    }

    /// How long it may be quiet before one is due.
    fn quiet_ms(&self, speaks: Speaks) -> u64 {
        match speaks {
            Speaks::Cable => self.ping_every_ms,
            Speaks::Embed => self.probe_every_ms,
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
    speaks: Speaks,
    sent_ms: u64,
    /// The last moment at which nothing waited, or some of it was taken.
    took_ms: u64,
    took: bool,
    probed_ms: Option<u64>,
    probe: Option<(u64, Instant)>,
    alive_ms: u64,
}

impl Pulse {
    pub(crate) fn new(speaks: Speaks, now_ms: u64) -> Self {
        Self { speaks, sent_ms: now_ms, took_ms: now_ms, took: false, probed_ms: None, probe: None, alive_ms: now_ms }
    }

    /// Something went out.
    pub(crate) fn sent(&mut self, now_ms: u64) {
        self.sent_ms = self.sent_ms.max(now_ms);
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
        let ping = idle_ms >= moment.quiet_ms(self.speaks) || (moment.woken_ms > self.sent_ms && moment.woken_ms > 0);
        Due { close: None, probe: probe.then(|| self.probe(now_ms)), ping }
    }

    fn probe(&mut self, now_ms: u64) -> [u8; 8] {
        self.probed_ms = Some(now_ms);
        let number = self.probe.map_or(now_ms, |(number, _)| number.wrapping_add(1).max(now_ms));
        self.probe = Some((number, Instant::now()));
        number.to_be_bytes()
    }

    /// There is a sign of life besides pongs.
    pub(crate) fn alive(&mut self, now_ms: u64) {
        self.alive_ms = now_ms;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(ms: u64, woken_ms: u64) -> Moment {
        Moment {
            ms,
            woken_ms,
            round_ms: 250,
            pings: [Frame::text(""), Frame::text("")],
            ping_every_ms: 3_000,
            probe_every_ms: 10_000,
            pong_within_ms: 25_000,
            write_within_ms: 10_000,
        }
    }

    /// Beats every 250 ms; what was due, and when.
    fn beats(pulse: &mut Pulse, from_ms: u64, until_ms: u64, waits: bool) -> Vec<(u64, Due)> {
        let times = (from_ms..until_ms).step_by(250);
        times.map(|ms| (ms, pulse.beat(&moment(ms, 0), waits))).filter(|(_, due)| *due != Due::default()).collect()
    }

    #[test]
    fn a_silent_browser_is_pinged_probed_and_given_up_after_25_s() {
        let mut pulse = Pulse::new(Speaks::Cable, 0);
        let due = beats(&mut pulse, 0, 26_000, false);
        let probed: Vec<u64> = due.iter().filter(|(_, due)| due.probe.is_some()).map(|(ms, _)| *ms).collect();
        assert_eq!(probed, [0, 10_000, 20_000]);
        // A probe is no sign of life for the page's script: pings go on beside it.
        assert!(due.iter().any(|(ms, due)| *ms == 2_750 && due.ping));
        let closed: Vec<_> = due.iter().filter_map(|(ms, due)| due.close.map(|reason| (*ms, reason))).collect();
        assert_eq!(closed.first(), Some(&(25_000, CloseReason::Unanswered)));
    }

    #[test]
    fn an_embed_is_sent_a_ping_where_nothing_else_was_for_10_s() {
        let mut pulse = Pulse::new(Speaks::Embed, 0);
        let due = beats(&mut pulse, 0, 20_000, false);
        let first = due.iter().find(|(_, due)| due.ping).map(|(ms, _)| *ms);
        assert_eq!(first, Some(9_750));
        pulse.sent(9_750);
        assert!(beats(&mut pulse, 10_000, 19_500, false).iter().all(|(_, due)| !due.ping));
        assert!(pulse.beat(&moment(19_500, 0), false).ping);
    }

    #[test]
    fn any_pong_is_a_sign_of_life_and_the_right_one_tells_the_round_trip() {
        let mut pulse = Pulse::new(Speaks::Cable, 0);
        let probe = pulse.beat(&moment(0, 0), false).probe.unwrap();
        assert_eq!(pulse.ponged(b"unasked", 24_000, Instant::now()), None);
        assert!(beats(&mut pulse, 25_000, 48_000, false).iter().all(|(_, due)| due.close.is_none()));
        assert_eq!(pulse.ponged(&probe, 48_000, Instant::now()), None, "an answer to an older ping");
        let probe = pulse.beat(&moment(60_000, 0), false).probe.unwrap();
        assert!(pulse.ponged(&probe, 60_010, Instant::now()).is_some_and(|ms| ms < 500));
        assert_eq!(pulse.ponged(&probe, 60_010, Instant::now()), None, "answered already");
    }

    #[test]
    fn a_browser_that_takes_nothing_for_10_s_is_closed_and_one_that_takes_a_little_is_not() {
        let mut pulse = Pulse::new(Speaks::Cable, 0);
        for begin_ms in (0..60_000).step_by(5_000) {
            assert_eq!(beats(&mut pulse, begin_ms, begin_ms + 5_000, true), []);
            pulse.took();
        }
        // Nothing waits any more: it has the time to answer a probe that a browser has that was just heard.
        let due = beats(&mut pulse, 60_000, 65_000, false);
        assert!(due.iter().all(|(_, due)| due.close.is_none()) && due[0].1.probe.is_some());
        let due = beats(&mut pulse, 65_000, 75_500, true);
        assert_eq!(due[0], (74_750, Due { close: Some(CloseReason::Stalled), ..Due::default() }));
    }

    #[test]
    fn time_in_which_the_node_was_away_is_nobodys_fault_and_ends_with_a_ping() {
        let clock = Clock::default();
        clock.advance(Duration::from_secs(5));
        let mut pulse = Pulse::new(Speaks::Cable, clock.now_ms());
        let probe = pulse.beat(&moment(clock.now_ms(), 0), false).probe.unwrap();
        // Stopped for 40 s: the hub counts one.
        let ms = clock.advance(Duration::from_secs(1));
        let due = pulse.beat(&moment(ms, ms), false);
        assert!(due.ping && due.close.is_none());
        let late = Instant::now() + Duration::from_secs(40);
        assert_eq!(pulse.ponged(&probe, ms, late), None, "no round trip of 40 s");
        pulse.sent(ms);
        assert!(!pulse.beat(&moment(ms + 250, ms), false).ping);
    }
}
