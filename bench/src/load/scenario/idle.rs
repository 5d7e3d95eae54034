//! Idle connections: their memory, and the CPU time of heartbeats.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::LoadRun;
use crate::publisher::Publisher;

/// Time until all clients know of the last join and no page changes any longer.
const SETTLE: Duration = Duration::from_secs(4);

/// Measures the connections that are open.
pub(super) fn idle(run: &mut LoadRun<'_>, publisher: &Publisher) -> anyhow::Result<Value> {
    let args = run.args;
    for (command, rate) in [('P', args.baseline_texts), ('Q', args.baseline_pings)] {
        if rate > 0 {
            publisher.command(&mut run.connections, &format!("{command}{rate}"));
        }
    }
    run.connections.rest(SETTLE)?;
    let (began, cpu_s, before) = (Instant::now(), run.server.cpu_s(), run.connections.totals);
    run.connections.rest(Duration::from_secs_f64(args.idle_seconds))?;
    let (seconds, cpu_s) = (began.elapsed().as_secs_f64(), run.server.cpu_s() - cpu_s);
    run.connections.ensure_all_open()?;
    for (command, rate) in [('P', args.baseline_texts), ('Q', args.baseline_pings)] {
        if rate > 0 {
            publisher.command(&mut run.connections, &format!("{command}0"));
        }
    }
    let (connections, rss_kib) = (run.connections.totals.subscribed, run.server.rss_kib());
    let more = rss_kib.saturating_sub(run.rss_kib_at_first) as f64;
    Ok(json!({
        "kind": "idle", "connections": connections, "cpu_percent": cpu_s / seconds * 100.0, "rss_mib": rss_kib as f64 / 1024.0,
        "rss_kib_each": more / connections.max(1) as f64,
        "texts_per_s": (run.connections.totals.texts - before.texts) as f64 / seconds,
        "pings_per_s": (run.connections.totals.pings - before.pings) as f64 / seconds,
    }))
}
