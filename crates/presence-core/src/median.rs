//! A node's time: its own clock, or that of most others where it runs far ahead of them.

use crate::input::Now;
use crate::node::Node;
use crate::peer::Judged;

/// How long it is remembered what more clocks said than are heard now.
const MEDIAN_MS: u64 = 600_000;
/// A clock further ahead of the others' than this is not believed.
const CLOCK_MS: u64 = 5_000;

/// What most clocks said, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Median {
    pub(crate) wall_ms: u64,
    pub(crate) at_ms: u64,
    /// How many were heard.
    pub(crate) clocks: usize,
}

impl Node {
    /// This node's time: its own clock, or that of the others where it runs far ahead of them.
    pub(crate) fn time_ms(&self, now: Now) -> u64 {
        match self.median_ms(now) {
            Some(median_ms) if now.wall_ms > median_ms + CLOCK_MS => median_ms,
            _ => now.wall_ms,
        }
    }

    /// The lower median of the clocks that are heard. While fewer are heard than lately it is the one of then, going
    /// on: a single peer with a wrong clock must not lead astray who has lost sight of all others.
    fn median_ms(&self, now: Now) -> Option<u64> {
        let (clocks, heard) = self.clocks(now);
        let lately = self.median.filter(|median| median.clocks > clocks && now.mono_ms - median.at_ms < MEDIAN_MS);
        lately.map(|median| median.wall_ms + (now.mono_ms - median.at_ms)).or(heard)
    }

    fn clocks(&self, now: Now) -> (usize, Option<u64>) {
        let live = self.peers.values().filter(|peer| matches!(peer.state, Judged::Live | Judged::Draining));
        let mut clocks: Vec<u64> = live.map(|peer| peer.wall_ms(now.mono_ms)).collect();
        clocks.sort_unstable();
        (clocks.len(), clocks.len().checked_sub(1).map(|last| clocks[last / 2]))
    }

    /// Keeps what the others' clocks say for when fewer of them are heard.
    pub(crate) fn remember_median(&mut self, now: Now) {
        let (clocks, heard) = self.clocks(now);
        let worse = self.median.is_some_and(|median| median.clocks > clocks && now.mono_ms - median.at_ms < MEDIAN_MS);
        if let Some(wall_ms) = heard.filter(|_| !worse) {
            self.median = Some(Median { wall_ms, at_ms: now.mono_ms, clocks });
        }
    }

    /// The latest stamp that is believed.
    pub(crate) fn limit_ms(&self, now: Now) -> u64 {
        self.time_ms(now).max(self.median_ms(now).unwrap_or(0)) + crate::facts::FUTURE_MS
    }
}
