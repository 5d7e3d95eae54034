//! Facts: the few things that outlive a node. Written here, taken from others, and compared so that every loss heals.

mod anti_entropy;
pub(crate) mod fact;
mod hybrid_clock;
mod quota;
mod removal;
mod restamp;
pub(crate) mod store;

use std::collections::{BTreeMap, BTreeSet};

use minicbor::bytes::ByteVec;

use crate::app::reflex::ReflexError;
use crate::cost_limit::CostLimiter;
use crate::facts::fact::{Fact, FactKey, StoredFact, VALUE_BYTES_MAX};
use crate::facts::hybrid_clock::HybridClock;
use crate::facts::quota::LinkQuota;
use crate::facts::restamp::Restamps;
use crate::facts::store::{CAP_MAX, FactStore, Merged};
use crate::id::{NodeHash, Room, UserId};
use crate::identity::Identity;
use crate::io::entry_id::EntryId;
use crate::io::output::Output;
use crate::outputs::Outputs;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Incarnation, Mono, NodeClock, NodeTime, Stamp};
use crate::wire::{Broadcast, Bundle, PAGE_BYTES};

/// A message with facts costs this: up to four in a millisecond go out at once, each alone, so that a thousand clicks a
/// second wait for nothing; with more, what was written meanwhile goes in one message.
const MESSAGE_US: u64 = 250;

/// A register or a log that holds something else, and who wrote what is new.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FactChange {
    pub(crate) room: Room,
    pub(crate) key: String,
    pub(crate) kind: FactKind,
    pub(crate) author: Option<UserId>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FactKind {
    Register,
    Log,
}

/// A value that a reflex writes: into a log if that has a cap.
#[derive(Debug)]
pub(crate) struct NewFact {
    pub(crate) key: &'static str,
    pub(crate) value: Vec<u8>,
    pub(crate) lasts_ms: Option<u64>,
    pub(crate) cap: Option<u16>,
}

/// Facts of this node that the others are to be told.
#[derive(Debug, Default)]
struct PendingFacts {
    keys: BTreeSet<FactKey>,
    limiter: CostLimiter,
}

/// All facts, and the clock that stamps them.
#[derive(Debug)]
pub(crate) struct Facts {
    store: FactStore,
    clock: HybridClock,
    restamps: Restamps,
    /// The number of the newest entry of a log that was written here.
    entries: u64,
    /// The latest stamp that is shown: pages change with it only where it is renewed.
    shown_limit: NodeTime,
    /// Facts that are not shown, since they are stamped too far ahead.
    hidden: BTreeSet<FactKey>,
    pending: PendingFacts,
    /// What was taken over the link of each node in a second.
    quotas: BTreeMap<NodeHash, LinkQuota>,
    /// When facts were last compared with each peer.
    compared: BTreeMap<NodeHash, Mono>,
    /// The latest stamp that was believed when the last heartbeat went out.
    announced_time: NodeTime,
    changes: Vec<FactChange>,
}

impl Facts {
    /// The facts of these records; one that can't be read is left out.
    pub(crate) fn restore(me: &Identity, records: &[Vec<u8>], clock: NodeClock) -> Self {
        let mut store = FactStore::new(me.hash, me.digest);
        for record in records {
            store.merge(record, NodeTime(u64::MAX), clock.time);
        }
        let mut hybrid = HybridClock::new(me.hash, me.incarnation);
        store.newest().into_iter().for_each(|newest| hybrid.see(newest));
        let newest = store.newest().map_or(NodeTime(0), |stamp| stamp.time);
        Self {
            store,
            clock: hybrid,
            restamps: Restamps::default(),
            entries: 0,
            shown_limit: clock.limit.max(newest),
            hidden: BTreeSet::new(),
            pending: PendingFacts::default(),
            quotas: BTreeMap::new(),
            compared: BTreeMap::new(),
            announced_time: NodeTime(0),
            changes: Vec::new(),
        }
    }

    /// When each fact was stamped, and when it ends.
    pub(crate) fn times(&self) -> impl Iterator<Item = (u64, u64)> {
        self.store.all().map(|stored| (stored.fact.stamp.time.0, stored.fact.expires.0))
    }

    /// The time of the newest fact.
    pub(crate) fn newest_time(&self) -> Option<NodeTime> {
        self.store.newest().map(|stamp| stamp.time)
    }

    pub(crate) fn rooms(&self) -> Vec<Room> {
        self.store.rooms()
    }

    /// The sum of all facts up to a stamp that do not expire soon after `at`.
    pub(crate) fn root(&self, cut: NodeTime, at: NodeTime) -> u128 {
        self.store.root(cut, at)
    }

    pub(crate) fn adopt_incarnation(&mut self, incarnation: Incarnation) {
        self.clock.adopt_incarnation(incarnation);
    }

    /// What changed since the last call, in order.
    pub(crate) fn take_changes(&mut self) -> Vec<FactChange> {
        std::mem::take(&mut self.changes)
    }

    /// Another start of a node is not the one that facts were compared with.
    pub(crate) fn forget_peer(&mut self, node: NodeHash) {
        self.compared.remove(&node);
    }

    /// Facts stamped later may still be on their way. What was known a heartbeat ago is not, whatever clock stamped it.
    pub(crate) fn heartbeat_cut(&mut self, clock: NodeClock) -> NodeTime {
        let stamped = self.store.latest(clock.limit).map_or(NodeTime(0), |stamp| stamp.time);
        let known = std::mem::replace(&mut self.announced_time, stamped).min(stamped);
        known.max(clock.time - 1_000)
    }

