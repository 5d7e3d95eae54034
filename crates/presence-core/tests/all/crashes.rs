//! A node that is killed and back at once: none of its visitors leaves, and those who do not come back end in time.

use presence_core::{ConnectionId, Ended, Input, RegionState};

use crate::passing::{close, join, room, seen, wait, world};
use crate::world::World;

/// How long what a killed node's visitors had counts, from when its next start is heard.
const CRASHED_MS: u64 = 20_000;

/// Kills a host, which is started again this much later and heard by all a moment after that.
fn restart(world: &mut World, host: usize, after_ms: u64) {
    world.crash(host);
    wait(world, after_ms);
    world.start(host);
    wait(world, 2_500);
}

/// Users and tabs that every host shows.
fn shown(world: &World) -> Vec<(u32, u32, u32)> {
    let view = |host: &crate::world::Host| {
        host.views.get(&room("shop")).map_or((0, 0, 0), |view| (view.users, view.tabs, view.unsure))
    };
    world.hosts.iter().map(view).collect()
}

/// Who left, as the hosts that were not killed have told it.
fn left(world: &World, hosts: &[usize]) -> Vec<u8> {
    let passages = hosts.iter().flat_map(|host| &world.hosts[*host].passages);
    passages.filter(|(_, _, _, came)| !came).map(|(_, user, _, _)| *user).collect()
}

#[test]
fn a_quick_return_is_no_leave_and_no_join() {
    for away_ms in [0, 500, 1_500, 3_000] {
        let mut world = world(&["ams", "iad", "yyz"]);
        for user in 1..=9 {
            join(&mut world, 0, user, "shop", u8::try_from(user).expect("small"), seen(""));
        }
        // One of them has two tabs there.
        join(&mut world, 0, 10, "shop", 9, seen(""));
        restart(&mut world, 0, away_ms);
        assert_eq!(shown(&world), [(9, 10, 0); 3], "after {away_ms} ms, with all that it had itself");
        // They come back, some elsewhere, those with two tabs one after the other.
        for user in 1..=9 {
            let (host, user) = (usize::from(user > 5), u8::try_from(user).expect("small"));
            join(&mut world, host, 100 + u64::from(user), "shop", user, seen(""));
            assert_eq!(shown(&world), [(9, 10, 0); 3], "user {user} is back");
        }
        join(&mut world, 2, 110, "shop", 9, seen(""));
        wait(&mut world, 30_000);
        assert_eq!(shown(&world), [(9, 10, 0); 3], "after {away_ms} ms, when all has run out");
        assert_eq!(left(&world, &[1, 2]), [0; 0]);
        let came = world.hosts[1].passages.iter().filter(|(_, _, _, came)| *came).count();
        assert_eq!(came, 9, "no one came twice");
    }
}

#[test]
fn who_does_not_come_back_counts_for_twenty_seconds_everywhere() {
    let mut world = world(&["ams", "iad", "yyz"]);
    join(&mut world, 0, 1, "shop", 7, seen(""));
    restart(&mut world, 0, 1_000);
    wait(&mut world, CRASHED_MS - 5_000);
    assert_eq!(shown(&world), [(1, 1, 0); 3]);
    wait(&mut world, 5_000);
    assert_eq!(shown(&world), [(0, 0, 0); 3]);
}

#[test]
fn who_was_unsure_counts_again_until_the_time_is_over() {
    let mut world = world(&["ams", "iad", "yyz"]);
    join(&mut world, 0, 1, "shop", 7, seen(""));
    restart(&mut world, 0, 10_000);
    assert_eq!(shown(&world), [(1, 1, 0); 3]);
    assert_eq!(left(&world, &[1, 2]), [0; 0]);
    wait(&mut world, CRASHED_MS);
    assert_eq!(shown(&world), [(0, 0, 0); 3]);
    assert_eq!(left(&world, &[1, 2]), [7, 7]);
}

