//! Messages that come late or in another order than they were sent, and what is believed of their sender meanwhile.

use presence_core::{Input, NodeView, PeerState};

use crate::by_hand::{ByHand, published};
use crate::passing::{close, join, seeded_world, seen, wait, world};
use crate::world::{CALM, Weather, World};

/// Another node as a host sees it.
fn sees(world: &World, host: usize, other: usize) -> NodeView {
    let mesh = world.hosts[host].mesh.as_ref().expect("drawn");
    let name = &world.hosts[other].name;
    mesh.nodes.iter().find(|node| node.name == *name).expect("a known node").clone()
}

fn says_late(world: &World, host: usize) -> bool {
    let degraded = &world.hosts[host].mesh.as_ref().expect("drawn").degraded;
    degraded.iter().any(|what| what == "Node iad-1 is heard more than 4.5 s late.")
}

#[test]
fn an_overtaken_heartbeat_replaces_nothing_but_its_sender_is_heard() {
    let (mut node, mut other) = (ByHand::start("here"), ByHand::start("there"));
    node.resolve(&["there"]);
    node.dialled("there", 1, "there");
    let old = other.heartbeat();
    other.join(7);
    let new = other.heartbeat();
    node.receive(1, &new);
    node.pass(3_000);
    node.receive(1, &old);
    node.pass(1_000);
    let mesh = node.mesh.clone().expect("drawn");
    let there = mesh.nodes.iter().find(|node| node.name.as_str() == "there").expect("known");
    assert_eq!(there.sequence, 2, "the newer heartbeat holds");
    assert!(there.heard_ms_ago <= 1_000, "heard {} ms ago", there.heard_ms_ago);
}

#[test]
fn a_heartbeat_that_was_on_its_way_while_the_held_time_ran_out_brings_no_node_back() {
    let (mut node, mut other) = (ByHand::start("here"), ByHand::start("there"));
    node.resolve(&["there"]);
    node.dialled("there", 1, "there");
    let beat = other.heartbeat();
    node.receive(1, &beat);
    let late = other.heartbeat();
    published(&other.give(Input::Drained)).iter().for_each(|bytes| drop(node.receive(1, bytes)));
    node.pass(31_000);
    node.dialled("there", 2, "there");
    node.receive(2, &late);
    node.pass(1_000);
    let nodes = &node.mesh.as_ref().expect("drawn").nodes;
    assert!(nodes.iter().all(|node| node.name.as_str() != "there"), "{nodes:?}");
}

#[test]
fn what_a_leaving_node_said_last_counts_though_its_goodbye_overtakes_it() {
    for seed in 1..=20 {
        let mut world = seeded_world(seed, &["ams", "iad"]);
        world.weather = Weather { delay_ms: (5, 1_000), ..CALM };
        join(&mut world, 1, 1, "chat", 7, seen("Ann"));
        world.drain(1);
        wait(&mut world, 5_000);
        let users = world.hosts[0].passages.len();
        assert_eq!(users, 1, "seed {seed}: who was on the node that left is held here");
    }
}

#[test]
fn a_node_heard_later_than_the_lease_is_silent_until_it_is_in_time_again() {
    let mut world = world(&["ams", "iad"]);
    join(&mut world, 1, 1, "chat", 7, seen("Ann"));
    world.slow.insert((0, 1), 6_000);
    wait(&mut world, 14_000);
    for second in 0..40 {
        // A late word of it is no sign of life, whatever its kind.
        join(&mut world, 1, 100 + second, "chat", 8, seen("Bob"));
        close(&mut world, 1, 100 + second);
        assert_eq!(sees(&world, 0, 1).state, PeerState::Silent, "{second} s later");
        assert!(says_late(&world, 0), "{second} s later");
        wait(&mut world, 900);
    }
    world.slow.clear();
    wait(&mut world, 4_000);
    assert_eq!(sees(&world, 0, 1).state, PeerState::Live);
    assert!(!says_late(&world, 0));
    wait(&mut world, 10_000);
    assert_eq!(sees(&world, 0, 1).state, PeerState::Live, "what comes after it was in time again does not count");
}

#[test]
fn nodes_that_hear_each_other_late_are_live_again_when_both_are_in_time() {
    let mut world = world(&["ams", "iad"]);
    world.slow.extend([((0, 1), 3_000), ((1, 0), 3_000)]);
    wait(&mut world, 20_000);
    for host in 0..2 {
        assert_eq!(sees(&world, host, 1 - host).state, PeerState::Silent, "for host {host}");
    }
    world.slow.clear();
    wait(&mut world, 5_000);
    for host in 0..2 {
        assert_eq!(sees(&world, host, 1 - host).state, PeerState::Live, "for host {host}");
    }
}

#[test]
fn a_late_node_that_is_heard_in_time_through_another_one_is_live() {
    let mut world = world(&["ams", "iad", "maa"]);
    world.slow.insert((0, 1), 6_000);
    wait(&mut world, 14_000);
    for second in 0..20 {
        let node = sees(&world, 0, 1);
        assert_eq!((node.state, node.via.is_some()), (PeerState::Live, true), "{second} s later");
        assert!(says_late(&world, 0), "{second} s later");
        wait(&mut world, 1_000);
    }
    world.slow.clear();
    wait(&mut world, 10_000);
    let node = sees(&world, 0, 1);
    assert_eq!((node.state, node.via, says_late(&world, 0)), (PeerState::Live, None, false));
}

