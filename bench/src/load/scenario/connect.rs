//! Opening connections until so many are subscribed, and what each of them costs the server.

use std::time::{Duration, Instant};

use anyhow::bail;
use serde_json::{Value, json};

use super::Run;
use crate::page::Page;
use crate::protocol::{Plan, Protocol, reflexes, stream, subscribe};

/// Not subscribed yet, at most: a server accepts them one after the other.
const AT_ONCE: usize = 128;
const GIVE_UP: Duration = Duration::from_secs(120);

/// Opens connections until there are so many.
pub(super) fn grow(run: &mut Run<'_>, connections: usize) -> anyhow::Result<Value> {
    let (began, cpu_s) = (Instant::now(), run.server.cpu_s());
    let before = arrived(run);
    // Pages first: while visitors come one by one, each is news to all who are there already.
    let mut plans = (before..connections).map(|_| plan(run)).collect::<anyhow::Result<Vec<_>>>()?;
    while arrived(run) < connections {
        let under_way = connections - plans.len() - arrived(run);
        let next = if under_way < AT_ONCE { plans.pop() } else { None };
        let wait = if next.is_some() { Duration::ZERO } else { Duration::from_millis(20) };
        if let Some(plan) = next {
            run.crowd.open(plan)?;
        }
        run.crowd.turn(wait, &mut |_, _, _| {})?;
        run.crowd.is_whole()?;
        if began.elapsed() > GIVE_UP {
            bail!("only {} of {connections} connections were subscribed in {} s", arrived(run), GIVE_UP.as_secs());
        }
    }
    let cpu_s = run.server.cpu_s() - cpu_s;
    Ok(json!({
        "kind": "connect", "connections": connections, "seconds": began.elapsed().as_secs_f64(), "cpu_s": cpu_s,
        "cpu_us_each": cpu_s * 1e6 / (connections - before).max(1) as f64,
    }))
}

/// Those that have come as far as they may now.
fn arrived(run: &Run<'_>) -> usize {
    if run.crowd.gate { run.crowd.tally.subscribed } else { run.crowd.tally.ready }
}

/// What the next connection is to do.
pub(super) fn plan(run: &mut Run<'_>) -> anyhow::Result<Plan> {
    if run.args.pages {
        return Ok(visitor(&run.pages.fetch()?));
    }
    let message = |text: &String| match run.args.protocol {
        Protocol::Actioncable => subscribe(text),
        Protocol::Socketio | Protocol::Raw => text.clone(),
    };
    Ok(Plan { cookie: None, subscribe: run.args.subscribe.iter().map(message).collect() })
}

/// A browser with this page: it is in the room, hears of itself, and can click. A page without anything to click on has
/// one stream only.
pub(super) fn visitor(page: &Page) -> Plan {
    let streams = page.streams.iter().map(|name| stream(name));
    let clicks = (page.streams.len() > 1).then(|| reflexes(&page.room));
    let subscribe = streams.chain(clicks).map(|identifier| subscribe(&identifier)).collect();
    Plan { cookie: Some(page.cookie.clone()), subscribe }
}
