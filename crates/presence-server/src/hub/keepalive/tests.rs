//! Sockets that are silent, busy, stuck, or suspended together with their node.

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
fn a_browser_that_takes_nothing_for_10_s_is_closed_and_one_that_takes_16_kb_is_not() {
    let mut pulse = Keepalive::new(PingAfter::PingEvery, 0);
    pulse.waits(0);
    for begin_ms in (0..60_000).step_by(5_000) {
        let seen = watch(&mut pulse, begin_ms, begin_ms + 5_000, OutboxState::Waiting);
        assert!(seen.closed.is_none() && seen.pinged.is_empty() && seen.probed.is_empty());
        pulse.took(PROGRESS_BYTES);
    }
    // Nothing waits any longer: it has as much time to answer a probe as a browser that was just heard.
    let seen = watch(&mut pulse, 60_000, 65_000, OutboxState::Empty);
    assert!(seen.closed.is_none() && seen.probed == [60_000]);
    pulse.waits(64_000);
    let seen = watch(&mut pulse, 65_000, 80_000, OutboxState::Waiting);
    assert_eq!(seen.closed, Some((74_000, CloseReason::Stalled)));
}

#[test]
fn a_browser_that_takes_a_little_now_and_then_is_closed_unless_that_is_all_that_waits() {
    let mut pulse = Keepalive::new(PingAfter::PingEvery, 0);
    pulse.waits(0);
    for begin_ms in (0..9_000).step_by(1_000) {
        assert_eq!(watch(&mut pulse, begin_ms, begin_ms + 1_000, OutboxState::Waiting).closed, None);
        pulse.took(PROGRESS_BYTES / 10);
    }
    assert_eq!(
        watch(&mut pulse, 9_000, 11_000, OutboxState::Waiting).closed,
        Some((10_000, CloseReason::Stalled)),
        "in all too little"
    );
    let mut pulse = Keepalive::new(PingAfter::PingEvery, 0);
    pulse.waits(0);
    pulse.took(2);
    assert_eq!(watch(&mut pulse, 9_000, 12_000, OutboxState::Empty).closed, None);
}

#[test]
fn no_browser_is_closed_for_a_suspension_of_the_node_which_ends_with_a_ping() {
    let clock = SocketClock::default();
    clock.advance(Duration::from_secs(5));
    let mut pulse = Keepalive::new(PingAfter::PingEvery, clock.now_ms());
    let KeepaliveAction::Signs { probe: Some(probe), .. } = pulse.poll(&tick(clock.now_ms(), 0), OutboxState::Empty)
    else {
        panic!("no probe")
    };
    // Suspended for 40 s: the hub counts one.
    let ms = clock.advance(Duration::from_secs(1));
    assert!(matches!(pulse.poll(&tick(ms, ms), OutboxState::Empty), KeepaliveAction::Signs { ping: true, .. }));
    let late = Instant::now() + Duration::from_secs(40);
    assert_eq!(pulse.ponged(&probe, ms, late), None, "no round trip of 40 s");
    pulse.sent(ms);
    assert!(matches!(pulse.poll(&tick(ms + 250, ms), OutboxState::Empty), KeepaliveAction::Signs { ping: false, .. }));
}
