//! Writing the facts of this node: all of a click with one stamp, and in one message to the others.

use minicbor::bytes::ByteVec;

use crate::app::reflex::ReflexError;
use crate::app::write::Write;
use crate::facts::Facts;
use crate::facts::fact::{Fact, FactKey, StoredFact};
use crate::facts::plan::{ClickAuthor, Draft, Plan};
use crate::id::{NodeHash, UserId};
use crate::io::settings::FactSettings;
use crate::outputs::Outputs;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Mono, NodeClock, NodeTime, Stamp};
use crate::wire::{Broadcast, Bundle, PAGE_BYTES};

/// A message with facts costs this: up to four in a millisecond go out at once, each alone, so that a thousand clicks a
/// second wait for nothing; with more, what was written meanwhile goes in one message.
const MESSAGE_US: u64 = 250;
/// What is written by one click goes in one message, if it has at most this many bytes: only the removal of thousands has more.
const BUNDLE_BYTES_MAX: usize = 900_000;

impl Facts {
    /// Checks what a click writes, and writes nothing.
    ///
    /// # Errors
    ///
    /// If any of it may not be written.
    pub(crate) fn plan(
        &mut self,
        author: &ClickAuthor<'_>,
        writes: Vec<Write>,
        limits: FactSettings,
        clock: NodeClock,
    ) -> Result<Plan, ReflexError> {
        let mut plan = Plan::default();
        for write in writes {
            plan.add(write, author, &self.store, &mut self.entries)?;
        }
        plan.check(author, &self.store, limits, clock.time)?;
        Ok(plan)
    }

    /// Writes what was planned. Returns the keys of the counters' contributions.
    pub(crate) fn commit(
        &mut self,
        author: &ClickAuthor<'_>,
        plan: Plan,
        clock: NodeClock,
        out: &mut Outputs,
    ) -> Vec<FactKey> {
        let Plan { drafts, added, reset, receipts } = plan;
        if drafts.is_empty() && added.is_empty() && reset.is_empty() {
            return Vec::new();
        }
        let mut stamp = self.stamp(clock, out);
        for (key, draft) in drafts {
            if injected(Fault::ClickSplit) {
                stamp = self.stamp(clock, out);
            }
            let expires = draft.expires(stamp);
            let fact = new_fact(author, key, draft, stamp, expires);
            let receipts = receipts.then_some(true).filter(|_| !fact.is_removed());
            self.keep(&Fact { receipts, ..fact }, clock, out);
        }
        for counter in reset {
            self.reset_counter(author, &counter, stamp, clock, out);
        }
        added
            .into_iter()
            .map(|(counter, amount)| self.contribute(author, &counter, amount, stamp, clock, out))
            .collect()
    }

    /// Takes a fact of this node, to be published to all.
    pub(super) fn keep(&mut self, fact: &Fact, clock: NodeClock, out: &mut Outputs) {
        let bytes = minicbor::to_vec(fact).expect("writing to memory can't fail");
        if self.take(&bytes, clock, out)
            && let Some((key, _)) = super::fact::read(&bytes)
        {
            self.pending.keys.insert(key);
            self.written += 1;
        }
    }

    /// How many facts were written here since the start.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// When something may be published.
    pub(crate) fn publish_due(&self) -> Option<Mono> {
        (!self.pending.keys.is_empty()).then(|| self.pending.limiter.due())
    }

    /// Tells the others what was written here: at once, or gathered for a moment under load. A register that was set
    /// twice meanwhile is told once. What has one stamp was written by one click, and goes in one message.
    pub(crate) fn publish(&mut self, me: NodeHash, now: Mono, out: &mut Outputs) {
        self.pending.limiter.spend(MESSAGE_US, now);
        let keys = std::mem::take(&mut self.pending.keys);
        let stored = keys.iter().filter_map(|key| self.store.get(key));
        // What another node has replaced meanwhile is published by that node.
        let mut own: Vec<&StoredFact> = stored.filter(|stored| stored.fact.stamp.node == me).collect();
        own.sort_by_key(|stored| stored.fact.stamp);
        let (mut bundle, mut size) = (Bundle::default(), 0);
        for click in own.chunk_by(|one, next| one.fact.stamp == next.fact.stamp) {
            let bytes: usize = click.iter().map(|stored| stored.bytes.len()).sum();
            if size >= PAGE_BYTES || (size > 0 && size + bytes > BUNDLE_BYTES_MAX) {
                out.broadcast(&Broadcast::Facts(std::mem::take(&mut bundle)));
                size = 0;
            }
            for stored in click {
                if size + stored.bytes.len() > BUNDLE_BYTES_MAX {
                    out.broadcast(&Broadcast::Facts(std::mem::take(&mut bundle)));
                    size = 0;
                }
                size += stored.bytes.len();
                bundle.facts.push(ByteVec::from(stored.bytes.clone()));
            }
        }
        if !bundle.facts.is_empty() {
            out.broadcast(&Broadcast::Facts(bundle));
        }
    }

    /// Replaces everything of a name, or one entry, by tombstones, for an operator. Returns how many facts that were.
    pub(crate) fn remove(
        &mut self,
        by: &ClickAuthor<'_>,
        key: &str,
        entry: Option<&str>,
        clock: NodeClock,
        out: &mut Outputs,
    ) -> usize {
        let mut plan = Plan::default();
        plan.remove(by.room, key, entry, &self.store);
        let removed = plan.removed();
        // Nothing of the facts may remain, who wrote them included.
        self.commit(&ClickAuthor { user: UserId([0; 32]), ..*by }, plan, clock, out);
        removed
    }
}

pub(super) fn new_fact(author: &ClickAuthor<'_>, key: FactKey, draft: Draft, stamp: Stamp, expires: NodeTime) -> Fact {
    let (cap, value, removed) = match draft {
        Draft::Value { cap, value, .. } => (cap, value, None),
        Draft::Tombstone { cap, .. } => (cap, Vec::new(), Some(true)),
    };
    Fact {
        room: key.room.as_str().to_owned(),
        key: key.key,
        entry: key.entry,
        cap,
        stamp,
        user: author.user,
        region: author.me.region.clone(),
        value,
        expires,
        #[cfg(feature = "later-version")]
        later: Some(7),
        removed,
        receipts: None,
        trace: author.trace.copied().map(Box::new),
    }
}