#[test]
fn a_heartbeat_from_before_a_freeze_is_not_echoed_after_it() {
    let (mut node, mut other) = (ByHand::start("here"), ByHand::start("there"));
    node.pass(4_000);
    other.pass(4_000);
    node.resolve(&["there"]);
    node.dialled("there", 1, "there");
    other.resolve(&["here"]);
    other.dialled("here", 1, "here");
    let first = other.heartbeat();
    node.receive(1, &first);
    let beat = node.heartbeat();
    other.receive(1, &beat);
    other.freeze(6_000);
    node.pass(6_000);
    let thawed = other.heartbeat();
    node.receive(1, &thawed);
    node.pass(1_000);
    let mesh = node.mesh.clone().expect("drawn");
    let there = mesh.nodes.iter().find(|node| node.name.as_str() == "there").expect("known");
    assert_eq!((there.state, there.round_trip_ms), (PeerState::Live, None), "{:?}", mesh.degraded);
}

#[test]
fn a_silent_node_has_no_round_trip_and_nor_has_its_region() {
    let mut world = world(&["ams", "iad"]);
    wait(&mut world, 4_000);
    let round_trips = |world: &World| {
        let mesh = world.hosts[0].mesh.as_ref().expect("drawn");
        let region = mesh.regions.iter().find(|region| region.region.as_str() == "iad").expect("a known region");
        let node = sees(world, 0, 1);
        (node.state, node.round_trip_ms.is_some(), region.round_trip_ms.is_some())
    };
    assert_eq!(round_trips(&world), (PeerState::Live, true, true));
    world.freeze(1, 8_000);
    wait(&mut world, 7_000);
    assert_eq!(round_trips(&world), (PeerState::Silent, false, false));
}

#[test]
fn a_node_that_was_frozen_does_not_look_late() {
    for seed in 1..=20 {
        let mut world = seeded_world(seed, &["ams", "iad"]);
        world.freeze(1, 7_000 + seed * 211);
        for _ in 0..150 {
            wait(&mut world, 100);
            assert!(!says_late(&world, 0), "seed {seed}");
            let round_trip_ms = sees(&world, 0, 1).round_trip_ms.unwrap_or(0);
            assert!(round_trip_ms < 2_000, "seed {seed}: a round trip of {round_trip_ms} ms");
        }
        assert_eq!(sees(&world, 0, 1).state, PeerState::Live, "seed {seed}");
    }
}

#[test]
fn a_cut_link_is_dialled_again_as_soon_as_the_cut_ends() {
    let mut world = world(&["ams", "iad"]);
    world.cut.extend([(0, 1), (1, 0)]);
    wait(&mut world, 30_000);
    world.cut.clear();
    wait(&mut world, 4_000);
    for host in 0..2 {
        assert_eq!(sees(&world, host, 1 - host).state, PeerState::Live, "for host {host}");
    }
}

#[test]
fn all_nodes_agree_whose_clock_is_wrong_and_of_two_nodes_neither_is() {
    for skew_ms in [400 * 86_400_000, 180_000, -180_000, -400 * 86_400_000] {
        let mut world = world(&["ams", "iad", "syd"]);
        world.hosts[1].skew_ms = skew_ms;
        wait(&mut world, 10_000);
        for (host, other) in (0..3).flat_map(|host| (0..3).map(move |other| (host, other))) {
            assert_eq!(sees(&world, host, other).wrong_clock, other == 1, "{host} of {other}, {skew_ms} ms away");
        }
        world.hosts[1].skew_ms = 0;
        wait(&mut world, 10_000);
        assert!((0..3).all(|host| !sees(&world, host, 1).wrong_clock), "set right");
        let mut world = self::world(&["ams", "iad"]);
        world.hosts[1].skew_ms = skew_ms;
        wait(&mut world, 10_000);
        assert!((0..4).all(|pair| !sees(&world, pair / 2, pair % 2).wrong_clock), "no one knows which");
    }
}

#[test]
fn a_node_that_was_taken_for_killed_is_dialled_when_it_says_hello() {
    for seed in 1..=10 {
        let mut world = World::new(seed, &["ams", "iad", "iad"]);
        world.aborts = Some(Vec::new());
        world.hosts[2].name = world.hosts[1].name.clone();
        world.start(0);
        world.start(1);
        world.run_until(8_000);
        // Another node has its name, where it is not heard, until the time is over for which its tabs are expected.
        world.cut.extend([(0, 1), (1, 0), (1, 2), (2, 1)]);
        world.start(2);
        wait(&mut world, 30_000);
        world.crash(2);
        wait(&mut world, 62_000 + seed * 410);
        assert_eq!(sees(&world, 0, 1).state, PeerState::Gone, "seed {seed}");
        world.cut.clear();
        while sees(&world, 1, 0).state != PeerState::Live {
            wait(&mut world, 20);
        }
        wait(&mut world, 1_800);
        assert_eq!(sees(&world, 0, 1).state, PeerState::Live, "seed {seed}");
    }
}
