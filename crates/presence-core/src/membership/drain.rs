//! Leaving on purpose: *draining*, then *goodbye*. Without them every deploy would look like a crash.

use crate::id::NodeHash;
use crate::io::output::Output;
use crate::membership::departed::HELD_MS;
use crate::membership::{Path, PeerState};
use crate::node::Node;
use crate::presence::row::TableKey;
use crate::presence::row::Weight;
use crate::time::Now;
use crate::wire::{Broadcast, Leaving, Sender};

/// *Draining* and *goodbye* are repeated so often.
const REPEAT_MS: u64 = 200;
/// Questions are answered for so long after *goodbye*.
const GOODBYE_MS: u64 = 1_000;

/// This node's own leaving.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    pub(crate) until_ms: u64,
    said_ms: u64,
    emptied_ms: Option<u64>,
    finished: bool,
}

impl Node {
    /// Rows change no more; the held time begins.
    pub(crate) fn drain(&mut self, now: Now) {
        if self.leaving.is_some() {
            return;
        }
        self.send_deltas(now);
        self.own.drain();
        self.presence.weigh(self.own.key, Weight::Held);
        let until_ms = now.mono_ms + HELD_MS;
        self.leaving = Some(Drain { until_ms, said_ms: now.mono_ms, emptied_ms: None, finished: false });
        self.regions_stale = true;
        self.say_leaving(now.mono_ms);
    }

    /// No socket is open any more.
    pub(crate) fn emptied(&mut self, now: Now) {
        let Some(going) = &mut self.leaving else { return };
        if going.emptied_ms.is_none() {
            going.emptied_ms = Some(now.mono_ms);
            self.say_leaving(now.mono_ms);
        }
    }

    fn say_leaving(&mut self, now_ms: u64) {
        let Some(going) = &mut self.leaving else { return };
        going.said_ms = now_ms;
        let going = *going;
        let leaving = Leaving { sequence: self.own.sequence(), left_ms: going.until_ms.saturating_sub(now_ms) };
        self.say(&Broadcast::Draining(leaving));
        if going.emptied_ms.is_some() {
            self.say(&Broadcast::Goodbye(leaving));
        }
    }

    /// Repeats what was said, and ends when it was said often enough.
    pub(crate) fn tend_leaving(&mut self, now: Now) {
        let Some(going) = self.leaving else { return };
        if now.mono_ms.saturating_sub(going.said_ms) >= REPEAT_MS {
            self.say_leaving(now.mono_ms);
        }
        let said = going
            .emptied_ms
            .is_some_and(|at_ms| !self.settings.meshed || now.mono_ms.saturating_sub(at_ms) >= GOODBYE_MS);
        if let Some(going) = self.leaving.as_mut().filter(|going| said && !going.finished) {
            going.finished = true;
            self.outputs.push(Output::Finish);
        }
    }

    /// Whether *goodbye* was said: heartbeats end with it.
    pub(crate) fn gone_already(&self) -> bool {
        self.leaving.is_some_and(|going| going.emptied_ms.is_some())
    }

    /// Another node says that it leaves.
    pub(crate) fn heard_leaving(&mut self, sender: &Sender, leaving: Leaving, goodbye: bool, path: Path, now: Now) {
        let hash = NodeHash::of(&sender.name, self.settings.digest);
        let key = TableKey { node: hash, incarnation: sender.incarnation };
        let known = self.peers.get(&hash).is_some_and(|peer| peer.incarnation == sender.incarnation);
        if !known {
            return;
        }
        self.hear(hash, path, now);
        self.leaves(hash, key, leaving.left_ms.saturating_sub(path.age_ms), now);
        if let Some(copy) = self.copies.get_mut(&key) {
            copy.ends_at(leaving.sequence, now.mono_ms);
        }
        if goodbye {
            self.judge(hash, PeerState::Departed, now);
            // What it said before may come after this. The link stays open until all of that is known here, or it ends.
            if self.copies.get(&key).is_none_or(crate::replication::Replica::complete) {
                self.close_link_to(hash, now.mono_ms);
            }
        }
    }

    fn leaves(&mut self, hash: NodeHash, key: TableKey, left_ms: u64, now: Now) {
        let Some(peer) = self.peers.get(&hash).filter(|peer| peer.incarnation == key.incarnation) else { return };
        let (region, left) = (peer.region.clone(), peer.left());
        if !left {
            self.judge(hash, PeerState::Draining, now);
        }
        self.hold(key, &region, left_ms, now);
    }
}
