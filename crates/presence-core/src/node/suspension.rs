//! A process that was suspended: frozen, paused or without CPU time. It must not take the other nodes for dead because it slept.

use crate::io::Input;
use crate::membership::peer::LEASE_MS;
use crate::node::{Node, TICK_MS};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Mono, Now};

/// If no input came for longer than this, the process was suspended.
pub const SUSPENDED_MS: u64 = 2_000;
/// The grace after that, in which no deadline fires: what arrived meanwhile is read first.
const GRACE_MS: u64 = 1_000;
/// Most inputs that wait for the end of the grace.
const PARKED_MAX: usize = 65_536;

/// Whether and for how long the process was suspended.
#[derive(Debug)]
pub(super) struct Suspension {
    input_at: Mono,
    /// All gaps together: the node's own time is behind the clock by this.
    total_ms: u64,
    grace_until: Mono,
    /// The last gap was shorter than the lease.
    brief: bool,
    parked: Vec<Input>,
}

/// Time in which no input came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    pub(super) total_ms: u64,
    /// By how much more than usual.
    pub(super) suspended_ms: u64,
    pub(super) grace_until: Mono,
}

impl Suspension {
    pub(super) fn new(now: Mono) -> Self {
        Self { input_at: now, total_ms: 0, grace_until: Mono::default(), brief: false, parked: Vec::new() }
    }

    /// Whether the process was suspended before this moment of the clock.
    pub(super) fn notice(&mut self, now: Now) -> Option<Gap> {
        let total_ms = now.mono.since(self.input_at);
        self.input_at = now.mono;
        if total_ms <= SUSPENDED_MS {
            return None;
        }
        let suspended_ms = total_ms - TICK_MS;
        self.total_ms += suspended_ms;
        self.grace_until = self.lived(now).mono + GRACE_MS;
        self.brief = total_ms < LEASE_MS;
        Some(Gap { total_ms, suspended_ms, grace_until: self.grace_until })
    }

    /// How long the process was suspended since the start.
    pub(super) fn total_ms(&self) -> u64 {
        self.total_ms
    }

    /// Time as this node lived it: every deadline moves by the gaps.
    pub(super) fn lived(&self, now: Now) -> Now {
        Now { mono: now.mono - self.total_ms, wall: now.wall }
    }

    /// The moment of the clock for one of the node's own time.
    pub(super) fn by_the_clock(&self, lived: Mono) -> Mono {
        lived + self.total_ms
    }

    pub(super) fn is_in_grace(&self, now: Mono) -> bool {
        now < self.grace_until
    }

    /// When something is due that waits for the end of the grace.
    pub(super) fn after_grace(&self, due: Mono) -> Mono {
        due.max(self.grace_until)
    }

    /// Whether heartbeats go out: after a gap that the others have not noticed they go on at once, before the lease ends.
    pub(super) fn may_beat(&self, now: Mono) -> bool {
        self.brief || !self.is_in_grace(now)
    }

    /// Whether an input waits for the end of the grace: ends are handled before joins.
    pub(super) fn is_parked(input: &Input) -> bool {
        matches!(
            input,
            Input::Joined { .. }
                | Input::Looked { .. }
                | Input::Listened { .. }
                | Input::Clicked { .. }
                | Input::Served { .. }
        )
    }

    pub(super) fn park(&mut self, input: Input) {
        if self.parked.len() < PARKED_MAX {
            self.parked.push(input);
        }
    }

    /// A connection or subscription that has ended before its join was handled does not join.
    pub(super) fn unpark_ended(&mut self, ended: &Input) {
        self.parked.retain(|parked| match (parked, ended) {
            _ if injected(Fault::GhostJoins) => true,
            (
                Input::Joined { connection, .. } | Input::Listened { connection, .. },
                Input::Disconnected { connection: gone, .. },
            ) => connection != gone,
            (
                Input::Joined { connection, subscription, .. } | Input::Listened { connection, subscription, .. },
                Input::Unsubscribed { connection: gone, subscription: ended }
                | Input::Resigned { connection: gone, subscription: ended },
            ) => (connection, subscription) != (gone, ended),
            _ => true,
        });
    }

    pub(super) fn unpark(&mut self) -> Vec<Input> {
        std::mem::take(&mut self.parked)
    }
}

impl Node {
    /// Time as this node lived it. If it was suspended, others hear from it at once.
    pub(super) fn resume(&mut self, now: Now) -> Now {
        let gap = self.suspension.notice(now);
        let now = self.suspension.lived(now);
        if let Some(gap) = gap {
            self.membership.resume(gap.suspended_ms, gap.grace_until, now.mono);
            self.pubsub.resume(now.mono);
            let seconds = gap.total_ms / 1_000;
            self.out.warn(format!("This node did nothing for {seconds} s: it was suspended, or had too much to do."));
            self.discovery.say_hello_everywhere(now.mono, &mut self.out);
            if self.suspension.may_beat(now.mono) {
                self.membership.hurry_heartbeat();
                self.beat_if_due(now);
            }
        }
        now
    }
}