#[test]
fn who_came_back_elsewhere_and_leaves_is_gone_everywhere() {
    // Before the crash is known, while the node is silent, and after its return.
    for (joins_ms, away_ms) in [(300, 1_000), (6_000, 9_000), (1_000, 300)] {
        let mut world = world(&["ams", "iad", "yyz"]);
        join(&mut world, 0, 1, "shop", 7, seen(""));
        world.crash(0);
        if joins_ms < away_ms {
            wait(&mut world, joins_ms);
            join(&mut world, 1, 2, "shop", 7, seen(""));
            wait(&mut world, away_ms - joins_ms);
            world.start(0);
        } else {
            wait(&mut world, away_ms);
            world.start(0);
            wait(&mut world, joins_ms);
            join(&mut world, 1, 2, "shop", 7, seen(""));
        }
        wait(&mut world, 2_000);
        assert_eq!(shown(&world), [(1, 1, 0); 3], "{joins_ms} {away_ms}");
        close(&mut world, 1, 2);
        // A node that hears of it all only now learns the same.
        world.crash(2);
        world.start(2);
        wait(&mut world, 4_000);
        assert_eq!(shown(&world), [(0, 0, 0); 3], "{joins_ms} {away_ms}");
        wait(&mut world, 40_000);
        assert_eq!(shown(&world), [(0, 0, 0); 3]);
        assert!(world.hosts.iter().all(|host| host.node.as_ref().is_some_and(presence_core::Node::counts_are_right)));
    }
}

#[test]
fn a_user_who_is_back_after_a_deploy_and_leaves_is_gone_and_joins_as_a_newcomer() {
    let mut world = world(&["ams", "iad"]);
    join(&mut world, 0, 1, "shop", 7, seen("Ann"));
    world.drain(0);
    wait(&mut world, 500);
    join(&mut world, 1, 2, "shop", 7, seen("Ann"));
    assert_eq!(shown(&world)[1], (1, 1, 0));
    close(&mut world, 1, 2);
    wait(&mut world, 3_000);
    assert_eq!(shown(&world)[1], (0, 0, 0), "what was held of it is used up");
    join(&mut world, 1, 3, "shop", 7, seen("Bob"));
    let passages = &world.hosts[1].passages;
    assert_eq!(passages.last(), Some(&("shop".to_owned(), 7, "Bob".to_owned(), true)));
    world.deliver(1, Input::Disconnected { connection: ConnectionId(3), ended: Ended::Resigned });
    wait(&mut world, 40_000);
    assert!(!world.hosts[1].views.contains_key(&room("shop")), "nothing is kept of it");
}

#[test]
fn tabs_that_were_taken_never_count_again_when_what_was_held_runs_out() {
    let mut world = world(&["ams", "iad", "yyz", "maa"]);
    // So that nodes forget what is held at different moments.
    world.slow.insert((3, 0), 150);
    for user in 1..=20 {
        join(&mut world, 0, u64::from(user), "shop", user, seen(""));
    }
    world.drain(0);
    wait(&mut world, 1_000);
    for user in 1..=20 {
        join(&mut world, 1, 100 + u64::from(user), "shop", user, seen(""));
    }
    wait(&mut world, 20_000);
    for _ in 0..2_000 {
        wait(&mut world, 10);
        let tabs: Vec<u32> = [1, 2, 3].map(|host| shown(&world)[host].1).to_vec();
        assert_eq!(tabs, [20; 3], "at {}", world.now);
    }
}

#[test]
fn a_crash_is_held_for_a_node_that_hears_of_it_from_others_only() {
    let mut world = world(&["ams", "iad", "yyz"]);
    join(&mut world, 0, 1, "shop", 7, seen(""));
    restart(&mut world, 0, 500);
    world.crash(2);
    world.start(2);
    wait(&mut world, 3_000);
    assert_eq!(shown(&world), [(1, 1, 0); 3]);
}

#[test]
fn crashes_in_a_row_lose_no_user_and_count_none_twice() {
    let mut world = world(&["ams", "iad", "yyz"]);
    for user in 1..=6 {
        join(&mut world, 0, u64::from(user), "shop", user, seen(""));
    }
    for host in [0, 1, 0, 2] {
        restart(&mut world, host, 1_000);
        for user in 1..=6_u8 {
            let connection = 1_000 * world.now + u64::from(user);
            join(&mut world, usize::from(user % 3), connection, "shop", user, seen(""));
            let users: Vec<u32> = shown(&world).iter().map(|(users, _, _)| *users).collect();
            assert_eq!(users, [6; 3]);
        }
    }
    assert!(world.hosts.iter().all(|host| host.node.as_ref().is_some_and(presence_core::Node::counts_are_right)));
}

