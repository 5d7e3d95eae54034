//! What passes from region to region besides counts and facts: arrivals, leaves, messages, dismissals.

use presence_core::{ConnectionId, Ended, Input, Message, Room, StreamName, SubscriptionId, Tab, UserId};

use crate::digest::sha256;
use crate::world::World;

pub(crate) const ROOM: SubscriptionId = SubscriptionId(1);

/// Regions that hear each other.
pub(crate) fn world(regions: &[&str]) -> World {
    seeded_world(1, regions)
}

pub(crate) fn seeded_world(seed: u64, regions: &[&str]) -> World {
    let mut world = World::new(seed, regions);
    for host in 0..regions.len() {
        world.start(host);
    }
    world.run_until(6_000);
    world
}

pub(crate) fn wait(world: &mut World, ms: u64) {
    let until = world.now + ms;
    world.run_until(until);
}

pub(crate) fn room(name: &str) -> Room {
    Room::new(name).expect("a name")
}

/// A tab like an embed's.
pub(crate) fn seen(info: &str) -> Tab {
    Tab { info: info.as_bytes().to_vec(), draws: false, ..Tab::page() }
}

pub(crate) fn join(world: &mut World, host: usize, connection: u64, name: &str, user: u8, tab: Tab) {
    let (connection, user) = (ConnectionId(connection), UserId([user; 32]));
    world.deliver(host, Input::Joined { connection, subscription: ROOM, room: room(name), user, tab });
    wait(world, 100);
}

pub(crate) fn close(world: &mut World, host: usize, connection: u64) {
    world.deliver(host, Input::Disconnected { connection: ConnectionId(connection), ended: Ended::Closed });
}

fn passages(world: &World, host: usize) -> Vec<String> {
    let word = |arrived| if arrived { "came" } else { "left" };
    let passages = world.hosts[host].passages.iter();
    passages.map(|(room, user, info, arrived)| format!("{room} {user} {info} {}", word(*arrived))).collect()
}

#[test]
fn the_first_connection_and_the_last_are_told_in_every_region() {
    let mut world = world(&["ams", "iad"]);
    join(&mut world, 0, 1, "chat", 7, seen("Ann"));
    join(&mut world, 1, 2, "chat", 7, seen("Ann"));
    close(&mut world, 0, 1);
    wait(&mut world, 3_000);
    for host in 0..2 {
        assert_eq!(passages(&world, host), ["chat 7 Ann came"], "in region {host}");
    }
    close(&mut world, 1, 2);
    wait(&mut world, 3_000);
    for host in 0..2 {
        assert_eq!(passages(&world, host), ["chat 7 Ann came", "chat 7 Ann left"], "in region {host}");
    }
}

#[test]
fn no_user_has_left_because_a_region_is_silent_until_it_is_given_up() {
    let mut world = world(&["ams", "iad"]);
    join(&mut world, 1, 2, "chat", 7, seen("Ann"));
    world.crash(1);
    wait(&mut world, 10_000);
    assert_eq!(passages(&world, 0), ["chat 7 Ann came"]);
    wait(&mut world, 60_000);
    assert_eq!(passages(&world, 0), ["chat 7 Ann came", "chat 7 Ann left"]);
}

#[test]
fn a_message_reaches_every_region_once_and_in_its_order_also_where_it_goes_round() {
    let mut world = world(&["ams", "iad", "maa"]);
    let mut sent = Vec::new();
    let mut publish = |world: &mut World, times: usize, every_ms: u64| {
        for _ in 0..times {
            let body = format!("{}", sent.len());
            sent.push(format!("bench {body}"));
            let stream = StreamName::new("bench").expect("a name");
            world.deliver(
                0,
                Input::Published {
                    message: Message { stream, body: body.into(), kept: true, whispered: false, from: None },
                },
            );
            wait(world, every_ms);
        }
    };
    publish(&mut world, 1, 400);
    world.cut.insert((2, 0));
    wait(&mut world, 4_000);
    publish(&mut world, 5, 400);
    world.cut.clear();
    // Until its heartbeats say that it hears us, what it hears is passed on as well.
    publish(&mut world, 60, 100);
    for host in 0..3 {
        assert_eq!(world.hosts[host].delivered, sent, "in region {host}");
    }
}

#[test]
fn what_a_node_says_of_itself_reaches_all_and_is_no_message_that_could_be_missed() {
    let mut world = world(&["ams", "iad"]);
    wait(&mut world, 3_000);
    let tell = |world: &mut World, text: &str| world.deliver(0, Input::StatusTold { body: text.into() });
    tell(&mut world, "well");
    wait(&mut world, 200);
    let name = world.hosts[0].name.clone();
    assert_eq!(world.hosts[1].delivered, [format!("status of {name}: well")]);
    let complete_since = |world: &World| world.hosts[1].complete.map(|(ms, at)| at - ms);
    let since = complete_since(&world).expect("nothing is missing");
    world.cut.insert((1, 0));
    tell(&mut world, "lost");
    tell(&mut world, &"x".repeat(33_000));
    wait(&mut world, 300);
    world.cut.clear();
    wait(&mut world, 3_000);
    tell(&mut world, "better");
    wait(&mut world, 3_000);
    assert_eq!(world.hosts[1].delivered[1..], [format!("status of {name}: better")]);
    assert!(
        complete_since(&world).is_some_and(|now| now.abs_diff(since) < 500),
        "the history is as complete as before"
    );
}

#[test]
fn a_message_that_is_too_long_is_not_sent() {
    let mut world = world(&["ams"]);
    let stream = StreamName::new("bench").expect("a name");
    let body = vec![b'1'; Message::BODY_BYTES_MAX + 1];
    world.deliver(0, Input::Published { message: Message { stream, body, kept: false, whispered: false, from: None } });
    wait(&mut world, 100);
    assert!(world.hosts[0].delivered.is_empty());
}

#[test]
fn who_is_dismissed_in_one_region_leaves_in_all() {
    let mut world = world(&["ams", "iad"]);
    join(&mut world, 0, 1, "chat", 7, seen(""));
    join(&mut world, 1, 2, "chat", 7, seen(""));
    join(&mut world, 1, 3, "chat", 8, seen(""));
    join(&mut world, 1, 4, "other", 7, seen(""));
    let user = UserId([7; 32]).public(&room("chat"), sha256);
    world.deliver(0, Input::Dismissed { room: room("chat"), user });
    wait(&mut world, 200);
    assert_eq!(world.hosts[0].dismissed, [(ConnectionId(1), ROOM)]);
    assert_eq!(world.hosts[1].dismissed, [(ConnectionId(2), ROOM)]);
}
