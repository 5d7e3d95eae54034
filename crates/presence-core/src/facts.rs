//! Facts: the few things that outlive a node. Written here, taken from others, and compared so that every loss heals.

mod anti_entropy;
mod confirm;
mod contributions;
pub(crate) mod counter;
pub(crate) mod fact;
mod hybrid_clock;
pub(crate) mod name;
pub(crate) mod plan;
mod quota;
mod removal;
mod restamp;
pub(crate) mod store;
mod tally;
mod transfer;
mod writing;

use std::collections::{BTreeMap, BTreeSet};

use crate::app::change::Change;
use crate::cost_limit::CostLimiter;
use crate::facts::confirm::Confirmations;
use crate::facts::fact::{FactKey, ReceiptsAsked, StoredFact};
use crate::facts::hybrid_clock::HybridClock;
use crate::facts::name::FactName;
use crate::facts::quota::LinkQuota;
use crate::facts::restamp::Restamps;
use crate::facts::store::{FactStore, Merged};
use crate::id::{NodeHash, Room, UserId};
use crate::identity::Identity;
use crate::io::output::Output;
use crate::outputs::Outputs;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Incarnation, Mono, NodeClock, NodeTime, Stamp};
use crate::trace::TraceContext;

/// How long after it was written a fact is still a part of its click's trace. What is older comes late, from a node that lacked it.
const TRACED_MS: u64 = 60_000;

/// What holds something else, and who wrote what is new.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct FactChange {
    pub(crate) room: Room,
    pub(crate) change: Change,
    pub(crate) author: Option<UserId>,
    /// Whether what is new asks for receipts.
    pub(crate) asks: Option<ReceiptsAsked>,
    /// The click that has just written it, if it is traced.
    pub(crate) trace: Option<TraceContext>,
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
    /// The number of the last contribution to a counter that this start of the node has written.
    contributed: u64,
    confirmations: Confirmations,
    /// When contributions to counters were last stamped again.
    renewed_at: Option<Mono>,
    /// The latest stamp that is shown: pages change with it only where it is renewed.
    shown_limit: NodeTime,
    /// Facts that are not shown, since they are stamped too far ahead.
    hidden: BTreeSet<FactKey>,
    pending: PendingFacts,
    /// How many facts were written here since the start.
    written: u64,
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
            contributed: 0,
            confirmations: Confirmations::default(),
            renewed_at: None,
            shown_limit: clock.limit.max(newest),
            hidden: BTreeSet::new(),
            pending: PendingFacts::default(),
            written: 0,
            quotas: BTreeMap::new(),
            compared: BTreeMap::new(),
            announced_time: NodeTime(0),
            changes: Vec::new(),
        }
    }

    /// When each fact was stamped, and when it ends.
    pub(crate) fn times(&self) -> impl Iterator<Item = (u64, u64)> {
        self.store.starting_at(None).map(|(_, stored)| (stored.fact.stamp.time.0, stored.fact.expires.0))
    }

    /// The time of the newest fact.
    pub(crate) fn newest_time(&self) -> Option<NodeTime> {
        self.store.newest().map(|stamp| stamp.time)
    }

    /// How many facts are not removed.
    pub(crate) fn count(&self) -> usize {
        self.store.tallies().live
    }

    /// The bytes of those.
    pub(crate) fn bytes(&self) -> usize {
        self.store.tallies().live_bytes
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

    /// A node is another start, or was silent: facts were not compared with it yet.
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
        let written = self.store.get(&key).filter(|stored| clock.time.since(stored.fact.stamp.time) < TRACED_MS);
        let trace = written.and_then(|stored| stored.fact.trace.as_deref().copied());
        self.changed(&key, trace);
        for key in displaced {
            self.gone(&key, out);
        }
        true
    }

    fn gone(&mut self, key: &FactKey, out: &mut Outputs) {
        out.push(Output::Keep { key: self.store.key_hash(key).to_vec(), record: None });
        self.changed(key, None);
    }

    fn changed(&mut self, key: &FactKey, trace: Option<TraceContext>) {
        let stored = self.store.get(key);
        let (author, asks) = (stored.and_then(StoredFact::author), stored.and_then(StoredFact::receipts_asked));
        if let Some(change) = change_of(key) {
            self.changes.push(FactChange { room: key.room.clone(), change, author, asks, trace });
        }
    }

    /// When the first fact runs out.
    pub(crate) fn first_expiry(&self) -> Option<NodeTime> {
        self.store.first_expiry()
    }

    /// Takes off what has run out, and restamps what this node stamped with a clock that ran far ahead.
    pub(crate) fn tend(&mut self, clock: NodeClock, now: Mono, out: &mut Outputs) {
        for (key, fact) in self.store.expire(clock.time) {
            out.push(Output::Keep { key: self.store.key_hash(&key).to_vec(), record: None });
            let change = match FactName::of(&key) {
                FactName::Register(name) if !injected(Fault::ExpiryUndrawn) => Some(Change::Expired(name.to_owned())),
                FactName::Register(_) => None,
                _ => change_of(&key),
            };
            // No page shows a tombstone.
            if let Some(change) = change.filter(|_| !fact.is_removed()) {
                self.changes.push(FactChange { room: key.room, change, author: None, asks: None, trace: None });
            }
        }
        self.shown_limit = clock.limit;
        let hidden = self.store.keys_later_than(self.shown_limit).into_iter().collect();
        let before = std::mem::replace(&mut self.hidden, hidden);
        // What is hidden now and was not, or the other way round, looks different.
        let changed: Vec<FactKey> = before.symmetric_difference(&self.hidden).cloned().collect();
        changed.iter().for_each(|key| self.changed(key, None));
        self.restamp_ahead(clock, out);
        self.renew_contributions(clock, now, out);
        self.quotas.retain(|_, quota| quota.second == now.second());
    }
}

/// What pages are to draw of a fact that is new or gone; `None` for a kind of a later version.
fn change_of(key: &FactKey) -> Option<Change> {
    Some(match FactName::of(key) {
        FactName::Register(name) => Change::Set(name.to_owned()),
        FactName::LogEntry(name) => Change::Logged(name.to_owned()),
        FactName::MapEntry { map, entry } => Change::Mapped { map: map.to_owned(), entry: entry.to_owned() },
        FactName::Contribution { counter, .. } | FactName::Reset { counter } => Change::Counted(counter.to_owned()),
        FactName::SetUser { set } => Change::Membered(set.to_owned()),
        FactName::Unknown => return None,
    })
}
