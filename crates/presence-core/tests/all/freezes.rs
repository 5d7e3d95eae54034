//! Nodes that freeze for a while: below the lease no one notices, and soon after a longer freeze everything counts again.

use presence_core::{ConnectionId, Ended, Input, PeerState, SubscriptionId, UserId};

use crate::by_hand::ByHand;
use crate::passing::{join, seen, wait, world};
use crate::world::World;

/// Users, tabs and unsure users, as a host shows them.
fn shown(world: &World, host: usize) -> (u32, u32, u32) {
    let view = &world.hosts[host].views[&crate::passing::room("shop")];
    (view.users, view.tabs, view.unsure)
}

/// Three regions with two visitors each.
fn with_visitors() -> World {
    let mut world = world(&["ams", "iad", "yyz"]);
    for user in 1..=6_u8 {
        join(&mut world, usize::from(user % 3), u64::from(user), "shop", user, seen(""));
    }
    wait(&mut world, 2_000);
    world
}

#[test]
fn a_freeze_of_three_seconds_is_not_noticed_at_all() {
    for round in 0..40 {
        let mut world = with_visitors();
        world.weather.delay_ms = (5, 150);
        // At every moment between two heartbeats.
        wait(&mut world, round * 25);
        let told: Vec<usize> = world.hosts.iter().map(|host| host.passages.len()).collect();
        world.freeze(1, 3_000);
        for _ in 0..200 {
            wait(&mut world, 50);
            for host in 0..3 {
                assert_eq!(shown(&world, host), (6, 6, 0), "round {round}: host {host} at {}", world.now);
                let mesh = world.hosts[host].mesh.as_ref().expect("drawn");
                assert!(mesh.nodes.iter().all(|node| node.state == PeerState::Live), "round {round}: {mesh:?}");
            }
        }
        assert_eq!(world.hosts.iter().map(|host| host.passages.len()).collect::<Vec<_>>(), told);
        let silent: Vec<&String> = world.notices.iter().filter(|line| line.contains("silent")).collect();
        assert_eq!(silent, Vec::<&String>::new(), "round {round}");
    }
}

#[test]
fn a_node_that_was_frozen_rests_until_it_acts_again() {
    let mut node = ByHand::start("here");
    let connection = ConnectionId(1);
    let (subscription, room) = (SubscriptionId(1), World::room());
    let tab = seen("");
    node.give(Input::Joined { connection, subscription, room, user: UserId([1; 32]), tab });
    node.pass(5_000);
    node.freeze(5_000);
    node.give(Input::Disconnected { connection, ended: Ended::Closed });
    for _ in 0..8 {
        node.give(Input::Ticked);
        assert!(node.wakes_in() > 0, "it is called again at once, and does nothing");
        node.freeze(100);
    }
}

#[test]
fn a_frozen_node_counts_again_within_three_seconds_however_long_it_was_frozen() {
    for seconds in [3, 5, 6, 8, 10, 15, 20, 40, 70] {
        for round in 0..5 {
            let mut world = with_visitors();
            wait(&mut world, round * 210);
            world.freeze(1, seconds * 1_000);
            wait(&mut world, seconds * 1_000 + 3_000);
            for host in 0..3 {
                let all = shown(&world, host);
                assert_eq!(all, (6, 6, 0), "round {round}: host {host} 3 s after a freeze of {seconds} s");
            }
        }
    }
}
