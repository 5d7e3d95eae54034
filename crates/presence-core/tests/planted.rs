//! A simulator that finds nothing proves nothing: each of these planted faults it must find.

#[path = "all/app.rs"]
mod app;
#[allow(dead_code, reason = "the other tests use more of it")]
#[path = "all/by_hand.rs"]
mod by_hand;
#[path = "all/chance.rs"]
mod chance;
#[path = "all/digest.rs"]
mod digest;
#[allow(dead_code, reason = "its own tests use more of it")]
#[path = "all/hearing.rs"]
mod hearing;
#[path = "all/keys.rs"]
mod keys;
#[path = "all/member_fuzz.rs"]
mod member_fuzz;
#[allow(dead_code, reason = "the other tests use more of it")]
#[path = "all/passing.rs"]
mod passing;
#[allow(dead_code, reason = "the other tests use more of it")]
#[path = "all/said.rs"]
mod said;
#[path = "all/simulation.rs"]
mod simulation;
#[path = "all/tabs.rs"]
mod tabs;
#[allow(dead_code, reason = "the other tests use more of it")]
#[path = "all/world.rs"]
mod world;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use presence_core::testing::fault_injection::{ALL_FAULTS, Fault, MEMBER_FAULTS, inject};

const SEEDS: u64 = 600;
const CONVERSATIONS: usize = 200;

fn found(fault: Fault) -> Option<u64> {
    inject(Some(fault));
    let seed = (1..=SEEDS)
        .find(|seed| std::panic::catch_unwind(|| simulation::settles(&mut simulation::storm(*seed), *seed)).is_err());
    inject(None);
    println!("{fault:?}: {seed:?}");
    seed
}

#[test]
fn every_planted_fault_is_found() {
    let missed: Vec<Fault> = ALL_FAULTS.into_iter().filter(|fault| found(*fault).is_none()).collect();
    assert_eq!(missed, Vec::new());
}

#[test]
fn a_node_that_was_never_heard_and_counts_as_heard_is_found() {
    let is_right = || std::panic::catch_unwind(|| hearing::a_newcomer_is_heard_by_all(0)).is_ok();
    assert!(is_right(), "without a fault");
    inject(Some(Fault::UnknownIsHeard));
    let missed = is_right();
    inject(None);
    assert!(!missed);
}

/// The first of the generated conversations that harms an honest node.
fn first_harm(cases: usize) -> Option<usize> {
    let mut runner = TestRunner::deterministic();
    (0..cases).find(|_| {
        let said = member_fuzz::steps().new_tree(&mut runner).expect("every value is fine").current();
        std::panic::catch_unwind(|| member_fuzz::honest_nodes_stay_right(&said)).is_err()
    })
}

#[test]
fn every_planted_fault_that_a_member_could_use_is_found() {
    assert_eq!(first_harm(CONVERSATIONS), None, "without a fault");
    let missed = MEMBER_FAULTS.into_iter().filter(|fault| {
        inject(Some(*fault));
        let found = first_harm(CONVERSATIONS);
        inject(None);
        found.is_none()
    });
    assert_eq!(missed.collect::<Vec<Fault>>(), Vec::new());
}
