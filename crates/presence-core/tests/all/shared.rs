//! How users look to each other while they are there: visible or not, proven or not, and what they share.

use presence_core::{Click, ConnectionId, Input, RoomView, SubscriptionId, Tab, UserId};

use crate::app::click;
use crate::digest::sha256;
use crate::passing::{ROOM, close, join, room, seen, wait, world};
use crate::world::World;

fn view(world: &World, host: usize, name: &str) -> RoomView {
    world.hosts[host].views[&room(name)].as_ref().clone()
}

fn look(world: &mut World, host: usize, connection: u64, visible: bool) {
    world.deliver(host, Input::Looked { connection: ConnectionId(connection), subscription: ROOM, visible });
    wait(world, 200);
}

#[test]
fn who_has_a_visible_page_anywhere_is_looking() {
    let mut world = world(&["ams", "iad"]);
    join(&mut world, 0, 1, "shop", 7, seen(""));
    join(&mut world, 1, 2, "shop", 7, Tab { visible: false, ..seen("") });
    join(&mut world, 1, 3, "shop", 8, Tab { visible: false, ..seen("") });
    wait(&mut world, 200);
    let counts =
        |world: &World| [0, 1].map(|host| (view(world, host, "shop").users, view(world, host, "shop").looking));
    assert_eq!(counts(&world), [(2, 1); 2]);
    look(&mut world, 0, 1, false);
    assert_eq!(counts(&world), [(2, 0); 2]);
    look(&mut world, 1, 2, true);
    look(&mut world, 1, 3, true);
    assert_eq!(counts(&world), [(2, 2); 2]);
    // A reload is no look away: what lingers looked.
    close(&mut world, 1, 3);
    wait(&mut world, 500);
    assert_eq!(counts(&world), [(2, 2); 2]);
    wait(&mut world, 3_000);
    assert_eq!(counts(&world), [(1, 1); 2]);
}

#[test]
fn who_has_only_event_streams_is_unproven() {
    let mut world = world(&["ams", "iad"]);
    let unproven = || Tab { proven: false, ..seen("") };
    join(&mut world, 0, 1, "shop", 7, unproven());
    join(&mut world, 0, 2, "shop", 8, unproven());
    wait(&mut world, 200);
    assert_eq!((view(&world, 1, "shop").users, view(&world, 1, "shop").unproven), (2, 2));
    join(&mut world, 1, 3, "shop", 8, seen(""));
    wait(&mut world, 200);
    assert_eq!((view(&world, 0, "shop").users, view(&world, 0, "shop").unproven), (2, 1));
}

fn share(world: &mut World, host: usize, user: u8, value: &str) {
    let call = Click::on("Cursor#move").attribute("data-id", value);
    let (connection, subscription) = (ConnectionId(1), SubscriptionId(9));
    let user = UserId([user; 32]);
    world.deliver(host, click(connection, subscription, room("board"), user, &call));
}

fn cursors(world: &World, host: usize) -> Vec<String> {
    let view = view(world, host, "board");
    let shown = view.shared.get("cursor").into_iter().flatten();
    shown.map(|(user, value)| format!("{} {}", user.short(), String::from_utf8_lossy(value))).collect()
}

fn short(user: u8) -> String {
    UserId([user; 32]).public(&room("board"), sha256).short()
}

#[test]
fn what_a_user_shares_is_shown_everywhere_the_newest_wins_and_it_goes_with_its_user() {
    let mut world = world(&["ams", "iad"]);
    join(&mut world, 0, 1, "board", 7, seen(""));
    join(&mut world, 1, 2, "board", 7, seen(""));
    share(&mut world, 0, 7, "here");
    wait(&mut world, 300);
    assert_eq!(
        [cursors(&world, 0), cursors(&world, 1)],
        [[format!("{} here", short(7))], [format!("{} here", short(7))]]
    );
    share(&mut world, 1, 7, "there");
    wait(&mut world, 300);
    assert_eq!(
        [cursors(&world, 0), cursors(&world, 1)],
        [[format!("{} there", short(7))], [format!("{} there", short(7))]]
    );
    // A user who joins later sees it, too: it is a part of presence.
    world.crash(0);
    world.start(0);
    wait(&mut world, 6_000);
    join(&mut world, 0, 3, "board", 8, seen(""));
    assert_eq!(cursors(&world, 0), [format!("{} there", short(7))]);
    close(&mut world, 1, 2);
    wait(&mut world, 3_000);
    assert_eq!([cursors(&world, 0), cursors(&world, 1)], [Vec::<String>::new(), Vec::new()]);
}

#[test]
fn a_storm_of_moves_leaves_at_most_twenty_a_second_and_the_last_always_arrives() {
    let mut world = world(&["ams", "iad"]);
    join(&mut world, 0, 1, "board", 7, seen(""));
    join(&mut world, 1, 2, "board", 8, seen(""));
    let sequence = |world: &World| {
        let mesh = world.hosts[0].mesh.as_ref().expect("drawn");
        mesh.nodes.iter().find(|node| node.name == world.hosts[0].name).expect("its own").sequence
    };
    wait(&mut world, 1_000);
    let before = sequence(&world);
    for step in 0..500 {
        share(&mut world, 0, 7, &step.to_string());
        wait(&mut world, 4);
    }
    wait(&mut world, 1_500);
    let told = sequence(&world) - before;
    assert!((35..=41).contains(&told), "2 s of moves made {told} changes");
    assert_eq!(cursors(&world, 1), [format!("{} 499", short(7))]);
}

#[test]
fn who_is_not_there_shares_nothing_and_a_value_has_a_limit() {
    let mut world = world(&["ams"]);
    join(&mut world, 0, 1, "board", 7, seen(""));
    share(&mut world, 0, 8, "ghost");
    share(&mut world, 0, 7, &"x".repeat(257));
    wait(&mut world, 300);
    assert_eq!(cursors(&world, 0), Vec::<String>::new());
}

#[test]
fn a_page_without_an_app_shares_under_keys_made_at_run_time() {
    let mut world = world(&["ams", "iad"]);
    join(&mut world, 0, 1, "board", 7, seen(""));
    let shared = |user: u8, key: String, value: &str| Input::Shared {
        room: room("board"),
        user: UserId([user; 32]),
        key,
        value: value.as_bytes().to_vec(),
    };
    let keys = |world: &World, host: usize| view(world, host, "board").shared.into_keys().collect::<Vec<_>>();
    world.deliver(0, shared(8, "ghost".to_owned(), "1"));
    world.deliver(0, shared(7, "k".repeat(65), "1"));
    for number in 0..5 {
        world.deliver(0, shared(7, format!("key {number}"), "1"));
    }
    wait(&mut world, 300);
    for host in [0, 1] {
        assert_eq!(keys(&world, host), ["key 0", "key 1", "key 2", "key 3"], "a user has four at most");
    }
    world.deliver(0, shared(7, "key 1".to_owned(), ""));
    wait(&mut world, 300);
    assert_eq!([keys(&world, 0), keys(&world, 1)], [["key 0", "key 2", "key 3"]; 2]);
}
