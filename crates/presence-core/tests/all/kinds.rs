//! Facts of all kinds over regions: what is shown of them, and what is refused.

use presence_core::{ConnectionId, Found, Input, Lifetime, ReflexError, RoomView, SubscriptionId, UserId, Write};

use crate::digest::sha256;
use crate::passing::{room, wait, world};
use crate::world::World;

/// A click of this user that writes this; the answer's name.
pub(crate) fn write(world: &mut World, host: usize, user: u8, writes: Vec<Write>) -> String {
    let echo = format!("of {user} on {host} at {}", world.now);
    let (connection, subscription) = (ConnectionId(1), SubscriptionId(9));
    let (room, user) = (room("shop"), UserId([user; 32]));
    let writes = Ok(writes);
    world.deliver(
        host,
        Input::Clicked { connection, subscription, room, user, echo: echo.clone(), writes, trace: None },
    );
    wait(world, 300);
    echo
}

/// Why a click is refused.
fn refused(world: &mut World, writes: Vec<Write>) -> Option<ReflexError> {
    let echo = write(world, 0, 7, writes);
    let failed = world.tabs.failed.remove(&echo);
    assert_ne!(failed.is_some(), world.tabs.answered.contains(&echo), "it is answered in one way");
    failed
}

/// What a host shows; nothing of a room that it has forgotten.
pub(crate) fn view(world: &World, host: usize) -> RoomView {
    let (room, here) = (room("shop"), world.hosts[host].region.clone());
    world.hosts[host].views.get(&room).map_or_else(|| RoomView::empty(room.clone(), here), |view| (**view).clone())
}

pub(crate) fn remove(world: &mut World, host: usize, key: &str, entry: Option<String>) -> usize {
    world.deliver(host, Input::FactRemoved { query: 2, room: room("shop"), key: key.to_owned(), entry, trace: None });
    wait(world, 300);
    let Some(Found::Removed(count)) = world.hosts[host].found.take() else { panic!("an answer at once") };
    count
}

#[test]
fn a_map_lists_its_entries_in_the_order_of_their_keys_and_forgets_what_is_removed() {
    let mut world = world(&["ams", "iad"]);
    for (host, card) in [(0, "b"), (1, "a"), (0, "c"), (1, "b")] {
        let name = format!("card {card}");
        write(&mut world, host, 7, vec![Write::put("cards", name, &host).expect("a number")]);
    }
    write(&mut world, 0, 7, vec![Write::remove_entry("cards", "card c")]);
    for host in [0, 1] {
        let view = view(&world, host);
        let cards: Vec<(&str, usize)> = view.map("cards").collect();
        assert_eq!(cards, [("card a", 1), ("card b", 1)], "on {host}");
    }
    write(&mut world, 1, 7, vec![Write::put("cards", "card c", &9).expect("a number"), Write::remove("cards")]);
    assert!(view(&world, 0).maps.is_empty(), "what one click writes and then removes is not written");
}

#[test]
fn a_user_is_in_a_set_once_and_leaves_it_from_anywhere() {
    let mut world = world(&["ams", "iad"]);
    for (host, user) in [(0, 7), (1, 7), (0, 8), (1, 7)] {
        write(&mut world, host, user, vec![Write::join("likes")]);
    }
    let seven = UserId([7; 32]).public(&room("shop"), sha256);
    assert_eq!((view(&world, 0).size("likes"), view(&world, 0).is_in("likes", seven)), (2, true));
    write(&mut world, 0, 7, vec![Write::leave("likes")]);
    assert_eq!((view(&world, 1).size("likes"), view(&world, 1).is_in("likes", seven)), (1, false));
    let eight = UserId([8; 32]).public(&room("shop"), sha256);
    assert_eq!(remove(&mut world, 1, "likes", Some(eight.long())), 1);
    assert_eq!(view(&world, 0).size("likes"), 0);
}

#[test]
fn a_set_that_is_full_takes_a_user_when_another_has_left() {
    let mut world = world(&["ams"]);
    world.crash(0);
    world.hosts[0].users_per_set = 2;
    world.start(0);
    wait(&mut world, 6_000);
    let full = Some(ReflexError::SetFull { most: 2 });
    let mut join = |user: u8, set: Write| {
        let echo = write(&mut world, 0, user, vec![set]);
        world.tabs.failed.remove(&echo)
    };
    assert_eq!([7, 8, 9].map(|user| join(user, Write::join("likes"))), [None, None, full]);
    assert_eq!(join(8, Write::join("likes")), None, "a member may join again");
    assert_eq!(join(8, Write::leave("likes")), None);
    assert_eq!(join(9, Write::join("likes")), None);
}

