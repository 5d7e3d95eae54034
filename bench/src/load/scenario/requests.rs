//! Plain requests, one after the other on each of several connections.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::LoadRun;
use crate::client::ClientEvent;
use crate::http::request;
use presence_bench::statistics::{ms, percentile};

const CONNECTIONS: usize = 16;

/// Requests one path until the time is over.
pub(super) fn requests(run: &mut LoadRun<'_>, path: &str) -> anyhow::Result<Value> {
    let headers: String = run.args.header.iter().map(|header| format!("{header}\r\n")).collect();
    let request = request("GET", &run.connections.host, path, &headers, "");
    let mut idle = (0..CONNECTIONS).map(|_| run.connections.open_http()).collect::<anyhow::Result<Vec<_>>>()?;
    let first = idle[0];
    let mut asked_us = [0; CONNECTIONS];
    let (mut took_us, mut refused, mut bytes) = (Vec::new(), 0_u32, 0);
    let (began, cpu_s) = (Instant::now(), run.server.cpu_s());
    let end = Duration::from_secs_f64(run.args.seconds);
    while began.elapsed() < end {
        for id in idle.drain(..) {
            asked_us[id - first] = run.connections.now_us();
            run.connections.write(id, request.as_bytes());
        }
        run.connections.poll(Duration::from_millis(20), &mut |id, now_us, what| {
            if let ClientEvent::Response(response) = what {
                took_us.push(u32::try_from(now_us - asked_us[id - first]).unwrap_or(u32::MAX));
                refused += u32::from(response.status != 200);
                bytes = response.length;
                idle.push(id);
            }
        })?;
    }
    let (seconds, cpu_s) = (began.elapsed().as_secs_f64(), run.server.cpu_s() - cpu_s);
    run.connections.ensure_all_open()?;
    for id in first..first + CONNECTIONS {
        run.connections.hang_up(id);
    }
    let requests = took_us.len() as f64;
    let [p50, p99] = [0.5, 0.99].map(|part| ms(percentile(&mut took_us, part)));
    Ok(json!({
        "kind": "http", "path": path, "requests": requests, "refused": refused, "bytes": bytes, "p50_ms": p50,
        "p99_ms": p99, "per_s": requests / seconds, "per_cpu_s": if cpu_s > 0.0 { requests / cpu_s } else { 0.0 },
    }))
}
