//! What a visitor of another node costs in memory, exactly: in a process of its own, since all that it allocates counts.

#[path = "all/digest.rs"]
mod digest;
#[path = "all/pair.rs"]
mod pair;

use std::alloc::System;

use pair::{Pair, READER, room};
use presence_core::Output;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// What a node takes for each of this many visitors of another one, spread over rooms.
fn bytes_a_visitor(visitors: u64, rooms: u64) -> usize {
    let mut pair = Pair::author();
    for number in 0..visitors {
        pair.join(number, &room(&format!("shop/{}", number % rooms)), false);
        if number % 500 == 0 {
            pair.pass(5);
            pair.forget();
        }
    }
    pair.pass(1_000);
    pair.forget();
    let before = allocated();
    pair.start_reader();
    pair.pass(20_000);
    let views = pair.outputs[READER].iter().filter_map(|output| match output {
        Output::View(view) => Some(u64::from(view.users)),
        _ => None,
    });
    let seen: u64 = if rooms == 1 { views.max().expect("a view") } else { visitors };
    assert_eq!(seen, visitors);
    pair.forget();
    (allocated() - before) / usize::try_from(visitors).expect("small")
}

#[test]
fn a_visitor_of_another_node_takes_little_memory() {
    let one_room = [100_000, 1_000_000].map(|visitors| bytes_a_visitor(visitors, 1));
    let rooms_of_one = bytes_a_visitor(100_000, 100_000);
    println!("{one_room:?} bytes in one room; {rooms_of_one} alone, with a room, its name and its view");
    // Meant are 150. Two indexes whose nodes are two thirds full explain the rest of what is measured: 95 to 106.
    assert!(one_room.iter().all(|bytes| *bytes <= 120), "a visitor takes {one_room:?} bytes");
    assert!(rooms_of_one <= 1_600, "a visitor alone in a room takes {rooms_of_one} bytes");
}
