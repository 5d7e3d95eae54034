//! Clicks at one node until the other node's pages show them: everything between two visitors except the ocean.

use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::time::Duration;

use anyhow::{Context, ensure};
use memchr::memmem::find;
use serde_json::{Value, json};

use super::LoadRun;
use crate::client::ClientEvent;
use crate::connections::Connections;
use crate::page::PageFetcher;
use crate::protocol::{ClientPlan, click, reflexes, stream, subscribe};
use presence_bench::statistics::{ms, percentile};

/// Each clicks once a second at the highest rate, as fast as a person; a socket may do ten.
const CLICKERS: usize = 1_000;
const WATCHERS: usize = 5;
/// Time until all pages show all visitors, and both nodes know each other.
const SETTLE: Duration = Duration::from_secs(3);

/// Visitors that click, and visitors that watch.
pub(super) struct Clicks {
    /// Sockets that click, with the identifier of their clicks.
    clickers: Vec<(usize, String)>,
    watchers: Vec<usize>,
    seen: ClickLatencies,
    clicked: u64,
}

/// Times from clicks to what watchers see.
struct ClickLatencies {
    /// Visitors by the digits that pages show.
    users: HashMap<[u8; 8], usize>,
    /// Time of each visitor's last click.
    clicked_us: Vec<u64>,
    /// Time of the last click that each watcher has seen of each visitor.
    shown_us: Vec<Vec<u64>>,
    late_us: Vec<u32>,
    halted: u64,
}

impl ClickLatencies {
    /// Records a text that a watcher got. Several clicks may be drawn as one, which shows the last visitor.
    fn record(&mut self, watcher: usize, text: &[u8], now_us: u64) {
        let Some(user) = shown(text).and_then(|digits| self.users.get(&digits)).copied() else { return };
        let clicked_us = self.clicked_us[user];
        if clicked_us > 0 && std::mem::replace(&mut self.shown_us[watcher][user], clicked_us) != clicked_us {
            self.late_us.push(u32::try_from(now_us - clicked_us).unwrap_or(u32::MAX));
        }
    }
}

/// Reads the last visitor that clicked from the label of the bulb.
fn shown(text: &[u8]) -> Option<[u8; 8]> {
    let label = &text[find(text, b"lightswitch-label")?..];
    let user = &label[find(label, b"User #")? + 6..];
    user.first_chunk().copied()
}

impl Clicks {
    /// Connects the visitors of both nodes.
    pub(super) fn begin(run: &mut LoadRun<'_>, other: SocketAddrV4) -> anyhow::Result<Self> {
        let mut clickers = Vec::new();
        let mut users = HashMap::new();
        for place in 0..CLICKERS {
            let page = run.pages.fetch()?;
            let user = page.user.as_bytes().first_chunk().context("the page does not name its visitor")?;
            users.insert(*user, place);
            // They have no streams: a thousand pages that show a thousand clicks a second would be another measurement.
            let reflexes = reflexes(&page.room);
            let plan = ClientPlan { cookie: Some(page.cookie), subscribe: vec![subscribe(&reflexes)] };
            clickers.push((run.connections.open(plan)?, reflexes));
            run.connections.poll(Duration::ZERO, &mut |_, _, _| {})?;
        }
        run.connections.connect_to(other);
        let mut pages = PageFetcher::new(other, &run.connections.host);
        let mut watchers = Vec::new();
        for _ in 0..WATCHERS {
            let page = pages.fetch()?;
            let subscribe = page.streams.iter().map(|name| subscribe(&stream(name))).collect();
            watchers.push(run.connections.open(ClientPlan { cookie: Some(page.cookie), subscribe })?);
        }
        let all = clickers.len() + watchers.len();
        let are_there = &mut |connections: &mut Connections| connections.totals.subscribed == all;
        let done = run.connections.until(Duration::from_secs(20), &mut |_, _, _| {}, are_there)?;
        run.connections.ensure_all_open()?;
        ensure!(done, "only {} of {all} connections were subscribed", run.connections.totals.subscribed);
        let shown_us = vec![vec![0; clickers.len()]; watchers.len()];
        let seen =
            ClickLatencies { users, clicked_us: vec![0; clickers.len()], shown_us, late_us: Vec::new(), halted: 0 };
        run.connections.rest(SETTLE)?;
        Ok(Self { clickers, watchers, seen, clicked: 0 })
    }

