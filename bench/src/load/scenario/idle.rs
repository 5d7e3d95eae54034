//! Connections that nothing happens on: their memory, and the heartbeats' CPU time.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::Run;
use crate::publisher::Publisher;

/// Until everybody has been told of the last one who came, and nobody else's page changes any more.
const SETTLE: Duration = Duration::from_secs(4);

/// Measures those that are connected.
pub(super) fn idle(run: &mut Run<'_>, publisher: &Publisher) -> anyhow::Result<Value> {
    let args = run.args;
    for (order, rate) in [('P', args.floor_texts), ('Q', args.floor_pings)] {
        if rate > 0 {
            publisher.order(&mut run.crowd, &format!("{order}{rate}"));
        }
    }
    run.crowd.rest(SETTLE)?;
    let (began, cpu_s, before) = (Instant::now(), run.server.cpu_s(), run.crowd.tally);
    run.crowd.rest(Duration::from_secs_f64(args.idle_seconds))?;
    let (seconds, cpu_s) = (began.elapsed().as_secs_f64(), run.server.cpu_s() - cpu_s);
    run.crowd.is_whole()?;
    for (order, rate) in [('P', args.floor_texts), ('Q', args.floor_pings)] {
        if rate > 0 {
            publisher.order(&mut run.crowd, &format!("{order}0"));
        }
    }
    let (connections, rss_kib) = (run.crowd.tally.subscribed, run.server.rss_kib());
    let more = rss_kib.saturating_sub(run.rss_kib_at_first) as f64;
    Ok(json!({
        "kind": "idle", "connections": connections, "cpu_percent": cpu_s / seconds * 100.0, "rss_mib": rss_kib as f64 / 1024.0,
        "rss_kib_each": more / connections.max(1) as f64,
        "texts_per_s": (run.crowd.tally.texts - before.texts) as f64 / seconds,
        "pings_per_s": (run.crowd.tally.pings - before.pings) as f64 / seconds,
    }))
}
