//! The laws of merging, by property: in any order, twice, in pieces, the same comes out.

use proptest::collection::vec;
use proptest::prelude::*;

use crate::facts::fact::Fact;
use crate::facts::store::FactStore;
use crate::id::{NodeHash, Region, RoomHash, UserId};
use crate::io::entry_id::EntryId;
use crate::presence::Presence;
use crate::presence::row::Weight;
use crate::presence::row::{Removed, Row, RowKey, TableKey};
use crate::time::{Incarnation, Mono, NodeTime, Stamp};

const NOW_MS: u64 = 1_000_000;

fn digest(bytes: &[u8]) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

/// One author's fact: its stamp says all, as no author stamps twice alike.
fn fact((key, time_ms, counter, node, cap): (u8, u64, u32, u64, u16)) -> Vec<u8> {
    let log = key % 2 == 1;
    let entry = log.then_some(EntryId {
        node: NodeHash(node),
        incarnation: Incarnation::new(1),
        count: time_ms * 10 + u64::from(counter),
    });
    let fact = Fact {
        room: "demo".to_owned(),
        key: format!("key {key}"),
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
    };
    minicbor::to_vec(fact).expect("writing to memory can't fail")
}

fn facts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    vec((0..4_u8, 0..50_u64, 0..3_u32, 0..3_u64, 3..4_u16).prop_map(fact), 1..60)
}

fn merged(facts: &[Vec<u8>]) -> (u128, Vec<Vec<u8>>) {
    let mut merged = FactStore::new(NodeHash(99), digest);
    for bytes in facts {
        merged.merge(bytes, NodeTime(NOW_MS), NodeTime(NOW_MS));
    }
    let room = crate::id::Room::new("demo").expect("a name");
    let kept = merged.room(&room).map(|(_, kept)| kept.bytes.clone()).collect();
    (merged.root(NodeTime(NOW_MS), NodeTime(NOW_MS)), kept)
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
        let mut other = [facts.clone(), facts.clone()].concat();
        let count = other.len();
        for index in 0..count {
            let turn = usize::try_from(seed.rotate_left(u32::try_from(index % 64).expect("small")) % 1_009).expect("small");
            other.swap(index, (index + turn) % count);
        }
        prop_assert_eq!(merged(&facts), merged(&other));
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
