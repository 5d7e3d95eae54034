//! When a node is to be called next. When the first fact runs out: a deadline is drawn when it comes, not with the next tick.

use crate::node::Node;
use crate::time::{Mono, NodeTime, Now};

/// Facts that run out one soon after the other are drawn this far apart.
const GAP_MS: u64 = 20;

/// The first deadline, by node time and by this node's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deadline(Option<(NodeTime, Mono)>);

impl Node {
    /// When [`Input::Ticked`](crate::Input::Ticked) is due next, at the latest 200 ms after the last one.
    pub fn wake_at(&self) -> Mono {
        let delta = self.local.has_news().then_some(self.delta_not_before).map(|due| self.suspension.after_grace(due));
        let beat = self.membership.hurried_heartbeat_due().filter(|due| self.suspension.may_beat(*due));
        let share = self.local.share_due().map(|due| self.suspension.after_grace(due));
        let told = [self.facts.publish_due(), share, self.receipts.report_due(), delta, beat];
        let drawn = [self.render.due(), self.deadline()];
        let due = told.into_iter().chain(drawn).flatten().fold(self.tick_due, Mono::min).max(self.ticked_at);
        self.suspension.by_the_clock(due)
    }

    /// Notes when the first fact runs out. Node time may pass a little faster or slower than this clock: it is looked at again
    /// with every tick.
    pub(super) fn note_deadline(&mut self, now: Now) {
        let first = self.facts.first_expiry();
        if self.deadline.0.map(|(expires, _)| expires) != first || self.ticked_at == now.mono {
            let time = first.map(|_| self.membership.node_time(now));
            self.deadline = Deadline(first.zip(time).map(|(first, time)| (first, now.mono + first.since(time))));
        }
    }

    /// When the first fact is to be taken off.
    fn deadline(&self) -> Option<Mono> {
        self.deadline.0.map(|(_, due)| due.max(self.ticked_at + GAP_MS))
    }
}
