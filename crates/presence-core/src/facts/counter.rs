//! Counters: what each start of each node has added, as one number that only that start writes. So a counter is a sum of
//! absolute values: nothing is counted twice or lost, however often messages are repeated and nodes are killed.

use std::collections::BTreeSet;

use minicbor::{Decode, Encode};

use crate::facts::fact::{Fact, StoredFact};
use crate::id::NodeHash;
use crate::presence::row::TableKey;
use crate::time::{Incarnation, NodeTime, Stamp};

/// Earlier starts whose contributions one contribution includes: as many as fit into a value. With more, those that are
/// not included remain.
const FOLDED_MAX: usize = 128;

/// What one start of a node has added to a counter.
#[derive(Clone, PartialEq, Eq, Debug, Default, Encode, Decode)]
pub(crate) struct Contribution {
    /// All of it together.
    #[n(0)]
    pub(crate) total: i64,
    /// When the counter had been removed the last time before. What was added before that counts no longer.
    #[n(1)]
    pub(crate) since: Option<Stamp>,
    /// Earlier starts of the same node whose contributions are in `total`.
    #[cbor(n(2), default)]
    pub(crate) folded: Vec<FoldedStart>,
    /// Its start gives a greater number to each value that it writes; an earlier version of the software gives none.
    #[cbor(n(3), default)]
    pub(crate) number: u64,
}

/// An earlier start of a node, whose contribution is part of a later one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct FoldedStart {
    #[n(0)]
    pub(crate) incarnation: Incarnation,
    /// Until then it may come back from a node that was away.
    #[n(1)]
    pub(crate) until: NodeTime,
}

impl Contribution {
    /// What a fact says; nothing if it is a tombstone or malformed.
    pub(super) fn of(fact: &Fact) -> Self {
        minicbor::decode(&fact.value).unwrap_or_default()
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to memory can't fail")
    }
}

/// Everything that is known of one counter.
#[derive(Debug, Default)]
pub(crate) struct CounterParts<'a> {
    parts: Vec<(TableKey, &'a StoredFact, Contribution)>,
    reset: Option<Stamp>,
}

impl<'a> CounterParts<'a> {
    pub(crate) fn add(&mut self, by: TableKey, stored: &'a StoredFact) {
        self.parts.push((by, stored, Contribution::of(&stored.fact)));
    }

    pub(crate) fn reset(&mut self, stored: &StoredFact) {
        self.reset = self.reset.max(minicbor::decode(&stored.fact.value).ok());
    }

    /// When the counter was removed last.
    pub(super) fn since(&self) -> Option<Stamp> {
        self.parts.iter().map(|(.., part)| part.since).max().flatten().max(self.reset)
    }

    /// What counts.
    fn counted(&self) -> impl Iterator<Item = &(TableKey, &'a StoredFact, Contribution)> {
        let since = self.since();
        let now = move |part: &&(TableKey, &StoredFact, Contribution)| part.2.since == since;
        let folded: BTreeSet<TableKey> =
            self.parts.iter().filter(now).flat_map(|(by, _, part)| folded(*by, part)).collect();
        self.parts.iter().filter(now).filter(move |(by, ..)| !folded.contains(by))
    }

    /// The value of the counter; `None` where nothing was added since it was removed.
    pub(crate) fn total(&self) -> Option<i64> {
        self.counted().map(|(.., part)| part.total).reduce(i64::saturating_add)
    }

    /// What a start of a node has added, with what was stamped before `before` by earlier starts of the same node, and the
    /// keys of these.
    pub(crate) fn own(&self, by: TableKey, before: NodeTime, now: NodeTime) -> (Contribution, Vec<&'a StoredFact>) {
        let since = self.since();
        let mine = self.parts.iter().find(|(author, _, part)| *author == by && part.since == since);
        let mut own = mine.map_or_else(|| Contribution { since, ..Contribution::default() }, |(.., part)| part.clone());
        own.folded.retain(|start| start.until > now);
        let mut gone = Vec::new();
        for (author, stored, part) in self.counted().filter(|(author, ..)| is_earlier(*author, by)) {
            let starts = 1 + part.folded.len();
            if stored.fact.stamp.time >= before || own.folded.len() + starts > FOLDED_MAX {
                continue;
            }
            own.total = own.total.saturating_add(part.total);
            own.folded.push(FoldedStart { incarnation: author.incarnation, until: stored.fact.expires });
            own.folded.extend(part.folded.iter().filter(|start| start.until > now));
            gone.push(*stored);
        }
        (own, gone)
    }
}

fn is_earlier(author: TableKey, by: TableKey) -> bool {
    author.node == by.node && author.incarnation != by.incarnation
}

fn folded(by: TableKey, part: &Contribution) -> impl Iterator<Item = TableKey> {
    let node: NodeHash = by.node;
    part.folded.iter().map(move |start| TableKey { node, incarnation: start.incarnation })
}
