//! What a node counts for metrics, each caused for real.

use presence_core::{
    ConnectionId, Ended, Input, LinkCounts, LinkId, NodeCounts, SubscriptionId, TabCounts, UserId, Write,
};

use crate::by_hand::ByHand;
use crate::passing::{close, join, room, seen, wait, world};
use crate::simulation::moves::is_counted;
use crate::world::World;

/// What a host has counted, as its view of the mesh says a second later.
fn counts(world: &mut World, host: usize) -> NodeCounts {
    wait(world, 1_500);
    world.hosts[host].mesh.as_ref().expect("drawn").counts
}

fn tabs(world: &mut World, host: usize) -> TabCounts {
    counts(world, host).tabs
}

#[test]
fn tabs_are_counted_by_how_they_end() {
    let mut world = world(&["ams"]);
    for (connection, ended) in
        [(1, Ended::Closed), (2, Ended::Lost), (3, Ended::Lost), (4, Ended::Unanswered), (5, Ended::Resigned)]
    {
        join(&mut world, 0, connection, "shop", u8::try_from(connection).expect("small"), seen(""));
        let (connection, subscription) = (ConnectionId(connection), SubscriptionId(1));
        world.deliver(
            0,
            match ended {
                Ended::Resigned => Input::Resigned { connection, subscription },
                _ => Input::Disconnected { connection, ended },
            },
        );
    }
    let expected = TabCounts { joined: 5, closed: 1, lost: 2, unanswered: 1, resigned: 1, ..TabCounts::default() };
    assert_eq!(tabs(&mut world, 0), expected);
}

#[test]
fn tabs_that_take_the_place_of_another_one_are_counted_by_where_it_was() {
    let mut world = world(&["ams", "iad"]);
    join(&mut world, 0, 1, "shop", 7, seen(""));
    close(&mut world, 0, 1);
    join(&mut world, 0, 2, "shop", 7, seen(""));
    assert_eq!(tabs(&mut world, 0), TabCounts { joined: 2, closed: 1, took_here: 1, ..TabCounts::default() });
    close(&mut world, 0, 2);
    wait(&mut world, 500);
    join(&mut world, 1, 3, "shop", 7, seen(""));
    assert_eq!(tabs(&mut world, 1), TabCounts { joined: 1, took_elsewhere: 1, ..TabCounts::default() });
}

#[test]
fn tabs_that_moved_and_tabs_of_a_killed_node_are_counted() {
    let mut world = world(&["ams", "iad", "maa"]);
    let id = world.tabs.open(7, 0, world.now);
    wait(&mut world, 500);
    world.tabs.move_to(id, 1, world.now, 25_000);
    is_counted(&mut world, UserId([7; 32]), 0);
    assert_eq!(tabs(&mut world, 1).took_moved, 1);

    join(&mut world, 0, 1, "shop", 9, seen(""));
    world.crash(0);
    wait(&mut world, 300);
    // Back before it is known here that the node was killed.
    join(&mut world, 2, 2, "shop", 9, seen(""));
    world.start(0);
    wait(&mut world, 3_000);
    assert_eq!(tabs(&mut world, 2).took_of_killed, 1);
}

#[test]
fn facts_that_are_written_here_are_counted_and_those_of_others_are_not() {
    let mut world = world(&["ams", "iad"]);
    let before = [counts(&mut world, 0).facts_written, counts(&mut world, 1).facts_written];
    let writes = vec![Write::set_bytes("bulb", "on"), Write::append_bytes("wall", "hi", 3)];
    world.deliver(0, Input::FactsWritten { query: 1, room: room("shop"), writes });
    assert_eq!(counts(&mut world, 0).facts_written, before[0] + 2);
    assert_eq!(counts(&mut world, 1).facts_written, before[1]);
}

#[test]
fn gaps_are_counted_where_changes_of_another_node_were_lost() {
    let mut world = world(&["ams", "iad"]);
    assert_eq!(counts(&mut world, 1).gaps, 0, "a first table is no gap");
    let calm = std::mem::replace(&mut world.weather.loss_percent, 100);
    join(&mut world, 0, 1, "shop", 7, seen(""));
    world.weather.loss_percent = calm;
    // The next heartbeat tells of the loss, and what is late is not asked for at once.
    wait(&mut world, 3_000);
    assert_eq!(counts(&mut world, 1).gaps, 1);
}

#[test]
fn links_are_counted_that_are_opened_and_that_are_lost() {
    let mut node = ByHand::start("here");
    node.resolve(&["there", "there too"]);
    node.dialled("there", 1, "there");
    // The second link to one node is closed at once: it is not used.
    node.dialled("there too", 2, "there");
    node.pass(1_500);
    let links = |node: &ByHand| node.mesh.as_ref().expect("drawn").counts.links;
    assert_eq!(links(&node), LinkCounts { opened: 1, lost: 0 });
    node.give(Input::LinkLost { link: LinkId(1) });
    node.pass(1_500);
    assert_eq!(links(&node), LinkCounts { opened: 1, lost: 1 });
}
