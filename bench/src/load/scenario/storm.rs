//! A storm: everybody who is connected joins one room at the same moment, and is to be told how many are there.

use std::cell::RefCell;
use std::time::Duration;

use memchr::memmem::Finder;
use serde_json::{Value, json};

use super::{Run, connect, tell};
use crate::mark::number_after;
use crate::member::Heard;
use crate::statistics::{ms, percentile};

/// So many are told to join before what has come is read: the last one is not to wait for the first one's answer.
const AT_ONCE: usize = 64;
/// What a server still does when everybody has been told the right number is part of what a storm costs.
const AFTERWARDS: Duration = Duration::from_secs(2);

/// Connects, then lets all join.
pub(super) fn storm(run: &mut Run<'_>, connections: usize) -> anyhow::Result<Value> {
    run.crowd.gate = false;
    tell(&connect::grow(run, connections)?);
    // Everybody sits still; what connecting left to do is done.
    run.crowd.rest(Duration::from_secs(1))?;
    let (before, began_us, cpu_s) = (run.crowd.tally, run.crowd.now_us(), run.server.cpu_s());
    let target = u64::try_from(connections)?;
    let text = Finder::new(run.args.count_after.as_bytes());
    let mut told = vec![false; connections];
    let after_us = RefCell::new(Vec::with_capacity(connections));
    let mut heard = |id: usize, now_us: u64, what: Heard<'_>| {
        let Heard::Text(bytes) = what else { return };
        if number_after(&text, bytes) == Some(target) && !std::mem::replace(&mut told[id], true) {
            after_us.borrow_mut().push(u32::try_from(now_us - began_us).unwrap_or(u32::MAX));
        }
    };
    for id in 0..connections {
        run.crowd.join(id);
        if id % AT_ONCE == 0 {
            run.crowd.turn(Duration::ZERO, &mut heard)?;
        }
    }
    let give_up = Duration::from_secs_f64(run.args.give_up);
    run.crowd.until(give_up, &mut heard, &mut |_| after_us.borrow().len() == connections)?;
    let then_s = run.server.cpu_s() - cpu_s;
    run.crowd.until(AFTERWARDS, &mut heard, &mut |_| false)?;
    run.crowd.is_whole()?;
    let texts = run.crowd.tally.texts - before.texts;
    let mut after_us = after_us.take();
    let converged = after_us.len();
    let [p50, last] = [0.5, 1.0].map(|part| ms(percentile(&mut after_us, part)));
    Ok(json!({
        "kind": "storm", "connections": connections, "told": converged, "converged": converged == connections,
        "p50_ms": p50, "last_ms": last, "cpu_s": run.server.cpu_s() - cpu_s, "cpu_until_told_s": then_s,
        "texts_each": texts as f64 / connections as f64, "rss_mib": run.server.rss_kib() as f64 / 1024.0,
    }))
}