    /// Clicks at this rate, by one visitor after the other.
    pub(super) fn at(&mut self, run: &mut LoadRun<'_>, rate: u32) -> anyhow::Result<Value> {
        self.seen.late_us.clear();
        self.seen.clicked_us.fill(0);
        self.seen.shown_us.iter_mut().for_each(|shown_us| shown_us.fill(0));
        let (began_us, cpu_s, before) = (run.connections.now_us(), run.server.cpu_s(), self.clicked);
        let end_us = (run.args.seconds * 1e6) as u64;
        let every_us = 1_000_000 / u64::from(rate.max(1));
        loop {
            let now_us = run.connections.now_us() - began_us;
            if now_us >= end_us {
                break;
            }
            let clicks = self.clicked - before;
            if clicks * every_us <= now_us {
                self.click(&mut run.connections);
            }
            let left_us = ((clicks + 1) * every_us).min(end_us).saturating_sub(now_us);
            self.watch(&mut run.connections, Duration::from_micros(left_us))?;
        }
        let (seconds, cpu_s) = ((run.connections.now_us() - began_us) as f64 / 1e6, run.server.cpu_s() - cpu_s);
        self.watch(&mut run.connections, Duration::from_millis(200))?;
        run.connections.ensure_all_open()?;
        let clicks = self.clicked - before;
        let all_shown = clicks as f64 * self.watchers.len() as f64;
        let shown = self.seen.late_us.len() as f64 / all_shown.max(1.0);
        let [p50, p99, last] = [0.5, 0.99, 1.0].map(|part| ms(percentile(&mut self.seen.late_us, part)));
        Ok(json!({
            "kind": "click", "rate": rate, "clicks": clicks, "per_s": clicks as f64 / seconds, "shown": shown,
            "halted": std::mem::take(&mut self.seen.halted), "p50_ms": p50, "p99_ms": p99, "last_ms": last,
            "cpu_us_each": cpu_s * 1e6 / clicks.max(1) as f64,
        }))
    }

    fn click(&mut self, connections: &mut Connections) {
        let (place, round) = (self.clicked as usize % self.clickers.len(), self.clicked / self.clickers.len() as u64);
        let (id, reflexes) = &self.clickers[place];
        let text = click(reflexes, self.clicked, (self.clicked + round).is_multiple_of(2));
        self.seen.clicked_us[place] = connections.now_us();
        connections.send_text(*id, &text);
        self.clicked += 1;
    }

    fn watch(&mut self, connections: &mut Connections, wait: Duration) -> anyhow::Result<()> {
        let Self { watchers, seen, .. } = self;
        connections.poll(wait, &mut |id, now_us, what| {
            let ClientEvent::Text(text) = what else { return };
            match watchers.iter().position(|watcher| *watcher == id) {
                Some(watcher) => seen.record(watcher, text, now_us),
                None => seen.halted += u64::from(find(text, b"morph-halted").is_some()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_shows_one_visitors_last_click_and_counts_once() {
        let users = HashMap::from([(*b"1A2B3C4D", 0), (*b"00000000", 1)]);
        let (clicked_us, shown_us) = (vec![100, 0], vec![vec![0; 2]]);
        let mut seen = ClickLatencies { users, clicked_us, shown_us, late_us: Vec::new(), halted: 0 };
        let text = |user| format!(r#"{{"html":"<p id=\"lightswitch-label\">Last <strong>User #{user}</strong>"}}"#);
        seen.record(0, text("1A2B3C4D").as_bytes(), 350);
        seen.record(0, text("1A2B3C4D").as_bytes(), 400);
        seen.record(0, text("00000000").as_bytes(), 400);
        seen.record(0, text("FFFFFFFF").as_bytes(), 400);
        seen.record(0, br#"{"html":"<span id=\"you\">User #1A2B3C4D</span>"}"#, 500);
        assert_eq!(seen.late_us, [250]);
    }
}