#[test]
fn a_click_is_written_whole_or_not_at_all_and_the_error_names_the_limit() {
    let mut world = world(&["ams"]);
    let good = || Write::set_bytes("good", "x");
    let limits = [
        (Write::set_bytes("long", vec![b'x'; 4_097]), ReflexError::ValueTooLong { bytes_max: 4_096 }),
        (Write::set_bytes("n".repeat(65), "x"), ReflexError::BadName { bytes_max: 64 }),
        (Write::add("n".repeat(31), 1), ReflexError::BadName { bytes_max: 30 }),
        (Write::join("a\u{1f}b"), ReflexError::BadName { bytes_max: 30 }),
        (Write::put_bytes("map", "e".repeat(60), "x"), ReflexError::BadName { bytes_max: 62 }),
        (Write::set_bytes("late", "x").until_ms(5), ReflexError::Over),
        (Write::share("cursor", "x"), ReflexError::NotShared { keys_max: 4 }),
    ];
    for (bad, error) in limits {
        assert_eq!(refused(&mut world, vec![good(), bad]), Some(error));
    }
    let much = (0..150).map(|n| Write::append_bytes("log", vec![n; 4_000], 1_000)).collect();
    assert_eq!(refused(&mut world, much), Some(ReflexError::TooMuch { bytes_max: 524_288 }));
    assert!(view(&world, 0).registers.is_empty());
    let many = |from: usize| (from..from + 512).map(|n| Write::put_bytes("map", n.to_string(), "")).collect::<Vec<_>>();
    assert_eq!(refused(&mut world, many(0)), None);
    assert_eq!(refused(&mut world, many(512)), None);
    let full = Some(ReflexError::RoomFull { most: 1_024 });
    assert_eq!(refused(&mut world, vec![Write::add("claps", 1)]), full);
    assert_eq!(refused(&mut world, vec![Write::put_bytes("map", "7", "again")]), None, "it is there already");
    let moved = vec![Write::remove_entry("map", "7"), Write::add("claps", 1)];
    assert_eq!(refused(&mut world, moved), None, "what is removed makes room");
    assert_eq!(refused(&mut world, vec![good()]), full);
}

#[test]
fn a_deadline_is_drawn_in_all_regions_when_it_comes() {
    let mut world = world(&["ams", "iad"]);
    let now_ms = 1_800_000_000_000 + world.now;
    let closes = world.now + 5_017;
    for host in [0, 1] {
        world.hosts[host].skew_ms = 0;
    }
    write(&mut world, 0, 7, vec![Write::set("lot", &"open").expect("a word").until_ms(now_ms + 5_017)]);
    let until = closes - 1;
    world.run_until(until);
    for host in [0, 1] {
        assert_eq!(view(&world, host).get::<String>("lot").as_deref(), Some("open"), "on {host}");
    }
    world.run_until(closes + 25);
    for host in [0, 1] {
        assert_eq!(view(&world, host).get::<String>("lot"), None, "on {host}");
    }
}

/// What a lot shows: bids without its deadline would be a sale.
fn lot(world: &World, host: usize) -> (usize, Option<String>) {
    (view(world, host).logs.get("bids").map_or(0, Vec::len), view(world, host).get::<String>("open"))
}

#[test]
fn a_region_that_was_cut_off_or_is_new_learns_a_deadline_with_what_was_written_beside_it() {
    for left_ms in [58_000, 30_000, 12_000] {
        let mut world = world(&["ams", "iad"]);
        let until_ms = |world: &World| 1_800_000_000_000 + world.now + left_ms;
        let bid = |world: &World| {
            let open = Write::set("open", &"until then").expect("a word").until_ms(until_ms(world));
            vec![Write::append_bytes("bids", "20", 100), open]
        };
        world.cut.extend([(0, 1), (1, 0)]);
        let both = bid(&world);
        write(&mut world, 1, 7, both);
        wait(&mut world, 1_000);
        world.cut.clear();
        wait(&mut world, 4_000);
        let open = (1, Some("until then".to_owned()));
        assert_eq!([lot(&world, 0), lot(&world, 1)], [open.clone(), open], "{left_ms} ms before it ends");
        // A later bid moves the deadline only.
        world.cut.extend([(0, 1), (1, 0)]);
        wait(&mut world, 6_000);
        let later = Write::set("open", &"later").expect("a word").until_ms(until_ms(&world));
        write(&mut world, 1, 7, vec![later]);
        world.cut.clear();
        wait(&mut world, 5_000);
        let open = (1, Some("later".to_owned()));
        assert_eq!([lot(&world, 0), lot(&world, 1)], [open.clone(), open], "{left_ms} ms before the later end");
    }
}

#[test]
fn tombstones_are_bounded_and_the_oldest_go() {
    let mut world = world(&["ams"]);
    for round in 0..42 {
        let puts = (0..400).map(|n| Write::put_bytes("map", format!("{round} {n}"), "x")).collect();
        write(&mut world, 0, 7, puts);
        write(&mut world, 0, 7, vec![Write::remove("map")]);
    }
    wait(&mut world, 1_000);
    assert_eq!(world.disk_records(0), 16_384, "16,800 were removed");
}

#[test]
fn the_lifetime_of_a_write_is_what_was_asked_for() {
    let write = Write::join("likes").lasting(std::time::Duration::from_secs(3));
    assert_eq!(write, Write::Join { set: "likes".into(), lasts: Lifetime::For(3_000) });
    assert_eq!(Write::add("claps", 1).until_ms(7), Write::add("claps", 1));
}
