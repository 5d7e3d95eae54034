//! Opens connections until a number of them are subscribed, and measures what each costs the server.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use super::LoadRun;
use crate::page::DemoPage;
use crate::protocol::{ClientPlan, ClientProtocol, reflexes, stream, subscribe};

/// Limit of connections that are not subscribed yet: a server accepts one after the other.
const AT_ONCE: usize = 128;
const GIVE_UP: Duration = Duration::from_secs(120);

/// Opens connections until this many are subscribed.
pub(super) fn grow(run: &mut LoadRun<'_>, count: usize) -> anyhow::Result<Value> {
    let (began, cpu_s) = (Instant::now(), run.server.cpu_s());
    let before = arrived(run);
    // Pages first: while visitors join one by one, each join is a message to all others.
    let mut plans = (before..count).map(|_| plan(run)).collect::<anyhow::Result<Vec<_>>>()?;
    while arrived(run) < count {
        let in_flight = count - plans.len() - arrived(run);
        let next = if in_flight < AT_ONCE { plans.pop() } else { None };
        let wait = if next.is_some() { Duration::ZERO } else { Duration::from_millis(20) };
        if let Some(plan) = next {
            run.connections.open(plan)?;
        }
        run.connections.poll(wait, &mut |_, _, _| {})?;
        run.connections.ensure_all_open()?;
        if began.elapsed() > GIVE_UP {
            bail!("only {} of {count} connections were subscribed in {} s", arrived(run), GIVE_UP.as_secs());
        }
    }
    let cpu_s = run.server.cpu_s() - cpu_s;
    Ok(json!({
        "kind": "connect", "connections": count, "seconds": began.elapsed().as_secs_f64(), "cpu_s": cpu_s,
        "cpu_us_each": cpu_s * 1e6 / (count - before).max(1) as f64,
    }))
}

/// Counts the connections that are as far as they may be now.
fn arrived(run: &LoadRun<'_>) -> usize {
    if run.connections.subscribe_when_ready { run.connections.totals.subscribed } else { run.connections.totals.ready }
}

/// Makes the plan of the next connection.
pub(super) fn plan(run: &mut LoadRun<'_>) -> anyhow::Result<ClientPlan> {
    if run.args.pages {
        return Ok(visitor(&run.pages.fetch()?));
    }
    let message = |text: &String| match run.args.protocol {
        ClientProtocol::Actioncable => subscribe(text),
        ClientProtocol::Socketio | ClientProtocol::Raw => text.clone(),
    };
    Ok(ClientPlan { cookie: None, subscribe: run.args.subscribe.iter().map(message).collect() })
}

/// Makes the plan of a browser with this page: it joins the room, follows its own stream, and can click. A page with nothing
/// to click has only one stream.
pub(super) fn visitor(page: &DemoPage) -> ClientPlan {
    let streams = page.streams.iter().map(|name| stream(name));
    let clicks = (page.streams.len() > 1).then(|| reflexes(&page.room));
    let subscribe = streams.chain(clicks).map(|identifier| subscribe(&identifier)).collect();
    ClientPlan { cookie: Some(page.cookie.clone()), subscribe }
}
