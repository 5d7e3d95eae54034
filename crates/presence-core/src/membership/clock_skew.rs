//! A node's time: its own clock, or that of most where it runs far ahead of them. Else one wrong clock would decide what
//! is the latest for everybody.

use crate::membership::PeerState;
use crate::node::Node;
use crate::time::Now;

/// How long it is remembered what more clocks said than are heard now.
const CLOCKS_MS: u64 = 600_000;
/// A clock further ahead of most than this is not believed.
const CLOCK_MS: u64 = 5_000;

/// What the others' clocks said, in order, and when.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClockSkew {
    pub(crate) wall_ms: Vec<u64>,
    pub(crate) at_ms: u64,
}

impl Node {
    /// This node's time: its own clock, or where that runs far ahead of the lower median of all, its own among them,
    /// that median. With two others of which one is an hour slow the three of them still know which.
    pub(crate) fn time_ms(&self, now: Now) -> u64 {
        let mut all = self.clocks(now);
        all.insert(all.partition_point(|wall_ms| *wall_ms <= now.wall_ms), now.wall_ms);
        lower_median(&all).filter(|median_ms| now.wall_ms > median_ms + CLOCK_MS).unwrap_or(now.wall_ms)
    }

    /// The others' clocks. While fewer are heard than lately it is those of then, going on: a single peer with a wrong
    /// clock must not lead astray who has lost sight of all others.
    fn clocks(&self, now: Now) -> Vec<u64> {
        let heard = self.clocks_heard(now);
        let since_ms = now.mono_ms - self.clocks.at_ms;
        if self.clocks.wall_ms.len() > heard.len() && since_ms < CLOCKS_MS {
            return self.clocks.wall_ms.iter().map(|wall_ms| wall_ms + since_ms).collect();
        }
        heard
    }

    fn clocks_heard(&self, now: Now) -> Vec<u64> {
        let live = self.peers.values().filter(|peer| matches!(peer.state, PeerState::Live | PeerState::Draining));
        let mut clocks: Vec<u64> = live.map(|peer| peer.wall_ms(now.mono_ms)).collect();
        clocks.sort_unstable();
        clocks
    }

    /// Keeps what the others' clocks say for when fewer of them are heard.
    pub(crate) fn remember_clocks(&mut self, now: Now) {
        let heard = self.clocks_heard(now);
        let worse = heard.len() < self.clocks.wall_ms.len() && now.mono_ms - self.clocks.at_ms < CLOCKS_MS;
        if !worse {
            self.clocks = ClockSkew { wall_ms: heard, at_ms: now.mono_ms };
        }
    }

    /// The latest stamp that is believed.
    pub(crate) fn limit_ms(&self, now: Now) -> u64 {
        let others_ms = lower_median(&self.clocks(now)).unwrap_or(0);
        self.time_ms(now).max(others_ms) + crate::facts::FUTURE_MS
    }
}

fn lower_median(sorted: &[u64]) -> Option<u64> {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}
