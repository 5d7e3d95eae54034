//! Broadcasts to all clients: when the last one has it, and how many a server sends for its CPU time.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::LoadRun;
use crate::client::ClientEvent;
use crate::connections::Connections;
use crate::deliveries::Deliveries;
use crate::publisher::Publisher;
use presence_bench::process::Processes;
use presence_bench::statistics::{median, ms, percentile};

/// Pause between single broadcasts.
const QUIET: Duration = Duration::from_millis(150);
/// Broadcasts before the first that counts.
const WARM_UP: usize = 2;
const GIVE_UP: Duration = Duration::from_secs(20);

/// Measures one broadcast at a time.
pub(super) fn fanout(run: &mut LoadRun<'_>, publisher: &mut Publisher) -> anyhow::Result<Value> {
    let broadcasts = run.args.broadcasts;
    let receivers = run.connections.totals.subscribed;
    for _ in 0..WARM_UP {
        one(&mut run.connections, publisher, receivers)?;
    }
    let (mut late, mut incomplete) = (Vec::new(), 0);
    let cpu_s = run.server.cpu_s();
    for _ in 0..broadcasts {
        let (mut late_us, complete) = one(&mut run.connections, publisher, receivers)?;
        incomplete += usize::from(!complete);
        late.push([0.0, 0.5, 0.99, 1.0].map(|part| ms(percentile(&mut late_us, part))));
    }
    let cpu_s = run.server.cpu_s() - cpu_s;
    run.connections.ensure_all_open()?;
    let of = |column: usize| median(late.iter().map(|row| row[column]).collect());
    Ok(json!({
        "kind": "fanout", "connections": receivers, "broadcasts": broadcasts, "incomplete": incomplete,
        "first_ms": of(0), "p50_ms": of(1), "p99_ms": of(2), "last_ms": of(3),
        "cpu_us_per_delivery": cpu_s * 1e6 / (broadcasts * receivers) as f64,
    }))
}

fn one(connections: &mut Connections, publisher: &mut Publisher, receivers: usize) -> anyhow::Result<(Vec<u32>, bool)> {
    let deliveries = Deliveries::new(publisher.next, receivers);
    let (complete, deliveries) =
        poll_until(connections, publisher, deliveries, GIVE_UP, &mut |connections, publisher, deliveries| {
            if publisher.next == deliveries.first() {
                publisher.publish(connections)?;
            }
            Ok(deliveries.complete == 1)
        })?;
    // A response may arrive after its broadcast.
    let (_, deliveries) = poll_until(connections, publisher, deliveries, QUIET, &mut |_, _, _| Ok(false))?;
    Ok((deliveries.into_late_us().pop().unwrap_or_default(), complete))
}

/// Keeps a window of broadcasts in flight: whenever one has arrived everywhere, the next one is sent.
pub(super) fn sustain(run: &mut LoadRun<'_>, publisher: &mut Publisher, window: usize) -> anyhow::Result<Value> {
    let receivers = run.connections.totals.subscribed;
    let (began, first, before) = (Instant::now(), publisher.next, run.connections.totals);
    let (cpu_s, own_cpu_s) = (run.server.cpu_s(), Processes::own().cpu_s());
    let end = Duration::from_secs_f64(run.args.seconds);
    let sent = |publisher: &Publisher| usize::try_from(publisher.next - first).unwrap_or(usize::MAX);
    let deliveries = Deliveries::new(first, receivers);
    let connections = &mut run.connections;
    let (drained, deliveries) =
        poll_until(connections, publisher, deliveries, end + GIVE_UP, &mut |connections, publisher, deliveries| {
            let over = began.elapsed() >= end;
            while !over && sent(publisher) - deliveries.complete < window {
                publisher.publish(connections)?;
            }
            Ok(over && deliveries.complete == sent(publisher))
        })?;
    let (seconds, cpu_s) = (began.elapsed().as_secs_f64(), run.server.cpu_s() - cpu_s);
    let own_cpu_s = Processes::own().cpu_s() - own_cpu_s;
    run.connections.ensure_all_open()?;
    let (all, broadcasts) = (deliveries.all, sent(publisher));
    let mut late_us = deliveries.into_late_us().concat();
    let [p50, p99] = [0.5, 0.99].map(|part| ms(percentile(&mut late_us, part)));
    Ok(json!({
        "kind": "sustain", "connections": receivers, "window": window, "broadcasts": broadcasts, "deliveries": all,
        "lost": (broadcasts * receivers) as u64 - all, "drained": drained, "seconds": seconds,
        "per_cpu_s": if cpu_s > 0.0 { all as f64 / cpu_s } else { 0.0 }, "per_s": all as f64 / seconds,
        "server_cores": cpu_s / seconds, "own_cores": own_cpu_s / seconds,
        "bytes_each": (run.connections.totals.bytes - before.bytes) as f64 / all.max(1) as f64, "p50_ms": p50, "p99_ms": p99,
        // Broadcasts in one `send` of the server: the deciding number where several are in flight.
        "at_once": all as f64 / (run.connections.totals.reads - before.reads).max(1) as f64,
    }))
}

/// Polls, and lets `next` publish before each poll, until it returns that it is done.
fn poll_until(
    connections: &mut Connections,
    publisher: &mut Publisher,
    mut deliveries: Deliveries,
    within: Duration,
    next: &mut dyn FnMut(&mut Connections, &mut Publisher, &Deliveries) -> anyhow::Result<bool>,
) -> anyhow::Result<(bool, Deliveries)> {
    let end = Instant::now() + within;
    let refused = RefCell::new(None);
    while !next(connections, publisher, &deliveries)? {
        if Instant::now() > end {
            return Ok((false, deliveries));
        }
        connections.poll(Duration::from_millis(20), &mut |id, now_us, what| match what {
            ClientEvent::Text(text) if !publisher.is(id) => deliveries.record(text, now_us),
            ClientEvent::Text(_) => {}
            ClientEvent::Response(response) => *refused.borrow_mut() = publisher.on_response(id, &response).err(),
        })?;
        publisher.post(connections)?;
        if let Some(refused) = refused.take() {
            anyhow::bail!(refused);
        }
    }
    Ok((true, deliveries))
}
