//! Counters: what they say after kills, weeks and removals, and when a click on one is answered.

use presence_core::{FactKind, Found, Input, Query, Write};

use crate::kinds::{remove, view, write};
use crate::passing::{room, wait, world};
use crate::world::World;

const DAY_MS: i64 = 86_400_000;

/// All hosts' clocks go on by that many days, while nothing happens.
fn days_pass(world: &mut World, days: i64) {
    for host in 0..world.hosts.len() {
        world.crash(host);
        world.hosts[host].skew_ms += days * DAY_MS;
    }
    for host in 0..world.hosts.len() {
        world.start(host);
    }
    wait(world, 8_000);
}

fn listed(world: &mut World, kind: FactKind) -> Vec<(String, String)> {
    world.hosts[0].found = None;
    world.deliver(0, Input::Queried { query: 1, what: Query::Facts { room: room("shop"), after: None } });
    wait(world, 1);
    let Some(Found::Facts(listed)) = world.hosts[0].found.take() else { panic!("an answer at once") };
    let facts = listed.facts.into_iter().filter(|fact| fact.kind == kind);
    facts.map(|fact| (fact.key, String::from_utf8_lossy(&fact.value).into_owned())).collect()
}

#[test]
fn a_counter_counts_what_killed_nodes_have_added_and_restarts_do_not_repeat_it() {
    let mut world = world(&["ams", "iad", "yyz"]);
    world.hosts[1].diskless = true;
    world.crash(1);
    world.start(1);
    wait(&mut world, 6_000);
    let mut names = Vec::new();
    for round in 0..4 {
        for host in [0, 1, 2] {
            names.push(write(&mut world, host, 7, vec![Write::add("claps", 2), Write::add("claps", -1)]));
        }
        let host = round % 3;
        world.crash(host);
        world.start(host);
        wait(&mut world, 6_000);
    }
    assert!(names.iter().all(|name| world.tabs.answered.contains(name)), "each was answered");
    for host in [0, 1, 2] {
        assert_eq!(view(&world, host).count("claps"), 12, "on {host}");
    }
}

#[test]
fn a_click_on_a_node_without_a_disk_is_answered_once_another_node_has_what_it_adds() {
    let mut world = world(&["ams", "iad"]);
    world.hosts[0].diskless = true;
    world.crash(0);
    world.start(0);
    wait(&mut world, 6_000);
    world.cut.extend([(0, 1), (1, 0)]);
    let name = write(&mut world, 0, 7, vec![Write::add("claps", 1)]);
    wait(&mut world, 10_000);
    assert_eq!(view(&world, 0).count("claps"), 1, "it counts here");
    assert!(!world.tabs.answered.contains(&name), "no other node has it");
    world.cut.clear();
    wait(&mut world, 10_000);
    let name = write(&mut world, 0, 7, vec![Write::add("claps", 1)]);
    assert!(world.tabs.answered.contains(&name));
    world.crash(0);
    assert_eq!(view(&world, 1).count("claps"), 2);
    // The next start knows nothing of these when it counts: it must not write in their place.
    world.cut.extend([(0, 1), (1, 0)]);
    world.start(0);
    wait(&mut world, 6_000);
    write(&mut world, 0, 7, vec![Write::add("claps", 1)]);
    assert_eq!(view(&world, 0).count("claps"), 1);
    world.cut.clear();
    wait(&mut world, 10_000);
    assert_eq!([0, 1].map(|host| view(&world, host).count("claps")), [3, 3]);
}

