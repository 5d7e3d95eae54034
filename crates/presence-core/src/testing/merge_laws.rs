//! The laws of merging, by property: in any order, twice, in pieces, the same comes out.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::app::entry_id::EntryId;
use crate::facts::counter::CounterParts;
use crate::facts::fact::Fact;
use crate::facts::name::{self, FactName};
use crate::facts::store::FactStore;
use crate::id::{NodeHash, PublicId, Region, Room, RoomHash, UserId};
use crate::presence::Presence;
use crate::presence::row::Weight;
use crate::presence::row::{Removed, Row, RowKey, TableKey};
use crate::time::{Incarnation, Mono, NodeTime, Stamp};
use crate::trace::TraceContext;

const NOW_MS: u64 = 1_000_000;

fn digest(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

/// One author's fact: its stamp says all, as no author stamps twice alike.
fn fact((key, time_ms, counter, node, cap): (u8, u64, u32, u64, u16)) -> Vec<u8> {
    let log = key % 4 == 1;
    let entry = log.then_some(EntryId {
        node: NodeHash(node),
        incarnation: Incarnation::new(1),
        count: time_ms * 10 + u64::from(counter),
    });
    let fact = Fact {
        room: "demo".to_owned(),
        key: match key % 4 {
            0 | 1 => format!("key {key}"),
            2 => name::map_entry("map", &key.to_string()).expect("short"),
            _ => name::set_user("set", PublicId([key; 32])).expect("short"),
        },
        entry,
        cap: if log { cap } else { 0 },
        stamp: Stamp { time: NodeTime(time_ms), counter, node: NodeHash(node), incarnation: Incarnation::new(1) },
        user: UserId([1; 32]),
        region: Region::new("yyz").expect("a code"),
        value: format!("{key} {time_ms} {counter} {node}").into_bytes(),
        expires: NodeTime(NOW_MS * 2),
        #[cfg(feature = "later-version")]
        later: Some(7),
        removed: (counter == 2).then_some(true),
        receipts: None,
        trace: TraceContext::new([key; 16], [1; 8], true).map(Box::new),
    };
    minicbor::to_vec(fact).expect("writing to memory can't fail")
}

fn facts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec((0..8_u8, 0..50_u64, 0..3_u32, 0..3_u64, 3..4_u16).prop_map(fact), 1..60)
}

fn room() -> Room {
    Room::new("demo").expect("a name")
}

fn stored(facts: &[Vec<u8>]) -> FactStore {
    let mut merged = FactStore::new(NodeHash(99), digest);
    for bytes in facts {
        merged.merge(bytes, NodeTime(NOW_MS), NodeTime(NOW_MS));
    }
    merged
}

/// The same facts in another order, each twice.
fn shuffled(facts: &[Vec<u8>], seed: u64) -> Vec<Vec<u8>> {
    let mut other = [facts, facts].concat();
    let count = other.len();
    for index in 0..count {
        let turn = usize::try_from(seed.rotate_left(u32::try_from(index % 64).expect("small")) % 1_009).expect("small");
        other.swap(index, (index + turn) % count);
    }
    other
}

/// The last fact of each key that is no log's.
fn model(facts: &[Vec<u8>]) -> BTreeMap<String, Vec<u8>> {
    let read = facts.iter().map(|bytes| (minicbor::decode::<Fact>(bytes).expect("a fact"), bytes));
    let mut last: BTreeMap<String, (Stamp, Vec<u8>)> = BTreeMap::new();
    for (fact, bytes) in read.filter(|(fact, _)| fact.entry.is_none()) {
        let known = last.entry(fact.key).or_insert((fact.stamp, bytes.clone()));
        if known.0 < fact.stamp {
            *known = (fact.stamp, bytes.clone());
        }
    }
    last.into_iter().map(|(key, (_, bytes))| (key, bytes)).collect()
}

/// What a store says of the one counter.
fn claps(store: &FactStore) -> CounterParts<'_> {
    let mut parts = CounterParts::default();
    for (key, stored) in store.named(&room(), "claps").filter(|(_, stored)| !stored.fact.is_removed()) {
        match FactName::of(key) {
            FactName::Contribution { by, .. } => parts.add(by, stored),
            other => panic!("no contribution: {other:?}"),
        }
    }
    parts
}

/// One click on the counter: on which node, how much, and whether the node was started again before.
type Added = (u8, i64, bool);