    /// A stamp later than all that were seen, as far as they are believed.
    pub(crate) fn stamp(&mut self, clock: NodeClock, out: &mut Outputs) -> Stamp {
        let stamp = self.clock.stamp(clock.time);
        if stamp.time <= clock.limit {
            return stamp;
        }
        // What this one is later than must not stand above it.
        self.restamp_ahead(clock, out);
        self.set_clock_back(clock);
        self.clock.stamp(clock.time)
    }

    /// Writes a value of this node's.
    pub(crate) fn write(
        &mut self,
        me: &Identity,
        room: &Room,
        user: UserId,
        new: NewFact,
        clock: NodeClock,
        out: &mut Outputs,
    ) -> Result<(), ReflexError> {
        if new.value.len() > VALUE_BYTES_MAX {
            return Err(ReflexError::ValueTooLong { bytes_max: VALUE_BYTES_MAX });
        }
        if !self.store.key_fits(room, new.key) {
            return Err(ReflexError::TooManyFacts { most: store::KEYS_MAX });
        }
        if !self.store.has_room(new.value.len()) {
            return Err(ReflexError::TooManyFacts { most: store::FACTS_MAX });
        }
        let entry = new.cap.is_some().then(|| {
            self.entries += u64::from(!injected(Fault::OneEntry));
            EntryId { node: me.hash, incarnation: me.incarnation, count: self.entries }
        });
        let stamp = self.stamp(clock, out);
        let fact = Fact {
            room: room.as_str().to_owned(),
            key: new.key.to_owned(),
            entry,
            cap: new.cap.map_or(0, |cap| cap.clamp(1, CAP_MAX)),
            stamp,
            user,
            region: me.region.clone(),
            value: new.value,
            expires: stamp.time + new.lasts_ms.unwrap_or(fact::LASTS_MS).min(fact::LASTS_MAX_MS),
            #[cfg(feature = "later-version")]
            later: Some(7),
            removed: None,
        };
        self.keep(&fact, clock, out);
        Ok(())
    }

    /// Takes a fact of this node, to be published to all.
    fn keep(&mut self, fact: &Fact, clock: NodeClock, out: &mut Outputs) {
        let bytes = minicbor::to_vec(fact).expect("writing to memory can't fail");
        if self.take(&bytes, clock, out)
            && let Some((key, _)) = fact::read(&bytes)
        {
            self.pending.keys.insert(key);
        }
    }

    /// Takes a fact, whoever wrote it: from here on a click on this node and one on another are the same. Returns whether
    /// it is news.
    fn take(&mut self, bytes: &[u8], clock: NodeClock, out: &mut Outputs) -> bool {
        if self.was_replaced_since(bytes, clock, out) {
            return false;
        }
        let Merged::Taken { key, displaced } = self.store.merge(bytes, clock.limit, clock.time) else { return false };
        if let Some(stored) = self.store.get(&key) {
            self.clock.see(stored.fact.stamp);
            if stored.fact.stamp.time > self.shown_limit {
                self.hidden.insert(key.clone());
            }
            out.push(Output::Keep { key: stored.hash.to_vec(), record: Some(bytes.to_vec()) });
        }
        self.changed(&key);
        for key in displaced {
            self.gone(&key, out);
        }
        true
    }

    fn gone(&mut self, key: &FactKey, out: &mut Outputs) {
        out.push(Output::Keep { key: self.store.key_hash(key).to_vec(), record: None });
        self.changed(key);
    }

    fn changed(&mut self, key: &FactKey) {
        let kind = if key.entry.is_some() { FactKind::Log } else { FactKind::Register };
        let author = self.store.get(key).and_then(StoredFact::author);
        self.changes.push(FactChange { room: key.room.clone(), key: key.key.clone(), kind, author });
    }

    /// Takes off what has run out, and restamps what this node stamped with a clock that ran far ahead.
    pub(crate) fn tend(&mut self, clock: NodeClock, now: Mono, out: &mut Outputs) {
        for key in self.store.expire(clock.time) {
            self.gone(&key, out);
        }
        self.shown_limit = clock.limit;
        let hidden = self.store.keys_later_than(self.shown_limit).into_iter().collect();
        let before = std::mem::replace(&mut self.hidden, hidden);
        // What is hidden now and was not, or the other way round, looks different.
        let changed: Vec<FactKey> = before.symmetric_difference(&self.hidden).cloned().collect();
        changed.iter().for_each(|key| self.changed(key));
        self.restamp_ahead(clock, out);
        self.quotas.retain(|_, quota| quota.second == now.second());
    }

    /// When something may be published.
    pub(crate) fn publish_due(&self) -> Option<Mono> {
        (!self.pending.keys.is_empty()).then(|| self.pending.limiter.due())
    }

    /// Tells the others what was written here: at once, or gathered for a moment under load. A register that was set
    /// twice meanwhile is told once.
    pub(crate) fn publish(&mut self, me: NodeHash, now: Mono, out: &mut Outputs) {
        self.pending.limiter.spend(MESSAGE_US, now);
        let keys = std::mem::take(&mut self.pending.keys);
        let stored = keys.iter().filter_map(|key| self.store.get(key));
        // What another node has replaced meanwhile is published by that node.
        let own = stored.filter(|stored| stored.fact.stamp.node == me);
        let (mut bundle, mut size) = (Bundle::default(), 0);
        for stored in own {
            size += stored.bytes.len();
            bundle.facts.push(ByteVec::from(stored.bytes.clone()));
            if size >= PAGE_BYTES {
                out.broadcast(&Broadcast::Facts(std::mem::take(&mut bundle)));
                size = 0;
            }
        }
        if !bundle.facts.is_empty() {
            out.broadcast(&Broadcast::Facts(bundle));
        }
    }
}
