//! A busy node for a long time: visitors come, leave and click without a pause, and every page must tell the truth.

use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use memchr::memmem::find;
use serde_json::json;

use super::{Run, connect, tell};
use crate::crowd::Crowd;
use crate::mark::number;
use crate::member::Heard;
use crate::page::Page;
use crate::protocol::{click, reflexes};

/// How long visitors come and go before everybody's page is compared with who is there.
const ROUND: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(50);
/// Each tick one leaves and another one comes; every so many ticks somebody clicks, which every page then shows.
const TICKS_PER_CLICK: u32 = 20;
/// Whoever closes a page is still counted for 2 s, in case it is a reload; what is left is for the news to be told, on a busy machine, too.
const TRUE_WITHIN: Duration = Duration::from_secs(15);

/// Who has not been let in yet, at most.
const AT_ONCE: usize = 128;
const LET_IN_WITHIN: Duration = Duration::from_secs(300);

/// Visitors who are there.
struct Visitors {
    /// Their sockets, with what they say a click to.
    there: Vec<(usize, String)>,
    /// What each one's page shows, by the socket's number.
    shown: Shown,
    clicks: u64,
    came: u64,
    /// Which of them is next; a fixed row of numbers, so that every run is the same.
    chance: u64,
}

#[derive(Default)]
struct Shown(Vec<u64>);

impl Shown {
    fn take(&mut self, id: usize, text: &[u8]) {
        let Some(users) = headcount(text) else { return };
        if self.0.len() <= id {
            self.0.resize(id + 1, 0);
        }
        self.0[id] = users;
    }
}

/// The number of people in what a page is told, where it is told one.
fn headcount(text: &[u8]) -> Option<u64> {
    let at = &text[find(text, br#"id=\"headcount\""#)?..];
    let number_at = find(at, br#"class=\"number\">"#)? + br#"class=\"number\">"#.len();
    let digits: Vec<u8> =
        at[number_at..].iter().copied().take_while(|byte| *byte != b'<').filter(|byte| *byte != b',').collect();
    number(&digits).map(|(number, _)| number)
}

/// Goes on for as long as it is told; fails at the first page that stays wrong, and where anybody was closed.
pub(super) fn soak(run: &mut Run<'_>, connections: usize) -> anyhow::Result<()> {
    let mut visitors = Visitors { there: Vec::new(), shown: Shown::default(), clicks: 0, came: 0, chance: 1 };
    let began = Instant::now();
    // Pages first: while visitors come one by one, each is news to all who are there already.
    let pages = (0..connections).map(|_| run.pages.fetch()).collect::<anyhow::Result<Vec<_>>>()?;
    for page in &pages {
        visitors.comes(run, page)?;
        visitors.hear(&mut run.crowd, Duration::ZERO)?;
        // Not faster than a server takes them.
        while visitors.there.len() > run.crowd.tally.subscribed + AT_ONCE {
            visitors.hear(&mut run.crowd, TICK)?;
            ensure!(began.elapsed() < LET_IN_WITHIN, "visitors are not let in");
        }
    }
    drop(pages);
    visitors.is_true(run, "came")?;
    let end = Instant::now() + Duration::from_secs_f64(run.args.seconds);
    while Instant::now() < end {
        let (began, cpu_s) = (Instant::now(), run.server.cpu_s());
        while began.elapsed() < ROUND && Instant::now() < end {
            visitors.tick(run)?;
        }
        let percent = (run.server.cpu_s() - cpu_s) / began.elapsed().as_secs_f64() * 100.0;
        let true_after = visitors.is_true(run, "stayed")?;
        tell(&json!({
            "kind": "soak", "connections": run.crowd.tally.subscribed, "closed": run.crowd.tally.closed,
            "came": visitors.came, "clicks": visitors.clicks, "cpu_percent": percent,
            "rss_mib": run.server.rss_kib() as f64 / 1024.0, "true_after_ms": true_after.as_secs_f64() * 1e3,
        }));
    }
    Ok(())
}

impl Visitors {
    fn comes(&mut self, run: &mut Run<'_>, page: &Page) -> anyhow::Result<()> {
        let id = run.crowd.open(connect::visitor(page))?;
        self.there.push((id, reflexes(&page.room)));
        self.came += 1;
        Ok(())
    }

    fn tick(&mut self, run: &mut Run<'_>) -> anyhow::Result<()> {
        let leaves = self.pick();
        let (id, _) = self.there.swap_remove(leaves);
        run.crowd.leave(id);
        let page = run.pages.fetch()?;
        self.comes(run, &page)?;
        if self.came.is_multiple_of(TICKS_PER_CLICK.into()) {
            let clicks = self.pick();
            let (id, reflexes) = &self.there[clicks];
            run.crowd.say(*id, &click(reflexes, self.clicks, self.clicks.is_multiple_of(2)));
            self.clicks += 1;
        }
        let end = Instant::now() + TICK;
        while Instant::now() < end {
            self.hear(&mut run.crowd, end.saturating_duration_since(Instant::now()))?;
        }
        run.crowd.is_whole()
    }

    fn pick(&mut self) -> usize {
        self.chance = self.chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.chance >> 33) as usize % self.there.len()
    }

    fn hear(&mut self, crowd: &mut Crowd, wait: Duration) -> anyhow::Result<()> {
        let shown = &mut self.shown;
        crowd.turn(wait, &mut |id, _, what| {
            if let Heard::Text(text) = what {
                shown.take(id, text);
            }
        })
    }

    /// Waits until every page shows how many are there and the API says the same. Says how long that took.
    fn is_true(&mut self, run: &mut Run<'_>, what: &str) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let there = self.there.len() as u64;
        loop {
            self.hear(&mut run.crowd, TICK)?;
            run.crowd.is_whole()?;
            let wrong = self.there.iter().filter(|(id, _)| self.shown.0.get(*id) != Some(&there)).count();
            let users = run.pages.users()?;
            if wrong == 0 && users == there && run.crowd.tally.subscribed as u64 == there {
                return Ok(began.elapsed());
            }
            if began.elapsed() > TRUE_WITHIN {
                bail!("{there} {what}, but {wrong} pages show another number, and the API says {users}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_that_a_page_shows_is_read_with_and_without_a_comma() {
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
