//! Leaving on purpose: *draining*, then *goodbye*. Without them every deploy would look like a crash.

use crate::id::NodeHash;
use crate::identity::Identity;
use crate::io::mesh_view::PeerState;
use crate::io::output::Output;
use crate::membership::Membership;
use crate::membership::departed::HELD_MS;
use crate::membership::peer::Path;
use crate::outputs::Outputs;
use crate::presence::row::TableKey;
use crate::time::{Mono, Now};
use crate::wire::{Broadcast, Leaving, SenderId};

/// *Draining* and *goodbye* are repeated this often.
const REPEAT_MS: u64 = 200;
/// How long requests are answered after *goodbye*.
const GOODBYE_MS: u64 = 1_000;

/// This node's own leaving.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    until: Mono,
    said_at: Mono,
    emptied_at: Option<Mono>,
    finished: bool,
}

/// The numbers of the last change of this node's rows and of the last message published here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastNumbers {
    pub(crate) sequence: u64,
    pub(crate) published: u64,
}

impl Membership {
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// Until when the others hold this node's tabs, if it drains.
    pub(crate) fn own_tabs_held_until(&self) -> Option<Mono> {
        self.drain.map(|drain| drain.until)
    }

    /// Whether *goodbye* was said: heartbeats end with it.
    pub(crate) fn said_goodbye(&self) -> bool {
        self.drain.is_some_and(|drain| drain.emptied_at.is_some())
    }

    /// This node's rows change no longer after this number; the time for which they are held begins.
    pub(crate) fn begin_drain(&mut self, last: LastNumbers, now: Mono, out: &mut Outputs) {
        self.drain = Some(Drain { until: now + HELD_MS, said_at: now, emptied_at: None, finished: false });
        self.say_farewell(last, now, out);
    }

    /// No socket is open any more.
    pub(crate) fn emptied(&mut self, last: LastNumbers, now: Mono, out: &mut Outputs) {
        let Some(drain) = &mut self.drain else { return };
        if drain.emptied_at.is_none() {
            drain.emptied_at = Some(now);
            self.say_farewell(last, now, out);
        }
    }

    fn say_farewell(&mut self, last: LastNumbers, now: Mono, out: &mut Outputs) {
        let Some(drain) = &mut self.drain else { return };
        drain.said_at = now;
        let LastNumbers { sequence, published } = last;
        let leaving = Leaving { sequence, left_ms: drain.until.since(now), published: Some(published) };
        out.broadcast(&Broadcast::Draining(leaving));
        if drain.emptied_at.is_some() {
            out.broadcast(&Broadcast::Goodbye(leaving));
        }
    }

    /// Repeats what was said, and ends when it was said often enough.
    pub(crate) fn tend_drain(&mut self, meshed: bool, last: LastNumbers, now: Mono, out: &mut Outputs) {
        let Some(drain) = self.drain else { return };
        if now.since(drain.said_at) >= REPEAT_MS {
            self.say_farewell(last, now, out);
        }
        let said = drain.emptied_at.is_some_and(|at| !meshed || now.since(at) >= GOODBYE_MS);
        if let Some(drain) = self.drain.as_mut().filter(|drain| said && !drain.finished) {
            drain.finished = true;
            out.push(Output::Finish);
        }
    }

    /// Another node says that it leaves: its table, if the node is known.
    pub(crate) fn heard_draining(
        &mut self,
        me: &Identity,
        sender: &SenderId,
        leaving: Leaving,
        path: Path,
        now: Now,
        out: &mut Outputs,
    ) -> Option<TableKey> {
        let table = self.hear_from(me, sender, path, now, out)?;
        let peer = self.peers.get_mut(&table.node)?;
        // What is relayed is signed.
        peer.said_farewell = true;
        let (region, left) = (peer.region.clone(), peer.left());
        if !left {
            self.judge(table.node, PeerState::Draining, now, out);
        }
        self.hold(table, &region, leaving.left_ms.saturating_sub(path.age_ms), now.mono);
        Some(table)
    }

    /// No socket of a node that leaves is open any more.
    pub(crate) fn heard_goodbye(&mut self, node: NodeHash, now: Now, out: &mut Outputs) {
        self.judge(node, PeerState::Departed, now, out);
    }
}