/// The facts that nodes publish which count these clicks; what is ten clicks old becomes part of a later contribution.
fn counted(clicks: &[Added]) -> Vec<Vec<u8>> {
    let (mut known, mut facts, mut starts) = (stored(&[]), Vec::new(), [1_u64; 3]);
    for (time_ms, (node, amount, started)) in (100..).zip(clicks) {
        starts[usize::from(*node)] += u64::from(*started);
        let incarnation = Incarnation::new(starts[usize::from(*node)]);
        let by = TableKey { node: NodeHash(u64::from(*node)), incarnation };
        let (mut own, folded) = claps(&known).own(by, NodeTime(time_ms - 10), NodeTime(time_ms));
        own.total += amount;
        let stamp = Stamp { time: NodeTime(time_ms), counter: 0, node: by.node, incarnation };
        let mut fact: Fact = minicbor::decode(&fact((0, time_ms, 0, 0, 3))).expect("a fact");
        (fact.stamp, fact.key, fact.value) = (stamp, name::contribution("claps", by).expect("short"), own.write());
        let gone = folded.into_iter().map(|stored| Fact { stamp, removed: Some(true), ..stored.fact.clone() });
        let written: Vec<Vec<u8>> = gone
            .chain([fact.clone()])
            .map(|fact| minicbor::to_vec(fact).expect("writing to memory can't fail"))
            .collect();
        for bytes in &written {
            known.merge(bytes, NodeTime(NOW_MS), NodeTime(NOW_MS));
        }
        facts.extend(written);
    }
    facts
}

fn merged(facts: &[Vec<u8>]) -> (u128, Vec<Vec<u8>>) {
    let (merged, room) = (stored(facts), room());
    let kept = merged.room(&room).map(|(_, kept)| kept.bytes.clone()).collect();
    (merged.root(NodeTime(NOW_MS), NodeTime(NOW_MS)), kept)
}

fn is_tombstone(bytes: &[u8]) -> bool {
    minicbor::decode::<Fact>(bytes).expect("a fact").is_removed()
}

/// What one node says of one user, in the order of its numbers: open tabs, or gone.
type Said = (u8, Option<(u32, u32)>);

fn said() -> impl Strategy<Value = Vec<Said>> {
    vec((0..4_u8, proptest::option::of((0..3_u32, 0..3_u32))), 1..40)
}

fn told(said: &[(u64, Said)]) -> Presence {
    let table = TableKey { node: NodeHash(1), incarnation: Incarnation::new(1) };
    let mut presence = Presence::new(digest);
    presence.open_table(table, &Region::new("yyz").expect("a code"), Weight::Counted);
    for (number, (user, row)) in said {
        let key = RowKey { room: RoomHash([7; 16]), user: UserId([user + 1; 32]) };
        if presence.table(table).is_some_and(|rows| *number <= rows.number(&key)) {
            continue;
        }
        match row {
            Some((open, lingering)) => {
                let mut row = Row::new(key, Vec::new(), 0);
                (row.number, row.open, row.lingering) = (*number, *open, *lingering);
                presence.set(table, row);
            }
            None => presence.remove(table, Removed { key, number: *number }, Mono(0)),
        }
    }
    presence
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(256) })]

    #[test]
    fn facts_in_any_order_and_twice_are_the_same_facts(facts in facts(), seed in any::<u64>()) {
        prop_assert_eq!(merged(&facts), merged(&shuffled(&facts, seed)));
    }

    #[test]
    fn of_each_key_the_last_fact_is_kept_as_a_plain_map_has_it(facts in facts(), seed in any::<u64>()) {
        let merged = stored(&shuffled(&facts, seed));
        let kept = merged.starting_at(None).map(|(_, kept)| kept).filter(|kept| kept.fact.entry.is_none());
        let kept: BTreeMap<String, Vec<u8>> = kept.map(|kept| (kept.fact.key.clone(), kept.bytes.clone())).collect();
        prop_assert_eq!(kept, model(&facts));
    }

    #[test]
    fn a_counter_is_the_sum_of_all_clicks_in_whatever_order_their_facts_come(
        clicks in vec((0..3_u8, -5..50_i64, any::<bool>()), 1..60),
        seed in any::<u64>(),
    ) {
        let facts = counted(&clicks);
        let sum = clicks.iter().map(|(_, amount, _)| amount).sum::<i64>();
        prop_assert_eq!(claps(&stored(&shuffled(&facts, seed))).total(), Some(sum));
        // Whoever still has what is folded, and no tombstone, counts it once.
        let old: Vec<Vec<u8>> = facts.iter().filter(|bytes| !is_tombstone(bytes)).cloned().collect();
        prop_assert_eq!(claps(&stored(&shuffled(&old, seed))).total(), Some(sum));
    }

    #[test]
    fn rows_in_any_order_count_the_same_and_as_a_recount_does(said in said(), turn in 0..40_usize) {
        let numbered: Vec<(u64, Said)> = (1..).zip(said).collect();
        let mut other = numbered.clone();
        other.rotate_left(turn % numbered.len());
        other.extend(numbered.clone());
        let (first, second) = (told(&numbered), told(&other));
        prop_assert_eq!(first.derived(), second.derived());
        prop_assert_eq!(first.recounted(), second.derived());
    }
}
