//! A node notices that another one does not count its visitors, and says so.

use crate::passing::{join, seen, wait, world};
use crate::world::World;

/// What a host says of the others that do not count its visitors: in `degraded`, and in the log.
fn doubted(world: &World, host: usize) -> (Vec<String>, usize) {
    let mesh = world.hosts[host].mesh.as_ref().expect("drawn");
    let says = |text: &&String| text.contains("does not count the visitors of this node");
    let name = format!("{}:", world.hosts[host].name);
    let lines = world.notices.iter().filter(|line| line.contains(&name) && says(line)).count();
    (mesh.degraded.iter().filter(says).cloned().collect(), lines)
}

#[test]
fn a_node_that_others_do_not_count_says_so_until_they_do() {
    let mut world = world(&["ams", "iad"]);
    for user in 1..=3 {
        join(&mut world, 0, u64::from(user), "shop", user, seen(""));
    }
    wait(&mut world, 20_000);
    assert_eq!(doubted(&world, 0), (Vec::new(), 0));
    // It hears the other one, which does not hear it: 4.5 s until it is silent there, and 5 s of that.
    world.cut.insert((1, 0));
    wait(&mut world, 7_000);
    assert_eq!(doubted(&world, 0), (Vec::new(), 0));
    wait(&mut world, 5_000);
    let text =
        "Node iad-1 does not count the visitors of this node: it has 0 of 4 rows. Check that it can reach this node.";
    assert_eq!(doubted(&world, 0), (vec![text.to_owned()], 1));
    let node = |world: &World| world.hosts[0].mesh.as_ref().expect("drawn").nodes[1].clone();
    assert!(!node(&world).counts_us);
    wait(&mut world, 20_000);
    assert_eq!(doubted(&world, 0), (vec![text.to_owned()], 1), "the log says it once");
    world.cut.clear();
    wait(&mut world, 5_000);
    assert_eq!(doubted(&world, 0), (Vec::new(), 1));
    assert!(node(&world).counts_us);
}

#[test]
fn a_short_freeze_and_a_storm_of_visitors_are_no_doubt() {
    let mut world = world(&["ams", "iad", "yyz"]);
    world.weather.loss_percent = 10;
    for step in 0..600_u64 {
        if step == 100 {
            world.freeze(1, 3_000);
        }
        join(
            &mut world,
            usize::try_from(step % 3).expect("small"),
            step,
            "shop",
            u8::try_from(step % 200).expect("small"),
            seen(""),
        );
    }
    for host in 0..3 {
        assert_eq!(doubted(&world, host), (Vec::new(), 0));
    }
}
