//! What a valid member may have others keep is bounded.

use crate::by_hand::ByHand;
use crate::said::{self, Beat, Sender};

/// Facts as another node sends them.
fn facts(first: u64, count: u64, lasts_ms: u64) -> Vec<u8> {
    let stamp_ms = 1_800_000_000_000;
    let written = (first..first + count).map(|number| said::fact(number, stamp_ms, stamp_ms + lasts_ms));
    said::bundle(&Sender::of("there"), &written.collect::<Vec<_>>())
}

#[test]
fn facts_are_bounded_in_number_and_in_time() {
    let mut node = ByHand::start("here");
    node.resolve(&["there"]);
    node.dialled("there", 1, "there");
    node.receive(1, &Beat::default().write(&Sender::of("there")));
    node.receive(1, &facts(0, 1, 401 * 86_400_000));
    assert_eq!(node.fact_times().len(), 0);
    node.pass(1_000);
    let mut sent = 0;
    while sent < 110_000 {
        node.receive(1, &facts(sent, 2_500, 86_400_000));
        sent += 2_500;
        node.pass(500);
    }
    assert_eq!(node.fact_times().len(), 100_000);
    assert_eq!(node.rejected(), 0);
    node.pass(1_000);
    for _ in 0..3 {
        node.receive(1, &facts(0, 2_500, 86_400_000));
    }
    assert_eq!(node.rejected(), 1, "7,500 facts in a second");
}