#[test]
fn a_node_that_was_killed_is_not_sure_at_first_and_tells_nothing_that_the_others_knew() {
    let mut world = world(&["ams", "iad", "yyz"]);
    for user in 1..=9 {
        join(&mut world, usize::from(user % 3), u64::from(user), "shop", user, seen(""));
    }
    world.crash(0);
    wait(&mut world, 1_000);
    world.hosts[0].passages.clear();
    world.start(0);
    wait(&mut world, 1);
    let mesh = world.hosts[0].mesh.as_ref().expect("drawn at once");
    assert!(!mesh.exchanged && mesh.regions.iter().all(|region| !region.whole), "{mesh:?}");
    let known: Vec<&str> = mesh.regions.iter().map(|region| region.region.as_str()).collect();
    assert_eq!(known, ["ams", "iad", "yyz"], "it remembers the regions that it has not heard yet");
    let started = world.now;
    while !world.hosts[0].mesh.as_ref().is_some_and(|mesh| mesh.caught_up) {
        wait(&mut world, 20);
    }
    assert!(world.now - started < 5_000, "{}", world.now - started);
    let mesh = world.hosts[0].mesh.as_ref().expect("drawn");
    assert!(mesh.exchanged && mesh.regions.len() == 3 && mesh.regions.iter().all(|region| region.whole));
    assert_eq!(world.hosts[0].passages.len(), 9, "it knows all of them by then");
    wait(&mut world, 10_000);
    assert_eq!(world.hosts[0].passages.len(), 9);
}

#[test]
fn a_node_alone_goes_on_after_a_while() {
    let mut world = World::new(1, &["ams"]);
    world.start(0);
    let mesh = |world: &World| world.hosts[0].mesh.clone().expect("drawn");
    wait(&mut world, 2_500);
    assert!(!mesh(&world).regions[0].whole && !mesh(&world).caught_up);
    wait(&mut world, 1_000);
    assert!(mesh(&world).regions[0].whole && !mesh(&world).caught_up);
    wait(&mut world, 2_000);
    assert!(mesh(&world).caught_up);
}

/// What a node in another region says of the region `iad`.
fn iad(world: &World) -> Option<RegionState> {
    let mesh = world.hosts[0].mesh.as_ref().expect("drawn");
    mesh.regions.iter().find(|region| region.region.as_str() == "iad").map(|region| region.state)
}

#[test]
fn a_region_that_was_known_before_a_start_is_silent_then_gone_and_forgotten_after_an_hour() {
    let mut world = world(&["ams", "iad"]);
    for host in 0..2 {
        world.crash(host);
    }
    world.start(0);
    for (ms, expected) in [
        (1, Some(RegionState::Silent)),
        (59_000, Some(RegionState::Silent)),
        (3_000, Some(RegionState::Gone)),
        (3_530_000, Some(RegionState::Gone)),
        (30_000, None),
    ] {
        wait(&mut world, ms);
        assert_eq!(iad(&world), expected, "{} ms after the start", world.now - world.hosts[0].started);
    }
    world.crash(0);
    world.start(0);
    wait(&mut world, 1);
    assert_eq!(iad(&world), None, "it was forgotten for good");
}

#[test]
fn a_region_that_was_heard_and_leaves_is_not_remembered_from_before_the_start() {
    let mut world = world(&["ams", "iad"]);
    world.crash(0);
    world.start(0);
    wait(&mut world, 1);
    assert_eq!(iad(&world), Some(RegionState::Silent));
    wait(&mut world, 5_000);
    assert_eq!(iad(&world), Some(RegionState::Live));
    world.drain(1);
    wait(&mut world, 40_000);
    assert_eq!(iad(&world), None);
}
