//! Node time: a node's own clock, or that of most nodes where it runs far ahead of them. Otherwise one wrong clock would
//! decide what is the latest for every node.

use std::fmt;

use crate::io::mesh_view::PeerState;
use crate::membership::Membership;
use crate::outputs::Outputs;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Mono, NodeClock, NodeTime, Now, Wall};

/// How long the clocks are remembered of a time when more nodes were heard than now.
const CLOCKS_MS: u64 = 600_000;
/// A clock further ahead of most than this is not believed.
const AHEAD_MAX_MS: u64 = 5_000;
/// One that is further away from this node's is not believed: a single one would decide what expires everywhere.
const BELIEVED_MAX_MS: u64 = 86_400_000;
/// Nothing is stamped again by a time that is further away than this from this node's clock, and a single other clock is
/// not believed to be further behind.
pub(crate) const NEAR_MS: u64 = 3_600_000;
/// The operator hears of a wrong clock this often.
const TOLD_MS: u64 = 3_600_000;
/// What comes of a clock that is neither believed by others nor corrected by theirs.
const NOT_SHOWN: &str = "set it, or clicks here may not be shown elsewhere.";
/// A stamp this far past the node's time is not believed.
pub(crate) const FUTURE_MS: u64 = 60_000;

/// What the others' clocks said, in order, and when.
#[derive(Clone, Debug, Default)]
pub(super) struct ClockSkew {
    clocks: Vec<Wall>,
    at: Mono,
    told_at: Option<Mono>,
}

/// How far this node's clock is from those of most nodes that are heard directly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum WrongClock {
    Behind(u64),
    Ahead(u64),
}

impl fmt::Display for WrongClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, way, then) = match *self {
            Self::Ahead(ms) if ms <= BELIEVED_MAX_MS => (ms, "ahead of", "theirs is used. Set it."),
            Self::Ahead(ms) => (ms, "ahead of", NOT_SHOWN),
            Self::Behind(ms) => (ms, "behind", NOT_SHOWN),
        };
        let seconds = ms / 1_000;
        let far = match seconds {
            0..300 => format!("{seconds} s"),
            300..10_800 => format!("{} minutes", seconds / 60),
            10_800..259_200 => format!("{} hours", seconds / 3_600),
            _ => format!("{} days", seconds / 86_400),
        };
        write!(f, "The clock of this machine is {far} {way} the other nodes': {then}")
    }
}

impl Membership {
    /// Takes the time of the newest fact on disk for that of another node. It was believed once: a slow clock must not hide
    /// the fact from a node that starts alone.
    pub(crate) fn believe_kept_time(&mut self, newest: NodeTime, now: Mono) {
        (self.skew.clocks, self.skew.at) = (vec![Wall(newest.0)], now);
    }

    /// This node's time: its own clock, or where that runs far ahead of the lower median of all, its own among them,
    /// that median. With two others of which one is an hour slow the three of them still know which.
    pub(crate) fn node_time(&self, now: Now) -> NodeTime {
        let mut all = self.clocks(now);
        let alone = all.len() == 1;
        all.insert(all.partition_point(|wall| *wall <= now.wall), now.wall);
        let median = lower_median(&all).filter(|median| now.wall > *median + AHEAD_MAX_MS);
        let median = median.filter(|median| !alone || now.wall <= *median + NEAR_MS || injected(Fault::AnyClock));
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
        let heard = self.clocks_believed(now);
        let since_ms = now.mono.since(self.skew.at);
        if self.skew.clocks.len() > heard.len() && since_ms < CLOCKS_MS {
            return self.skew.clocks.iter().map(|wall| *wall + since_ms).collect();
        }
        heard
    }

    /// Those of nodes that are heard directly: their certificates name them, and none can invent many.
    fn clocks_heard(&self, now: Mono) -> Vec<Wall> {
        let live = self.peers.values().filter(|peer| matches!(peer.state, PeerState::Live | PeerState::Draining));
        let live = live.filter(|peer| peer.says_its_clock(now) || injected(Fault::AnyClock));
        let mut clocks: Vec<Wall> = live.map(|peer| peer.clock(now)).collect();
        clocks.sort_unstable();
        clocks
    }

    fn clocks_believed(&self, now: Now) -> Vec<Wall> {
        let mut heard = self.clocks_heard(now.mono);
        heard.retain(|wall| wall.0.abs_diff(now.wall.0) <= BELIEVED_MAX_MS || injected(Fault::AnyClock));
        heard
    }

    /// Whether this node's clock is far from the others'. What one stamps that is behind, or a day ahead, is not taken there.
    pub(crate) fn wrong_clock(&self, now: Now) -> Option<WrongClock> {
        let others = lower_median(&self.clocks_heard(now.mono))?;
        let (behind_ms, ahead_ms) = (others.since(now.wall), now.wall.since(others));
        if behind_ms > FUTURE_MS {
            return Some(WrongClock::Behind(behind_ms));
        }
        (ahead_ms > FUTURE_MS).then_some(WrongClock::Ahead(ahead_ms))
    }

    /// What most clocks say, this node's among them. `None` if fewer than three are heard: of two no one knows which is wrong.
    fn majority_clock(&self, now: Now) -> Option<Wall> {
        let mut all = self.clocks_heard(now.mono);
        all.push(now.wall);
        all.sort_unstable();
        lower_median(&all).filter(|_| all.len() >= 3)
    }

    /// Whether a clock is over a minute away from what most say. All nodes judge alike.
    pub(crate) fn disagrees(&self, clock: Wall, now: Now) -> bool {
        self.majority_clock(now).is_some_and(|most| clock.0.abs_diff(most.0) > FUTURE_MS)
    }

    /// Keeps what the others' clocks say for when fewer of them are heard, and tells the operator of a wrong one.
    pub(crate) fn remember_clocks(&mut self, now: Now, out: &mut Outputs) {
        let heard = self.clocks_believed(now);
        let fewer = heard.len() < self.skew.clocks.len() && now.mono.since(self.skew.at) < CLOCKS_MS;
        if !fewer {
            (self.skew.clocks, self.skew.at) = (heard, now.mono);
        }
        if self.skew.told_at.is_none_or(|at| now.mono.since(at) >= TOLD_MS)
            && let Some(wrong) = self.wrong_clock(now)
        {
            self.skew.told_at = Some(now.mono);
            out.warn(wrong.to_string());
        }
    }
}

fn lower_median(sorted: &[Wall]) -> Option<Wall> {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}
