//! Receipts: which regions have shown a write and how soon, by one clock only.

use std::collections::{BTreeMap, BTreeSet};

use presence_core::{Click, ConnectionId, Receipt, ReceiptTimes, RoomView, SubscriptionId, Tab, UserId, WriteReceipts};

use crate::app::click;
use crate::passing::{join, room, seen, wait, world};
use crate::world::{Weather, World};

/// What the bulb's newest write is known to have reached: after how many ms, and whether pages show it.
type Reached = BTreeMap<String, (u32, bool)>;

/// Three regions, with the delays of oceans between them: 40 ms from the first to the second, 110 ms to the third.
fn oceans() -> World {
    let mut world = world(&["ams", "iad", "maa"]);
    world.weather = Weather { delay_ms: (0, 1), ..world.weather };
    for (here, there, ms) in [(0, 1, 40), (0, 2, 110), (1, 2, 130)] {
        world.slow.insert((here, there), ms);
        world.slow.insert((there, here), ms);
    }
    // What was sent before the delays were set has arrived.
    wait(&mut world, 1_000);
    world
}

fn open(world: &mut World, host: usize, user: u8) {
    join(world, host, u64::from(user), "shop", user, Tab { draws: true, ..seen("") });
}

fn press(world: &mut World, host: usize, user: u8, target: &str) {
    let call = Click::on(target).attribute("data-id", "on");
    let (connection, subscription) = (ConnectionId(u64::from(user)), SubscriptionId(9));
    world.deliver(host, click(connection, subscription, room("shop"), UserId([user; 32]), &call));
}

fn view(world: &World, host: usize) -> &RoomView {
    &world.hosts[host].views[&room("shop")]
}

fn receipts<'a>(world: &'a World, host: usize, key: &str) -> Option<&'a WriteReceipts> {
    view(world, host).receipts.get(key)
}

fn reached(world: &World, host: usize) -> Reached {
    let known = receipts(world, host, "bulb").into_iter().flat_map(|receipts| &receipts.regions);
    known.map(|(region, Receipt { after_ms, seen })| (region.to_string(), (*after_ms, *seen))).collect()
}

fn expected(regions: &[(&str, u32, bool)]) -> Reached {
    regions.iter().map(|(region, ms, seen)| ((*region).to_owned(), (*ms, *seen))).collect()
}

#[test]
fn every_region_tells_when_its_pages_show_a_write_by_the_clock_of_the_node_that_took_it() {
    let mut world = oceans();
    // Clocks that are wrong change nothing.
    (world.hosts[1].skew_ms, world.hosts[2].skew_ms) = (-3_000, 2_500);
    world.draw_ms = 7;
    for (host, user) in [(0, 1), (1, 2), (2, 3)] {
        open(&mut world, host, user);
    }
    wait(&mut world, 1_000);
    press(&mut world, 0, 1, "Bulb#followed");
    let all = expected(&[("ams", 7, true), ("iad", 47, true), ("maa", 117, true)]);
    let mut shown = BTreeSet::new();
    for _ in 0..120 {
        wait(&mut world, 5);
        shown.insert(reached(&world, 0));
    }
    assert!(shown.iter().flatten().all(|(region, receipt)| all[region] == *receipt), "{shown:?}");
    let without_the_last = shown.iter().any(|known| known.contains_key("ams") && !known.contains_key("maa"));
    assert!(without_the_last, "the first receipts do not wait for the last one: {shown:?}");
    for host in 0..3 {
        assert_eq!(reached(&world, host), all, "host {host}");
    }
    let author = &receipts(&world, 2, "bulb").expect("it is followed").author;
    assert_eq!((author.user, author.region.as_str()), (UserId([1; 32]), "ams"));
    wait(&mut world, 1_000);
    let times = |host: usize| world.hosts[host].mesh.as_ref().expect("a view of the mesh").receipt_times.clone();
    let mut once = ReceiptTimes::default();
    once.add(117);
    assert_eq!(times(0).into_iter().next_back(), Some((world.hosts[2].region.clone(), once)));
    assert!(times(1).is_empty(), "it took no write");
}

