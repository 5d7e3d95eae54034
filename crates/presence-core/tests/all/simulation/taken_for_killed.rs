//! A node that others take for killed, since another one of its name was heard, and that a node which starts then meets through
//! a relay.

use crate::world::World;

/// Until the tabs of a node that was killed no longer count.
const CRASHED_MS: u64 = 20_000;

fn run_for(world: &mut World, ms: u64) {
    let until = world.now + ms;
    world.run_until(until);
}

fn users(world: &World, host: usize) -> u32 {
    world.hosts[host].view.as_ref().map_or(0, |view| view.users)
}

#[test]
fn the_visitors_of_a_node_that_is_met_through_a_relay_count_although_it_was_taken_for_killed() {
    let mut world = World::new(1, &["ams", "iad", "maa", "yyz"]);
    world.seeds = vec![0, 1, 2, 3];
    world.aborts = Some(Vec::new());
    world.add_twin(0);
    (0..4).for_each(|host| world.start(host));
    run_for(&mut world, 6_000);
    world.tabs.open(7, 0, world.now);
    run_for(&mut world, 500);
    // While it is cut off, another node of its name is heard for a moment.
    world.cut.extend([(0, 4), (4, 0), (1, 0), (2, 0), (3, 0)]);
    run_for(&mut world, 12_000);
    world.start(4);
    run_for(&mut world, 3_000);
    world.crash(4);
    let killed = world.now;
    world.cut.remove(&(1, 0));
    run_for(&mut world, 6_000);
    // One that starts hears first from the fourth that the first one was killed, and then the first one through the second.
    world.crash(2);
    world.cut.extend([(2, 1)]);
    world.start(2);
    run_for(&mut world, 3_000);
    world.cut.remove(&(2, 1));
    world.run_until(killed + CRASHED_MS + 5_000);
    assert_eq!([1, 2].map(|host| users(&world, host)), [1, 1], "through a relay");
    world.cut.clear();
    run_for(&mut world, 8_000);
    assert_eq!([0, 1, 2, 3].map(|host| users(&world, host)), [1; 4], "directly");
}
