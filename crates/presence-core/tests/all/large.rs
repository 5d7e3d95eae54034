//! A room of a hundred thousand: what a watcher is sent stays small, and what a user does is still drawn soon.

use presence_core::{Click, ConnectionId, Ended, Input, SubscriptionId, Tab, UserId};

use crate::app::click;
use crate::passing::{ROOM, wait, world};
use crate::world::World;

const REGIONS: [&str; 5] = ["ams", "iad", "lhr", "maa", "yyz"];
const USERS: u64 = 100_000;
const VISITORS: u64 = 30_000;
/// How many join, and as many leave, in a second.
const CHURN: u64 = 500;
/// Opening and closing of an operation in JSON, with its selector.
const OPERATION_BYTES: usize = 60;

fn user(number: u64) -> UserId {
    let mut id = [1; 32];
    id[..8].copy_from_slice(&number.to_be_bytes());
    UserId(id)
}

fn host(number: u64) -> usize {
    usize::try_from(number).expect("small") % REGIONS.len()
}

fn join(world: &mut World, number: u64) {
    let (connection, room) = (ConnectionId(number), World::room());
    let tab = Tab { draws: number == 0, ..Tab::page() };
    world.deliver(host(number), Input::Joined { connection, subscription: ROOM, room, user: user(number), tab });
}

/// The first of these regions has so many visitors that its table takes several pages.
fn visited(regions: &[&str]) -> World {
    let mut world = world(regions);
    for number in 0..VISITORS {
        let (connection, room) = (ConnectionId(number), World::room());
        let (user, tab) = (user(number), Tab { draws: false, ..Tab::page() });
        world.deliver(0, Input::Joined { connection, subscription: ROOM, room, user, tab });
        if number % 2_000 == 0 {
            wait(&mut world, 20);
        }
    }
    wait(&mut world, 10_000);
    world
}

fn full() -> World {
    let mut world = world(&REGIONS);
    world.watch(0);
    for number in 0..USERS {
        join(&mut world, number);
        if number % 2_000 == 0 {
            wait(&mut world, 20);
        }
    }
    wait(&mut world, 15_000);
    assert!(world.hosts.iter().all(|host| host.view.as_ref().is_some_and(|view| u64::from(view.users) == USERS)));
    world
}

#[test]
fn a_node_that_starts_counts_the_visitors_of_one_that_many_have_left() {
    let mut world = visited(&["ams", "iad"]);
    world.crash(1);
    for number in 10_000..VISITORS {
        let connection = ConnectionId(number);
        world.deliver(0, Input::Resigned { connection, subscription: ROOM });
    }
    wait(&mut world, 5_000);
    world.start(1);
    wait(&mut world, 6_000);
    let shown = world.hosts[1].view.as_ref().map(|view| (view.users, view.unsure));
    assert_eq!(shown, Some((10_000, 0)));
}

#[test]
fn a_node_that_starts_while_a_full_one_is_held_counts_all_of_its_visitors() {
    let mut world = visited(&["ams", "iad", "yyz"]);
    world.drain(0);
    wait(&mut world, 1_000);
    world.crash(2);
    world.start(2);
    wait(&mut world, 6_000);
    assert_eq!(world.hosts[2].view.as_ref().map(|view| u64::from(view.users)), Some(VISITORS));
}

#[test]
fn a_watcher_is_sent_little_while_hundreds_come_and_go_and_a_click_is_drawn_soon() {
    let mut world = full();
    world.watch(0);
    let seconds = 20;
    for number in USERS..USERS + seconds * CHURN {
        join(&mut world, number);
        let gone = ConnectionId(number - USERS + 10);
        world.deliver(host(gone.0), Input::Disconnected { connection: gone, ended: Ended::Closed });
        wait(&mut world, 1_000 / CHURN);
    }
    let (drawn, counted) = world.watched();
    let bytes: usize = drawn.iter().map(|html| html.len() + OPERATION_BYTES).sum();
    let a_second = bytes / usize::try_from(seconds).expect("small");
    assert!((1..400).contains(&a_second), "a page is sent {a_second} bytes a second");
    // Every 4 s, and with the round trips of regions, every 5 s.
    assert!((3..=10).contains(&counted), "counts were due {counted} times in {seconds} s");

    let call = Click::on("Bulb#set").attribute("data-id", "lit");
    let (connection, subscription, room) = (ConnectionId(1), SubscriptionId(3), World::room());
    world.watch(0);
    world.deliver(1, click(connection, subscription, room, user(1), &call));
    wait(&mut world, 1_000);
    let (drawn, _) = world.watched();
    assert!(drawn.contains(&"lit".to_owned()), "a click in another region was not drawn within a second");
}
