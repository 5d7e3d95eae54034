//! A simulator that finds nothing proves nothing: each of these planted faults it must find.

#[path = "all/app.rs"]
mod app;
#[path = "all/chance.rs"]
mod chance;
#[path = "all/digest.rs"]
mod digest;
#[path = "all/keys.rs"]
mod keys;
#[path = "all/simulation.rs"]
mod simulation;
#[path = "all/tabs.rs"]
mod tabs;
#[path = "all/world.rs"]
mod world;

use presence_core::testing::fault_injection::{ALL_FAULTS, Fault, inject};

const SEEDS: u64 = 150;

fn found(fault: Fault) -> Option<u64> {
    inject(Some(fault));
    let seed = (1..=SEEDS)
        .find(|seed| std::panic::catch_unwind(|| simulation::settles(&mut simulation::storm(*seed), *seed)).is_err());
    inject(None);
    seed
}

#[test]
fn every_planted_fault_is_found() {
    let missed: Vec<Fault> = ALL_FAULTS.into_iter().filter(|fault| found(*fault).is_none()).collect();
    assert_eq!(missed, Vec::new());
}
