//! What one node passes on to another that can't hear its author is bounded.

use std::collections::BTreeSet;

use presence_core::{Input, Message, PeerState, StreamName};

use crate::passing::{join, seen, wait, world};
use crate::world::World;

/// Three nodes: the last hears the first only through the one between them.
fn round() -> World {
    let mut world = world(&["ams", "iad", "maa"]);
    world.cut.insert((2, 0));
    wait(&mut world, 6_000);
    world
}

fn publish(world: &mut World, times: usize) {
    for number in 0..times {
        let stream = StreamName::new("bench").expect("a name");
        let body = format!("{number}").into_bytes();
        let message = Message { stream, body, kept: false, whispered: false, from: None };
        world.deliver(0, Input::Published { message });
    }
}

fn not_relayed(world: &World) -> u64 {
    world.hosts[1].node.as_ref().expect("up").not_relayed()
}

/// Two regions of three nodes that do not hear each other, and one between them.
fn parted(whole_regions: bool) -> World {
    let mut world = world(&["ams", "ams", "ams", "iad", "iad", "iad", "maa"]);
    world.whole_regions = whole_regions;
    for ams in 0..3 {
        for iad in 3..6 {
            world.cut.extend([(ams, iad), (iad, ams)]);
        }
    }
    wait(&mut world, 6_000);
    world
}

fn beats_in_4_s(world: &mut World) -> usize {
    let mut beats = BTreeSet::new();
    for _ in 0..400 {
        beats.insert(world.hosts[0].beat_at);
        wait(world, 10);
    }
    beats.len()
}

#[test]
fn one_message_is_relayed_to_all_nodes_of_a_region() {
    for whole_regions in [false, true] {
        let mut world = parted(whole_regions);
        let relayed = world.relayed;
        publish(&mut world, 5);
        wait(&mut world, 100);
        let delivered: Vec<usize> = world.hosts.iter().map(|host| host.delivered.len()).collect();
        assert_eq!(delivered, [5; 7]);
        // Between two heartbeats of all others at most.
        let messages = world.relayed - relayed;
        assert!(
            (5..=11).contains(&messages),
            "{messages} messages for five that three nodes of one region do not hear"
        );
    }
}

#[test]
fn a_node_that_another_one_does_not_hear_sends_heartbeats_more_often() {
    let mut world = parted(false);
    let often = beats_in_4_s(&mut world);
    assert!((9..=12).contains(&often), "{often} heartbeats in 4 s");
    world.cut.clear();
    // Links that the cut has ended are dialled again.
    wait(&mut world, 8_000);
    let beats = beats_in_4_s(&mut world);
    assert!((4..=6).contains(&beats), "{beats} heartbeats in 4 s of a node that all hear");
}

#[test]
fn a_flood_is_not_relayed_on_whole_but_its_author_s_heartbeats_are() {
    let mut world = round();
    publish(&mut world, 5);
    wait(&mut world, 1_000);
    assert_eq!((world.hosts[2].delivered.len(), not_relayed(&world)), (5, 0));
    // The flood comes as a second begins, before the author's heartbeat.
    let second = world.now.next_multiple_of(1_000);
    world.run_until(second);
    for second in 0..10 {
        publish(&mut world, 2_000);
        wait(&mut world, 900);
        join(&mut world, 0, second, "chat", 7, seen("Ann"));
        if second == 5 {
            let passages = world.hosts[2].passages.len();
            assert_eq!(passages, 1, "a heartbeat says that a delta was not passed on, and it is asked for");
        }
        let mesh = world.hosts[2].mesh.as_ref().expect("drawn");
        let author = mesh.nodes.iter().find(|node| node.name == world.hosts[0].name).expect("known");
        assert_eq!(author.state, PeerState::Live);
    }
    let delivered = world.hosts[2].delivered.len();
    assert!((3_500..=5_500).contains(&delivered), "{delivered} messages in 10 s");
    let expected = 20_005 - u64::try_from(delivered).expect("few");
    assert!(not_relayed(&world) >= expected, "{} not passed on, {expected} missing", not_relayed(&world));
}

#[test]
fn a_node_that_is_too_busy_to_tick_passes_nothing_on() {
    let mut world = round();
    let beat_at = world.hosts[1].beat_at;
    while world.hosts[1].beat_at == beat_at {
        wait(&mut world, 20);
    }
    world.stalled.insert(1);
    wait(&mut world, 800);
    publish(&mut world, 5);
    wait(&mut world, 200);
    assert!(world.hosts[2].delivered.is_empty());
    assert!(not_relayed(&world) >= 5, "{} not passed on", not_relayed(&world));
    world.stalled.clear();
    // The last node names it again once it has heard it.
    wait(&mut world, 3_000);
    publish(&mut world, 5);
    wait(&mut world, 200);
    assert_eq!(world.hosts[2].delivered.len(), 5);
}
