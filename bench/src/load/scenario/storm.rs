//! A storm: all connected clients join one room at the same moment, and must learn the right number.

use std::cell::RefCell;
use std::time::Duration;

use memchr::memmem::Finder;
use serde_json::{Value, json};

use super::{LoadRun, connect, report};
use crate::client::ClientEvent;
use crate::timestamp::number_after;
use presence_bench::statistics::{ms, percentile};

/// Joins between two polls: the last one must not wait for the answer to the first one.
const AT_ONCE: usize = 64;
/// What a server does after all clients know the right number is part of the cost of a storm.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Connects, then lets all clients join.
pub(super) fn storm(run: &mut LoadRun<'_>, count: usize) -> anyhow::Result<Value> {
    run.connections.subscribe_when_ready = false;
    report(&connect::grow(run, count)?);
    // Lets the server finish its work for the connections.
    run.connections.rest(Duration::from_secs(1))?;
    let (before, began_us, cpu_s) = (run.connections.totals, run.connections.now_us(), run.server.cpu_s());
    let target = u64::try_from(count)?;
    let text = Finder::new(run.args.count_after.as_bytes());
    let mut told = vec![false; count];
    let after_us = RefCell::new(Vec::with_capacity(count));
    let mut heard = |id: usize, now_us: u64, what: ClientEvent<'_>| {
        let ClientEvent::Text(bytes) = what else { return };
        if number_after(&text, bytes) == Some(target) && !std::mem::replace(&mut told[id], true) {
            after_us.borrow_mut().push(u32::try_from(now_us - began_us).unwrap_or(u32::MAX));
        }
    };
    for id in 0..count {
        run.connections.join(id);
        if id % AT_ONCE == 0 {
            run.connections.poll(Duration::ZERO, &mut heard)?;
        }
    }
    let give_up = Duration::from_secs_f64(run.args.give_up);
    run.connections.until(give_up, &mut heard, &mut |_| after_us.borrow().len() == count)?;
    let then_s = run.server.cpu_s() - cpu_s;
    run.connections.until(AFTERWARDS, &mut heard, &mut |_| false)?;
    run.connections.ensure_all_open()?;
    let texts = run.connections.totals.texts - before.texts;
    let mut after_us = after_us.take();
    let converged = after_us.len();
    let [p50, last] = [0.5, 1.0].map(|part| ms(percentile(&mut after_us, part)));
    Ok(json!({
        "kind": "storm", "connections": count, "told": converged, "converged": converged == count,
        "p50_ms": p50, "last_ms": last, "cpu_s": run.server.cpu_s() - cpu_s, "cpu_until_told_s": then_s,
        "texts_each": texts as f64 / count as f64, "rss_mib": run.server.rss_kib() as f64 / 1024.0,
    }))
}
