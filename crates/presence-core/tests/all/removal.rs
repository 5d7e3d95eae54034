//! Facts that an operator removes: gone in every region, for good, and room for new ones.

use presence_core::{Click, ConnectionId, Found, Input, ListedFact, Query, ReflexError, SubscriptionId, UserId, Write};

use crate::app;
use crate::passing::{room, wait, world};
use crate::world::World;

fn click(world: &mut World, host: usize, target: &str, value: &str) {
    let call = Click::on(target).attribute("data-id", value);
    let (connection, subscription) = (ConnectionId(1), SubscriptionId(9));
    world.deliver(host, app::click(connection, subscription, room("shop"), UserId([7; 32]), &call));
    wait(world, 300);
}

fn remove(world: &mut World, host: usize, key: &str, entry: Option<String>) -> usize {
    world.hosts[host].found = None;
    world.deliver(host, Input::FactRemoved { query: 1, room: room("shop"), key: key.to_owned(), entry, trace: None });
    wait(world, 300);
    let Some(Found::Removed(count)) = world.hosts[host].found else { panic!("an answer at once") };
    count
}

fn facts(world: &mut World, host: usize) -> Vec<ListedFact> {
    world.hosts[host].found = None;
    world.deliver(host, Input::Queried { query: 1, what: Query::Facts { room: room("shop"), after: None } });
    wait(world, 1);
    let Some(Found::Facts(listed)) = world.hosts[host].found.take() else { panic!("an answer at once") };
    assert_eq!(listed.next, None);
    listed.facts
}

fn values(world: &mut World, host: usize) -> Vec<String> {
    facts(world, host).into_iter().map(|fact| String::from_utf8_lossy(&fact.value).into_owned()).collect()
}

#[test]
fn a_removed_fact_is_gone_everywhere_also_for_a_node_that_was_away_and_after_restarts() {
    let mut world = world(&["ams", "iad", "yyz"]);
    click(&mut world, 0, "Bulb#set", "on");
    click(&mut world, 1, "Wall#say", "first");
    click(&mut world, 1, "Wall#say", "second");
    assert_eq!(values(&mut world, 2), ["on", "first", "second"]);
    assert!(world.hosts[1].views[&room("shop")].registers.contains_key("bulb"));
    world.crash(2);
    assert_eq!(remove(&mut world, 1, "bulb", None), 1);
    assert_eq!(remove(&mut world, 1, "bulb", None), 0, "it is removed already");
    let first = facts(&mut world, 0)[0].entry.clone();
    assert_eq!(remove(&mut world, 0, "wall", first), 1);
    for host in [0, 1] {
        assert_eq!(values(&mut world, host), ["second"]);
        let view = &world.hosts[host].views[&room("shop")];
        assert!(view.registers.is_empty() && view.logs["wall"].len() == 1, "the page shows it no longer: {view:?}");
    }
    world.start(2);
    wait(&mut world, 10_000);
    for host in [0, 1] {
        world.crash(host);
        world.start(host);
    }
    wait(&mut world, 10_000);
    for host in [0, 1, 2] {
        assert_eq!(values(&mut world, host), ["second"], "on {host}");
    }
    click(&mut world, 2, "Bulb#set", "again");
    assert_eq!(values(&mut world, 0), ["again", "second"], "a later write is a new fact");
}

#[test]
fn an_operator_writes_all_of_some_facts_everywhere_or_none() {
    let mut world = world(&["ams", "iad"]);
    let mut write = |writes: Vec<Write>| {
        world.deliver(0, Input::FactsWritten { query: 1, room: room("shop"), writes });
        wait(&mut world, 300);
        let Some(Found::Written(result)) = world.hosts[0].found.take() else { panic!("an answer at once") };
        (result, values(&mut world, 1))
    };
    let put = |entry: &'static str, value: &str| Write::put_bytes("sites", entry, value);
    let long = "x".repeat(5_000);
    let (refused, read) = write(vec![put("a", "1"), put("b", &long)]);
    assert!(matches!(refused, Err(ReflexError::ValueTooLong { .. })) && read.is_empty(), "{refused:?} {read:?}");
    assert_eq!(write(vec![put("a", "1"), put("b", "2")]), (Ok(()), vec!["1".to_owned(), "2".to_owned()]));
}

#[test]
fn entries_that_were_removed_take_no_room_of_the_log() {
    let mut world = world(&["ams"]);
    let said = |from: u8| (from..from + 9).map(|number| number.to_string()).collect::<Vec<_>>();
    said(0).iter().for_each(|value| click(&mut world, 0, "Wall#say", value));
    for fact in facts(&mut world, 0).into_iter().skip(5) {
        remove(&mut world, 0, "wall", fact.entry);
    }
    ["a", "b", "c", "d"].iter().for_each(|value| click(&mut world, 0, "Wall#say", value));
    assert_eq!(values(&mut world, 0), ["0", "1", "2", "3", "4", "a", "b", "c", "d"]);
    assert_eq!(remove(&mut world, 0, "wall", None), 9);
    assert_eq!(values(&mut world, 0), Vec::<String>::new());
}
