//! Node time: a node's own clock, or that of most nodes where it runs far ahead of them. Otherwise one wrong clock would
//! decide what is the latest for every node.

use crate::io::mesh_view::PeerState;
use crate::membership::Membership;
use crate::time::{Mono, NodeClock, NodeTime, Now, Wall};

/// How long the clocks are remembered of a time when more nodes were heard than now.
const CLOCKS_MS: u64 = 600_000;
/// A clock further ahead of most than this is not believed.
const AHEAD_MAX_MS: u64 = 5_000;
/// A stamp this far past the node's time is not believed.
pub(crate) const FUTURE_MS: u64 = 60_000;

/// What the others' clocks said, in order, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct ClockSkew {
    clocks: Vec<Wall>,
    at: Mono,
}

impl Membership {
    /// Takes the time of the newest fact on disk for that of another node. It was believed once: a slow clock must not hide
    /// the fact from a node that starts alone.
    pub(crate) fn believe_kept_time(&mut self, newest: NodeTime, now: Mono) {
        self.skew = ClockSkew { clocks: vec![Wall(newest.0)], at: now };
    }

    /// This node's time: its own clock, or where that runs far ahead of the lower median of all, its own among them,
    /// that median. With two others of which one is an hour slow the three of them still know which.
    pub(crate) fn node_time(&self, now: Now) -> NodeTime {
        let mut all = self.clocks(now);
        all.insert(all.partition_point(|wall| *wall <= now.wall), now.wall);
        let median = lower_median(&all).filter(|median| now.wall > *median + AHEAD_MAX_MS);
        NodeTime(median.unwrap_or(now.wall).0)
    }

    /// What this node takes for the time now.
    pub(crate) fn clock(&self, now: Now) -> NodeClock {
        let time = self.node_time(now);
        let others = lower_median(&self.clocks(now)).unwrap_or_default();
        NodeClock { wall: now.wall, time, limit: time.max(NodeTime(others.0)) + FUTURE_MS }
    }

    /// The others' clocks. While fewer are heard than lately, those heard lately go on: a single peer with a wrong
    /// clock must not mislead a node that has lost sight of all others.
    fn clocks(&self, now: Now) -> Vec<Wall> {
        let heard = self.clocks_heard(now.mono);
        let since_ms = now.mono.since(self.skew.at);
        if self.skew.clocks.len() > heard.len() && since_ms < CLOCKS_MS {
            return self.skew.clocks.iter().map(|wall| *wall + since_ms).collect();
        }
        heard
    }

    fn clocks_heard(&self, now: Mono) -> Vec<Wall> {
        let live = self.peers.values().filter(|peer| matches!(peer.state, PeerState::Live | PeerState::Draining));
        let mut clocks: Vec<Wall> = live.map(|peer| peer.clock(now)).collect();
        clocks.sort_unstable();
        clocks
    }

    /// Keeps what the others' clocks say for when fewer of them are heard.
    pub(crate) fn remember_clocks(&mut self, now: Mono) {
        let heard = self.clocks_heard(now);
        let fewer = heard.len() < self.skew.clocks.len() && now.since(self.skew.at) < CLOCKS_MS;
        if !fewer {
            self.skew = ClockSkew { clocks: heard, at: now };
        }
    }
}

fn lower_median(sorted: &[Wall]) -> Option<Wall> {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}
