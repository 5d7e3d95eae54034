//! Broadcasts to everybody: how late the last one hears of one, and how many a server can do for its CPU time.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Run;
use crate::crowd::Crowd;
use crate::deliveries::Deliveries;
use crate::member::Heard;
use crate::process::Processes;
use crate::publisher::Publisher;
use crate::statistics::{median, ms, percentile};

/// Between broadcasts that are sent one at a time.
const QUIET: Duration = Duration::from_millis(150);
/// Before the first that counts.
const WARM_UP: usize = 2;
const GIVE_UP: Duration = Duration::from_secs(20);

/// One broadcast at a time.
pub(super) fn fanout(run: &mut Run<'_>, publisher: &mut Publisher) -> anyhow::Result<Value> {
    let broadcasts = run.args.broadcasts;
    let receivers = run.crowd.tally.subscribed;
    for _ in 0..WARM_UP {
        one(&mut run.crowd, publisher, receivers)?;
    }
    let (mut late, mut incomplete) = (Vec::new(), 0);
    let cpu_s = run.server.cpu_s();
    for _ in 0..broadcasts {
        let (mut late_us, complete) = one(&mut run.crowd, publisher, receivers)?;
        incomplete += usize::from(!complete);
        late.push([0.0, 0.5, 0.99, 1.0].map(|part| ms(percentile(&mut late_us, part))));
    }
    let cpu_s = run.server.cpu_s() - cpu_s;
    run.crowd.is_whole()?;
    let of = |column: usize| median(late.iter().map(|row| row[column]).collect());
    Ok(json!({
        "kind": "fanout", "connections": receivers, "broadcasts": broadcasts, "incomplete": incomplete,
        "first_ms": of(0), "p50_ms": of(1), "p99_ms": of(2), "last_ms": of(3),
        "cpu_us_per_delivery": cpu_s * 1e6 / (broadcasts * receivers) as f64,
    }))
}

fn one(crowd: &mut Crowd, publisher: &mut Publisher, receivers: usize) -> anyhow::Result<(Vec<u32>, bool)> {
    let deliveries = Deliveries::new(publisher.next, receivers);
    let (complete, deliveries) = go_on(crowd, publisher, deliveries, GIVE_UP, &mut |crowd, publisher, deliveries| {
        if publisher.next == deliveries.first() {
            publisher.publish(crowd)?;
        }
        Ok(deliveries.complete == 1)
    })?;
    // An answer may come after the broadcast that it is about.
    let (_, deliveries) = go_on(crowd, publisher, deliveries, QUIET, &mut |_, _, _| Ok(false))?;
    Ok((deliveries.into_late_us().pop().unwrap_or_default(), complete))
}

/// So many broadcasts under way all the time: whenever one has arrived everywhere, the next one is sent.
pub(super) fn sustain(run: &mut Run<'_>, publisher: &mut Publisher, window: usize) -> anyhow::Result<Value> {
    let receivers = run.crowd.tally.subscribed;
    let (began, first, before) = (Instant::now(), publisher.next, run.crowd.tally);
    let (cpu_s, own_cpu_s) = (run.server.cpu_s(), Processes::own().cpu_s());
    let end = Duration::from_secs_f64(run.args.seconds);
    let sent = |publisher: &Publisher| usize::try_from(publisher.next - first).unwrap_or(usize::MAX);
    let deliveries = Deliveries::new(first, receivers);
    let crowd = &mut run.crowd;
    let (drained, deliveries) =
        go_on(crowd, publisher, deliveries, end + GIVE_UP, &mut |crowd, publisher, deliveries| {
            let over = began.elapsed() >= end;
            while !over && sent(publisher) - deliveries.complete < window {
                publisher.publish(crowd)?;
            }
            Ok(over && deliveries.complete == sent(publisher))
        })?;
    let (seconds, cpu_s) = (began.elapsed().as_secs_f64(), run.server.cpu_s() - cpu_s);
    let own_cpu_s = Processes::own().cpu_s() - own_cpu_s;
    run.crowd.is_whole()?;
    let (all, broadcasts) = (deliveries.all, sent(publisher));
    let mut late_us = deliveries.into_late_us().concat();
    let [p50, p99] = [0.5, 0.99].map(|part| ms(percentile(&mut late_us, part)));
    Ok(json!({
        "kind": "sustain", "connections": receivers, "window": window, "broadcasts": broadcasts, "deliveries": all,
        "lost": (broadcasts * receivers) as u64 - all, "drained": drained, "seconds": seconds,
        "per_cpu_s": if cpu_s > 0.0 { all as f64 / cpu_s } else { 0.0 }, "per_s": all as f64 / seconds,
        "server_cores": cpu_s / seconds, "own_cores": own_cpu_s / seconds,
        "bytes_each": (run.crowd.tally.bytes - before.bytes) as f64 / all.max(1) as f64, "p50_ms": p50, "p99_ms": p99,
        // How many broadcasts the server put into one `send`: what decides, where several are under way.
        "at_once": all as f64 / (run.crowd.tally.reads - before.reads).max(1) as f64,
    }))
}

/// Reads on, and lets `next` publish before each turn, until it says that it is done.
fn go_on(
    crowd: &mut Crowd,
    publisher: &mut Publisher,
    mut deliveries: Deliveries,
    within: Duration,
    next: &mut dyn FnMut(&mut Crowd, &mut Publisher, &Deliveries) -> anyhow::Result<bool>,
) -> anyhow::Result<(bool, Deliveries)> {
    let end = Instant::now() + within;
    let refused = RefCell::new(None);
    while !next(crowd, publisher, &deliveries)? {
        if Instant::now() > end {
            return Ok((false, deliveries));
        }
        crowd.turn(Duration::from_millis(20), &mut |id, now_us, what| match what {
            Heard::Text(text) if !publisher.is(id) => deliveries.take(text, now_us),
            Heard::Text(_) => {}
            Heard::Answer(answer) => *refused.borrow_mut() = publisher.answered(id, &answer).err(),
        })?;
        publisher.post(crowd)?;
        if let Some(refused) = refused.take() {
            anyhow::bail!(refused);
        }
    }
    Ok((true, deliveries))
}
