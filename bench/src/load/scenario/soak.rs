//! A busy node for a long time: visitors join, leave and click without pauses, and every page must show the right number.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use memchr::memmem::find;
use presence_bench::random::Random;
use serde_json::json;

use super::{LoadRun, connect, report};
use crate::client::ClientEvent;
use crate::connections::Connections;
use crate::page::DemoPage;
use crate::protocol::{click, reflexes};
use crate::timestamp::number;

/// Time between comparisons of all pages with the number of visitors.
const ROUND: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(50);
/// At each tick one visitor leaves and another joins; at every twentieth one clicks, and every page shows that.
const TICKS_PER_CLICK: u32 = 20;
/// A closed page counts for 2 s, in case it is a reload; the rest is for messages to arrive on a busy machine.
const TRUE_WITHIN: Duration = Duration::from_secs(15);

/// Limit of visitors that are not subscribed yet.
const AT_ONCE: usize = 128;
const SUBSCRIBED_WITHIN: Duration = Duration::from_secs(300);

/// The visitors in the room.
struct SoakVisitors {
    /// Their sockets, with the identifier of their clicks.
    present: Vec<(usize, String)>,
    /// The number on each page, by the socket's number.
    shown: ShownCounts,
    clicks: u64,
    joined: u64,
    random: Random,
}

#[derive(Default)]
struct ShownCounts(Vec<u64>);

impl ShownCounts {
    fn record(&mut self, id: usize, text: &[u8]) {
        let Some(users) = headcount(text) else { return };
        if self.0.len() <= id {
            self.0.resize(id + 1, 0);
        }
        self.0[id] = users;
    }
}

/// Reads the number of people from a text, if it has one.
fn headcount(text: &[u8]) -> Option<u64> {
    let at = &text[find(text, br#"id=\"headcount\""#)?..];
    let number_at = find(at, br#"class=\"number\">"#)? + br#"class=\"number\">"#.len();
    let digits: Vec<u8> =
        at[number_at..].iter().copied().take_while(|byte| *byte != b'<').filter(|byte| *byte != b',').collect();
    number(&digits).map(|(number, _)| number)
}

/// Runs for the given time. Fails at the first page that stays wrong, and when a connection is closed.
pub(super) fn soak(run: &mut LoadRun<'_>, count: usize) -> anyhow::Result<()> {
    let mut visitors = SoakVisitors {
        present: Vec::new(),
        shown: ShownCounts::default(),
        clicks: 0,
        joined: 0,
        random: Random::of(1),
    };
    let began = Instant::now();
    // Pages first: while visitors join one by one, each join is a message to all others.
    let pages = (0..count).map(|_| run.pages.fetch()).collect::<anyhow::Result<Vec<_>>>()?;
    for page in &pages {
        visitors.join(run, page)?;
        visitors.poll(&mut run.connections, Duration::ZERO)?;
        // Not faster than the server accepts them.
        while visitors.present.len() > run.connections.totals.subscribed + AT_ONCE {
            visitors.poll(&mut run.connections, TICK)?;
            ensure!(began.elapsed() < SUBSCRIBED_WITHIN, "visitors are not subscribed in time");
        }
    }
    drop(pages);
    visitors.wait_until_true(run, "joined")?;
    let end = Instant::now() + Duration::from_secs_f64(run.args.seconds);
    while Instant::now() < end {
        let (began, cpu_s) = (Instant::now(), run.server.cpu_s());
        while began.elapsed() < ROUND && Instant::now() < end {
            visitors.tick(run)?;
        }
        let percent = (run.server.cpu_s() - cpu_s) / began.elapsed().as_secs_f64() * 100.0;
        let true_after = visitors.wait_until_true(run, "stayed")?;
        report(&json!({
            "kind": "soak", "connections": run.connections.totals.subscribed, "closed": run.connections.totals.closed,
            "joined": visitors.joined, "clicks": visitors.clicks, "cpu_percent": percent,
            "rss_mib": run.server.rss_kib() as f64 / 1024.0, "true_after_ms": true_after.as_secs_f64() * 1e3,
        }));
    }
    Ok(())
}

impl SoakVisitors {
    fn join(&mut self, run: &mut LoadRun<'_>, page: &DemoPage) -> anyhow::Result<()> {
        let id = run.connections.open(connect::visitor(page))?;
        self.present.push((id, reflexes(&page.room)));
        self.joined += 1;
        Ok(())
    }

    fn tick(&mut self, run: &mut LoadRun<'_>) -> anyhow::Result<()> {
        let leaves = self.pick();
        let (id, _) = self.present.swap_remove(leaves);
        run.connections.leave(id);
        let page = run.pages.fetch()?;
        self.join(run, &page)?;
        if self.joined.is_multiple_of(TICKS_PER_CLICK.into()) {
            let clicks = self.pick();
            let (id, reflexes) = &self.present[clicks];
            run.connections.send_text(*id, &click(reflexes, self.clicks, self.clicks.is_multiple_of(2)));
            self.clicks += 1;
        }
        let end = Instant::now() + TICK;
        while Instant::now() < end {
            self.poll(&mut run.connections, end.saturating_duration_since(Instant::now()))?;
        }
        run.connections.ensure_all_open()
    }

    fn pick(&mut self) -> usize {
        self.random.number() as usize % self.present.len()
    }

    fn poll(&mut self, connections: &mut Connections, wait: Duration) -> anyhow::Result<()> {
        let shown = &mut self.shown;
        connections.poll(wait, &mut |id, _, what| {
            if let ClientEvent::Text(text) = what {
                shown.record(id, text);
            }
        })
    }

    /// Waits until every page and the API have the right number, and returns how long that took.
    fn wait_until_true(&mut self, run: &mut LoadRun<'_>, what: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let present = self.present.len() as u64;
        loop {
            self.poll(&mut run.connections, TICK)?;
            run.connections.ensure_all_open()?;
            let wrong = self.present.iter().filter(|(id, _)| self.shown.0.get(*id) != Some(&present)).count();
            let users = run.pages.users()?;
            if wrong == 0 && users == present && run.connections.totals.subscribed as u64 == present {
                return Ok(began.elapsed());
            }
            if began.elapsed() > TRUE_WITHIN {
                bail!("{present} {what}, but {wrong} pages show another number, and the API says {users}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_on_a_page_is_read_with_and_without_a_comma() {
        let text = |shown| {
            format!(
                r##"{{"selector":"#headcount","html":"<p id=\"headcount\"><strong class=\"number\">{shown}</strong>"}}"##
            )
        };
        assert_eq!(headcount(text("15,000").as_bytes()), Some(15_000));
        assert_eq!(headcount(text("7").as_bytes()), Some(7));
        assert_eq!(headcount(br#"<strong id=\"ams_usercount\" class=\"number\">7</strong>"#), None);
    }
}