#[test]
fn a_region_without_a_page_has_it_once_a_node_has_and_one_whose_pages_show_it_is_seen() {
    let mut world = world(&["ams", "iad", "iad", "maa"]);
    world.weather = Weather { delay_ms: (0, 1), ..world.weather };
    world.slow.insert((2, 0), 30);
    world.slow.insert((0, 2), 30);
    wait(&mut world, 1_000);
    open(&mut world, 0, 1);
    press(&mut world, 0, 1, "Bulb#followed");
    wait(&mut world, 500);
    assert_eq!(reached(&world, 0), expected(&[("ams", 0, true), ("iad", 0, false), ("maa", 0, false)]));
    // A page on the farther of the two nodes of one region: that it is seen counts, though it comes later.
    open(&mut world, 2, 2);
    press(&mut world, 0, 1, "Bulb#followed");
    wait(&mut world, 500);
    for host in 0..4 {
        assert_eq!(reached(&world, host), expected(&[("ams", 0, true), ("iad", 30, true), ("maa", 0, false)]));
    }
}

#[test]
fn the_time_of_a_write_that_a_newer_one_has_replaced_is_counted() {
    let mut world = oceans();
    (0..3).for_each(|host| open(&mut world, host, u8::try_from(host + 1).expect("small")));
    wait(&mut world, 1_000);
    // Faster than receipts come back from the third region; the last write asks for none.
    for target in [["Bulb#followed"; 9].as_slice(), &["Bulb#set"]].concat() {
        press(&mut world, 0, 1, target);
        wait(&mut world, 50);
    }
    wait(&mut world, 1_500);
    let times = &world.hosts[0].mesh.as_ref().expect("a view of the mesh").receipt_times;
    for (host, ms) in [(1, 40), (2, 110)] {
        let mut nine = ReceiptTimes::default();
        (0..9).for_each(|_| nine.add(ms));
        assert_eq!(times[&world.hosts[host].region], nine, "host {host}");
    }
}

#[test]
fn who_asks_for_no_receipts_gets_none_and_a_newer_write_has_its_own() {
    let mut world = oceans();
    (0..3).for_each(|host| open(&mut world, host, u8::try_from(host + 1).expect("small")));
    press(&mut world, 0, 1, "Bulb#set");
    wait(&mut world, 500);
    assert_eq!(receipts(&world, 0, "bulb"), None);
    press(&mut world, 0, 1, "Bulb#followed");
    wait(&mut world, 50);
    // The answers to the first come while the second is followed.
    press(&mut world, 1, 2, "Bulb#followed");
    wait(&mut world, 1_000);
    for host in 0..3 {
        assert_eq!(reached(&world, host), expected(&[("ams", 40, true), ("iad", 0, true), ("maa", 130, true)]));
    }
    press(&mut world, 2, 3, "Bulb#set");
    wait(&mut world, 500);
    assert!((0..3).all(|host| receipts(&world, host, "bulb").is_none()), "the newest write asks for none");
}

#[test]
fn a_write_is_followed_for_ten_seconds_and_not_by_a_node_that_learns_of_it_later() {
    let mut world = oceans();
    (0..2).for_each(|host| open(&mut world, host, u8::try_from(host + 1).expect("small")));
    world.crash(2);
    wait(&mut world, 5_000);
    press(&mut world, 0, 1, "Bulb#followed");
    wait(&mut world, 500);
    assert_eq!(reached(&world, 1), expected(&[("ams", 0, true), ("iad", 40, true)]));
    wait(&mut world, 10_000);
    world.start(2);
    wait(&mut world, 5_000);
    assert_eq!(view(&world, 2).registers["bulb"].value, b"on", "it has the fact");
    for host in 0..3 {
        // A view is made again when a visitor joins.
        open(&mut world, host, u8::try_from(host + 11).expect("small"));
        assert_eq!(receipts(&world, host, "bulb"), None, "host {host}");
    }
}

#[test]
fn all_that_is_followed_at_once_is_bounded() {
    let mut world = world(&["ams", "iad"]);
    open(&mut world, 0, 1);
    for number in 0..1_100 {
        let call = Click::on("Bulb#followed").attribute("data-id", "on");
        let (connection, subscription, user) = (ConnectionId(1), SubscriptionId(9), UserId([1; 32]));
        world.deliver(0, click(connection, subscription, room(&format!("room-{number}")), user, &call));
    }
    wait(&mut world, 3_000);
    let followed = world.hosts[0].views.values().filter(|view| view.receipts.contains_key("bulb"));
    assert_eq!(followed.count(), 1_024);
    let heard = world.hosts[1].views.values().filter(|view| view.registers.contains_key("bulb"));
    assert_eq!(heard.count(), 1_100, "the facts are everywhere");
}