#[test]
fn contributions_of_earlier_starts_become_part_of_the_latest_after_a_week() {
    let mut world = world(&["ams", "iad"]);
    for _ in 0..3 {
        write(&mut world, 0, 7, vec![Write::add("claps", 5)]);
        world.crash(0);
        world.start(0);
        wait(&mut world, 6_000);
    }
    write(&mut world, 1, 7, vec![Write::add("claps", 100)]);
    let counter =
        |world: &mut World| listed(world, FactKind::Counter).into_iter().map(|(_, value)| value).collect::<Vec<_>>();
    assert_eq!(counter(&mut world).len(), 4);
    days_pass(&mut world, 6);
    write(&mut world, 0, 7, vec![Write::add("claps", 1)]);
    assert_eq!(counter(&mut world).len(), 5, "not yet");
    days_pass(&mut world, 2);
    write(&mut world, 0, 7, vec![Write::add("claps", 1)]);
    let mut parts = counter(&mut world);
    parts.sort();
    // That of the start two days ago is not included yet.
    assert_eq!(parts, ["1", "100", "16"]);
    for host in [0, 1] {
        assert_eq!(view(&world, host).count("claps"), 117, "on {host}");
    }
}

#[test]
fn a_folded_contribution_that_comes_back_after_its_tombstone_does_not_count_again() {
    let mut world = world(&["ams", "iad"]);
    write(&mut world, 0, 7, vec![Write::add("claps", 5)]);
    // The second node is away from here on.
    world.crash(1);
    let away = world.hosts[1].skew_ms;
    world.crash(0);
    world.hosts[0].skew_ms += 8 * DAY_MS;
    world.start(0);
    wait(&mut world, 6_000);
    write(&mut world, 0, 7, vec![Write::add("claps", 1)]);
    assert_eq!(listed(&mut world, FactKind::Counter), [("claps".to_owned(), "6".to_owned())]);
    world.crash(0);
    world.hosts[0].skew_ms += 380 * DAY_MS;
    world.hosts[1].skew_ms = away + 388 * DAY_MS;
    world.start(0);
    world.start(1);
    wait(&mut world, 10_000);
    for host in [0, 1] {
        assert_eq!(view(&world, host).count("claps"), 6, "on {host}");
    }
    assert_eq!(listed(&mut world, FactKind::Counter).len(), 2, "it is back, but does not count");
}

#[test]
fn a_counter_outlives_the_400_days_of_a_fact() {
    let mut world = world(&["ams", "iad"]);
    write(&mut world, 0, 7, vec![Write::add("claps", 5)]);
    write(&mut world, 1, 7, vec![Write::add("claps", 2), Write::set("lamp", &true).expect("a word")]);
    // One region is given up: the others keep what it has added.
    world.crash(1);
    world.hosts[1].diskless = true;
    for _ in 0..6 {
        world.crash(0);
        world.hosts[0].skew_ms += 150 * DAY_MS;
        world.start(0);
        wait(&mut world, 6_000);
    }
    assert_eq!(view(&world, 0).count("claps"), 7);
    assert!(view(&world, 0).registers.is_empty(), "everything else has run out");
}

#[test]
fn a_removed_counter_counts_from_0_also_what_a_node_adds_that_had_not_heard_of_it() {
    let mut world = world(&["ams", "iad"]);
    write(&mut world, 0, 7, vec![Write::add("claps", 5)]);
    write(&mut world, 1, 7, vec![Write::add("claps", 5)]);
    world.cut.extend([(0, 1), (1, 0)]);
    write(&mut world, 0, 7, vec![Write::remove("claps")]);
    write(&mut world, 0, 7, vec![Write::add("claps", 1)]);
    write(&mut world, 1, 7, vec![Write::add("claps", 1)]);
    assert_eq!((view(&world, 0).count("claps"), view(&world, 1).count("claps")), (1, 11));
    world.cut.clear();
    wait(&mut world, 10_000);
    for host in [0, 1] {
        assert_eq!(view(&world, host).count("claps"), 1, "on {host}: what it adds before it hears counts as before");
    }
    write(&mut world, 1, 7, vec![Write::add("claps", 2)]);
    assert_eq!(view(&world, 0).count("claps"), 3);
    assert_eq!(remove(&mut world, 0, "claps", None), 2);
    assert!(view(&world, 1).counters.is_empty());
}
