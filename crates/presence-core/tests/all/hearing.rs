//! Which node hears which, as heartbeats say it: by name, or in a large mesh by naming who is not heard.

use presence_core::{Input, PeerState};

use crate::passing::{join, seen, wait};
use crate::world::World;

/// Bytes of the names of the heard nodes.
const NAMES_BYTES: usize = 33 * 9;

/// Nodes that have found each other, the first `up` of them.
fn mesh(nodes: usize, up: usize, named_max: usize) -> World {
    let mut world = World::new(1, &vec!["ams"; nodes]);
    world.seeds = vec![0, 1];
    world.hosts.iter_mut().for_each(|host| host.named_max = named_max);
    for host in 0..up {
        world.start(host);
    }
    world.run_until(8_000);
    world
}

fn cut(world: &mut World, a: usize, b: usize) {
    world.cut.extend([(a, b), (b, a)]);
}

/// How host `at` sees host `of`: its state, and through which node it is heard.
fn sees(world: &World, at: usize, of: usize) -> Option<(PeerState, bool)> {
    let mesh = world.hosts[at].mesh.as_ref().expect("drawn");
    let node = mesh.nodes.iter().find(|node| node.name == world.hosts[of].name)?;
    Some((node.state, node.via.is_some()))
}

fn is_degraded(world: &World, at: usize) -> bool {
    world.hosts[at].mesh.as_ref().is_some_and(|mesh| !mesh.degraded.is_empty())
}

/// A node that starts while it and another one can't hear each other, and never did, finds that one through a third.
pub(crate) fn a_newcomer_is_heard_by_all(named_max: usize) {
    let mut world = mesh(4, 3, named_max);
    cut(&mut world, 0, 3);
    world.start(3);
    wait(&mut world, 6_000);
    join(&mut world, 3, 1, "demo", 7, seen("Ann"));
    wait(&mut world, 1_000);
    for host in 0..3 {
        assert_eq!(sees(&world, host, 3), Some((PeerState::Live, host == 0)), "host {host}");
        assert_eq!(sees(&world, 3, host), Some((PeerState::Live, host == 0)), "host {host} as the newcomer sees it");
        assert_eq!(world.hosts[host].view.as_ref().map(|view| view.users), Some(1), "host {host}");
    }
}

#[test]
fn a_newcomer_and_a_node_that_can_t_hear_it_find_each_other_in_each_form() {
    [0, 32].into_iter().for_each(a_newcomer_is_heard_by_all);
}

#[test]
fn across_the_border_of_32_heartbeats_change_their_form_and_no_node_falls_silent() {
    let mut world = mesh(35, 35, 32);
    let bytes = |world: &World| world.hosts[1].beat_bytes;
    let large = bytes(&world);
    cut(&mut world, 1, 2);
    wait(&mut world, 4_000);
    assert_eq!(bytes(&world), large + 9, "one node is named, which is not heard");
    world.cut.clear();
    for (host, user) in [(3, 7), (34, 8)] {
        join(&mut world, host, u64::from(user), "demo", user, seen("Ann"));
    }
    // 34 others, then 31 of them, then 34 again.
    for host in 4..7 {
        world.crash(host);
    }
    wait(&mut world, 8_000);
    let named = bytes(&world);
    assert!(named > large + NAMES_BYTES - 50, "{named} bytes after {large}");
    for host in 4..7 {
        world.start(host);
    }
    wait(&mut world, 6_000);
    assert!(bytes(&world) < named - NAMES_BYTES / 2, "{} bytes after {named}", bytes(&world));
    let silent = world.notices.iter().filter(|notice| notice.contains("is silent")).count();
    assert_eq!(silent, 3 * 32, "the three that were killed, at each of the others");
    for host in 0..35 {
        assert!(!is_degraded(&world, host), "host {host}: {:?}", world.hosts[host].mesh);
        assert_eq!(world.hosts[host].view.as_ref().map(|view| (view.users, view.unsure)), Some((2, 0)));
    }
}

#[test]
fn a_node_that_only_knows_the_first_form_is_understood_and_understands() {
    // The last one is of an earlier version: it does not say which nodes it knows.
    let mut world = mesh(5, 4, 0);
    let short = world.hosts[1].beat_bytes;
    world.hosts[4].named_max = 32;
    world.start(4);
    wait(&mut world, 4_000);
    assert!(world.hosts[1].beat_bytes >= short + 4 * 9, "all others are named again");
    cut(&mut world, 1, 4);
    wait(&mut world, 6_000);
    for (at, of) in [(1, 4), (4, 1)] {
        assert_eq!(sees(&world, at, of), Some((PeerState::Live, true)), "host {at}");
    }
    world.deliver(4, Input::Drained);
    world.deliver(4, Input::Emptied);
    wait(&mut world, 6_000);
    assert!(world.hosts[1].beat_bytes < short + 4 * 9);
}
