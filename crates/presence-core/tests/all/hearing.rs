//! Which node hears which, as heartbeats say it: by name, or in a large mesh by naming who is not heard.

use presence_core::{Output, PeerState};

use crate::by_hand::{ByHand, hash, heartbeats};
use crate::passing::{join, seen, wait};
use crate::said::{Beat, Sender};
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
    let all_new = mesh(5, 5, 0).hosts[1].beat_bytes;
    // The last one is of an earlier version: it does not say which nodes it knows.
    let mut world = mesh(5, 4, 0);
    world.hosts[4].named_max = 32;
    world.start(4);
    wait(&mut world, 4_000);
    let named = world.hosts[1].beat_bytes;
    assert!((4 * 9 - 4..=4 * 9).contains(&(named - all_new)), "all others are named: {named} bytes after {all_new}");
    cut(&mut world, 1, 4);
    wait(&mut world, 6_000);
    for (at, of) in [(1, 4), (4, 1)] {
        assert_eq!(sees(&world, at, of), Some((PeerState::Live, true)), "host {at}");
    }
    world.crash(4);
    wait(&mut world, 8_000);
    assert!(world.hosts[1].beat_bytes < all_new, "it is gone");
}

#[test]
fn in_a_large_mesh_few_are_asked_and_addresses_get_around() {
    let mut world = mesh(24, 23, 32);
    wait(&mut world, 20_000);
    let before = world.asked_hello;
    wait(&mut world, 20_000);
    let hellos = world.asked_hello - before;
    // 23 nodes ask one of the others every 1.25 s; a tick later, since they look each 200 ms.
    assert!((250..=370).contains(&hellos), "{hellos} hellos in 20 s");
    // The last node can't dial the third one, which learns from others where to dial.
    world.cut.insert((23, 2));
    world.start(23);
    wait(&mut world, 20_000);
    assert_eq!(sees(&world, 2, 23), Some((PeerState::Live, false)), "directly");
    assert_eq!(sees(&world, 23, 2), Some((PeerState::Live, true)));
}

/// A node by hand that is linked to others of an earlier version, which hear it and say one heartbeat each second.
fn linked_to(others: u64) -> ByHand {
    let mut node = ByHand::start("here");
    for number in 0..others {
        let name = format!("other-{number}");
        node.resolve(&[&name]);
        node.dialled(&name, number, &name);
    }
    node
}

fn others_speak(node: &mut ByHand, others: u64) -> Vec<Output> {
    let (mono_ms, wall_ms) = (node.now.mono.0, node.now.wall.0);
    let said = (0..others).flat_map(|number| {
        let beat = Beat { mono_ms, wall_ms, hears: vec![hash("here")], ..Beat::default() };
        node.receive(number, &beat.write(&Sender::of(&format!("other-{number}"))))
    });
    said.collect()
}

#[test]
fn above_64_nodes_heartbeats_are_further_apart() {
    for (others, expected) in [(63, 20..=20), (64, 13..=14)] {
        let mut node = linked_to(others);
        node.pass(3_000);
        let mut sent = Vec::new();
        for second in 0..22 {
            others_speak(&mut node, others);
            let outputs = node.pass(1_000);
            sent.extend(if second < 2 { Vec::new() } else { heartbeats(&outputs) });
        }
        assert!(expected.contains(&sent.len()), "{} in 20 s with {others} others", sent.len());
        assert!(sent.iter().all(|beat| beat.len() > 9 * 63), "they are of an earlier version: all are named");
    }
}

#[test]
fn a_node_with_slow_heartbeats_is_heard_directly_between_two_of_them_and_relayed_within_the_lease() {
    let mut world = mesh(66, 66, 32);
    wait(&mut world, 4_000);
    let relayed = world.relayed;
    wait(&mut world, 3_400);
    assert!((1..66).all(|of| sees(&world, 0, of) == Some((PeerState::Live, false))));
    assert_eq!(world.relayed, relayed, "no node counts as deaf");
    cut(&mut world, 0, 1);
    for _ in 0..40 {
        wait(&mut world, 200);
        assert_eq!(sees(&world, 0, 1).map(|(state, _)| state), Some(PeerState::Live));
    }
    assert_eq!(sees(&world, 0, 1), Some((PeerState::Live, true)));
}

#[test]
fn one_node_too_many_is_not_counted_and_the_operator_is_told_once_a_minute() {
    let mut node = linked_to(258);
    node.pass(3_000);
    let mut told = Vec::new();
    for _ in 0..50 {
        let outputs = [others_speak(&mut node, 258), node.pass(1_000)].concat();
        told.extend(outputs.into_iter().filter_map(|output| match output {
            Output::Tell(notice) if notice.message.contains("is not counted") => Some(notice.message),
            _ => None,
        }));
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("Node other-256 is not counted: this node already knows 256 others"), "{}", told[0]);
    assert_eq!(node.mesh.as_ref().expect("drawn").nodes.len(), 257);
}
