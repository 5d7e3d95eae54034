//! What a join costs, in work and not in time: the same in a room of a hundred thousand as in one of a thousand. In a
//! process of its own, since all that it allocates counts.

#[path = "all/digest.rs"]
mod digest;
#[path = "all/pair.rs"]
mod pair;

use std::alloc::System;

use pair::{Pair, room};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// How many join in a second.
const EACH_MS: u64 = 10;

/// Allocations and allocated bytes of one of the next thousand joins, on both nodes, the pages of both drawn.
fn join_a_thousand(pair: &mut Pair, from: u64) -> (usize, usize) {
    let room = room("demo");
    let region = Region::new(ALLOCATOR);
    for number in from..from + 1_000 {
        pair.join(number, &room, true);
        if number % EACH_MS == 0 {
            pair.pass(1);
        }
        pair.forget();
    }
    let change = region.change();
    println!("{from} present: {} allocations, {} bytes", change.allocations, change.bytes_allocated);
    (change.allocations / 1_000, change.bytes_allocated / 1_000)
}

#[test]
fn a_join_costs_the_same_however_many_are_there() {
    let mut pair = Pair::author();
    pair.start_reader();
    pair.pass(3_000);
    let mut joined = 0;
    let costs = [1_000, 10_000, 100_000].map(|present| {
        while joined < present {
            join_a_thousand(&mut pair, joined);
            joined += 1_000;
        }
        joined += 1_000;
        join_a_thousand(&mut pair, joined - 1_000)
    });
    let (few, many) = (costs[0], costs[2]);
    assert!(many.0 <= few.0 + few.0 / 4, "allocations a join, by size of the room: {costs:?}");
    assert!(many.1 <= few.1 + few.1 / 4, "allocated bytes a join, by size of the room: {costs:?}");
}
