//! Clicks at one node, until the other node's pages show them: everything between two visitors but the ocean.

use std::collections::HashMap;
use std::net::SocketAddrV4;
use std::time::Duration;

use anyhow::{Context, ensure};
use memchr::memmem::find;
use serde_json::{Value, json};

use super::Run;
use crate::crowd::Crowd;
use crate::member::Heard;
use crate::page::Pages;
use crate::protocol::{Plan, click, reflexes, stream, subscribe};
use crate::statistics::{ms, percentile};

/// Each clicks once a second at the highest rate, as fast as somebody can who means it; a socket may do ten.
const CLICKERS: usize = 1_000;
const WATCHERS: usize = 5;
/// For pages to be told of everybody who came, and for a node to hear of the other.
const SETTLE: Duration = Duration::from_secs(3);

/// Who clicks, and who looks.
pub(super) struct Clicks {
    /// Sockets that click, with what they say it to.
    clickers: Vec<(usize, String)>,
    watchers: Vec<usize>,
    seen: Seen,
    clicked: u64,
}

/// Which click of whom was seen where.
struct Seen {
    /// By the digits that pages show of a visitor.
    users: HashMap<[u8; 8], usize>,
    /// When each visitor clicked last.
    clicked_us: Vec<u64>,
    /// The click of each visitor that each watcher has seen last, by its time.
    shown_us: Vec<Vec<u64>>,
    late_us: Vec<u32>,
    halted: u64,
}

impl Seen {
    /// Takes what a watcher's page is told. Several clicks may be drawn as one: who clicked last is shown.
    fn take(&mut self, watcher: usize, text: &[u8], now_us: u64) {
        let Some(user) = shown(text).and_then(|digits| self.users.get(&digits)).copied() else { return };
        let clicked_us = self.clicked_us[user];
        if clicked_us > 0 && std::mem::replace(&mut self.shown_us[watcher][user], clicked_us) != clicked_us {
            self.late_us.push(u32::try_from(now_us - clicked_us).unwrap_or(u32::MAX));
        }
    }
}

/// Who clicked last, as the label of the bulb says it.
fn shown(text: &[u8]) -> Option<[u8; 8]> {
    let label = &text[find(text, b"lightswitch-label")?..];
    let user = &label[find(label, b"User #")? + 6..];
    user.first_chunk().copied()
}

impl Clicks {
    /// Lets the visitors of both nodes come.
    pub(super) fn begin(run: &mut Run<'_>, other: SocketAddrV4) -> anyhow::Result<Self> {
        let mut clickers = Vec::new();
        let mut users = HashMap::new();
        for place in 0..CLICKERS {
            let page = run.pages.fetch()?;
            let user = page.user.as_bytes().first_chunk().context("the page does not say who its visitor is")?;
            users.insert(*user, place);
            // They hear of nothing: a thousand pages that show a thousand clicks a second would be another question.
            let reflexes = reflexes(&page.room);
            let plan = Plan { cookie: Some(page.cookie), subscribe: vec![subscribe(&reflexes)] };
            clickers.push((run.crowd.open(plan)?, reflexes));
            run.crowd.turn(Duration::ZERO, &mut |_, _, _| {})?;
        }
        run.crowd.turn_to(other);
        let mut pages = Pages::new(other, &run.crowd.host);
        let mut watchers = Vec::new();
        for _ in 0..WATCHERS {
            let page = pages.fetch()?;
            let subscribe = page.streams.iter().map(|name| subscribe(&stream(name))).collect();
            watchers.push(run.crowd.open(Plan { cookie: Some(page.cookie), subscribe })?);
        }
        let all = clickers.len() + watchers.len();
        let are_there = &mut |crowd: &mut Crowd| crowd.tally.subscribed == all;
        let done = run.crowd.until(Duration::from_secs(20), &mut |_, _, _| {}, are_there)?;
        run.crowd.is_whole()?;
        ensure!(done, "only {} of {all} connections were subscribed", run.crowd.tally.subscribed);
        let shown_us = vec![vec![0; clickers.len()]; watchers.len()];
        let seen = Seen { users, clicked_us: vec![0; clickers.len()], shown_us, late_us: Vec::new(), halted: 0 };
        run.crowd.rest(SETTLE)?;
        Ok(Self { clickers, watchers, seen, clicked: 0 })
    }

    /// So many clicks a second, by one visitor after the other.
    pub(super) fn at(&mut self, run: &mut Run<'_>, rate: u32) -> anyhow::Result<Value> {
        self.seen.late_us.clear();
        self.seen.clicked_us.fill(0);
        self.seen.shown_us.iter_mut().for_each(|shown_us| shown_us.fill(0));
        let (began_us, cpu_s, before) = (run.crowd.now_us(), run.server.cpu_s(), self.clicked);
        let end_us = (run.args.seconds * 1e6) as u64;
        let every_us = 1_000_000 / u64::from(rate.max(1));
        loop {
            let now_us = run.crowd.now_us() - began_us;
            if now_us >= end_us {
                break;
            }
            let clicks = self.clicked - before;
            if clicks * every_us <= now_us {
                self.click(&mut run.crowd);
            }
            let left_us = ((clicks + 1) * every_us).min(end_us).saturating_sub(now_us);
            self.look(&mut run.crowd, Duration::from_micros(left_us))?;
        }
        let (seconds, cpu_s) = ((run.crowd.now_us() - began_us) as f64 / 1e6, run.server.cpu_s() - cpu_s);
        self.look(&mut run.crowd, Duration::from_millis(200))?;
        run.crowd.is_whole()?;
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

    fn click(&mut self, crowd: &mut Crowd) {
        let (place, round) = (self.clicked as usize % self.clickers.len(), self.clicked / self.clickers.len() as u64);
        let (id, reflexes) = &self.clickers[place];
        let text = click(reflexes, self.clicked, (self.clicked + round).is_multiple_of(2));
        self.seen.clicked_us[place] = crowd.now_us();
        crowd.say(*id, &text);
        self.clicked += 1;
    }

    fn look(&mut self, crowd: &mut Crowd, wait: Duration) -> anyhow::Result<()> {
        let Self { watchers, seen, .. } = self;
        crowd.turn(wait, &mut |id, now_us, what| {
            let Heard::Text(text) = what else { return };
            match watchers.iter().position(|watcher| *watcher == id) {
                Some(watcher) => seen.take(watcher, text, now_us),
                None => seen.halted += u64::from(find(text, b"morph-halted").is_some()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_is_the_last_click_of_whom_it_shows_and_counts_once() {
        let users = HashMap::from([(*b"1A2B3C4D", 0), (*b"00000000", 1)]);
        let (clicked_us, shown_us) = (vec![100, 0], vec![vec![0; 2]]);
        let mut seen = Seen { users, clicked_us, shown_us, late_us: Vec::new(), halted: 0 };
        let text = |user| format!(r#"{{"html":"<p id=\"lightswitch-label\">Last <strong>User #{user}</strong>"}}"#);
        seen.take(0, text("1A2B3C4D").as_bytes(), 350);
        seen.take(0, text("1A2B3C4D").as_bytes(), 400);
        seen.take(0, text("00000000").as_bytes(), 400);
        seen.take(0, text("FFFFFFFF").as_bytes(), 400);
        seen.take(0, br#"{"html":"<span id=\"you\">User #1A2B3C4D</span>"}"#, 500);
        assert_eq!(seen.late_us, [250]);
    }
}
