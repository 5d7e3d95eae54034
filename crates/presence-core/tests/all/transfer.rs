//! Facts that an operator takes out of a node, and brings into one.

use presence_core::{
    Click, ConnectionId, ExportedFact, ExportedFacts, Found, ImportResult, Input, Query, SubscriptionId, UserId,
};

use crate::app;
use crate::passing::{room, wait, world};
use crate::world::World;

fn click(world: &mut World, host: usize, target: &str, value: &str) {
    let call = Click::on(target).attribute("data-id", value);
    let (connection, subscription) = (ConnectionId(1), SubscriptionId(9));
    world.deliver(host, app::click(connection, subscription, room("shop"), UserId([7; 32]), &call));
    wait(world, 300);
}

fn export(world: &mut World, host: usize) -> Vec<ExportedFact> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        world.hosts[host].found = None;
        world.deliver(host, Input::Queried { query: 1, what: Query::AllFacts { after } });
        wait(world, 1);
        let Some(Found::AllFacts(ExportedFacts { facts, next })) = world.hosts[host].found.take() else {
            panic!("an answer at once")
        };
        all.extend(facts);
        match next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

fn import(world: &mut World, host: usize, records: Vec<Vec<u8>>) -> Vec<ImportResult> {
    world.hosts[host].found = None;
    world.deliver(host, Input::FactsImported { query: 1, records });
    wait(world, 1);
    let Some(Found::Imported(results)) = world.hosts[host].found.take() else { panic!("an answer at once") };
    results
}

fn records(facts: &[ExportedFact]) -> Vec<Vec<u8>> {
    facts.iter().map(|fact| fact.record.clone()).collect()
}

#[test]
fn what_is_exported_is_imported_once_elsewhere_with_what_was_removed_and_reaches_all_nodes() {
    let mut before = world(&["ams"]);
    click(&mut before, 0, "Bulb#set", "on");
    click(&mut before, 0, "Wall#say", "first");
    click(&mut before, 0, "Wall#say", "second");
    before.deliver(
        0,
        Input::FactRemoved { query: 1, room: room("shop"), key: "bulb".to_owned(), entry: None, trace: None },
    );
    wait(&mut before, 300);
    let exported = export(&mut before, 0);
    let seen: Vec<(&str, &[u8], bool)> =
        exported.iter().map(|fact| (fact.listed.key.as_str(), fact.listed.value.as_slice(), fact.removed)).collect();
    assert_eq!(seen, [("bulb", &b""[..], true), ("wall", b"first", false), ("wall", b"second", false)]);

    let mut after = world(&["iad", "yyz"]);
    assert_eq!(import(&mut after, 0, records(&exported)), [ImportResult::Taken; 3]);
    assert_eq!(import(&mut after, 0, records(&exported)), [ImportResult::Known; 3], "once is enough");
    assert_eq!(export(&mut after, 0), exported, "nothing is lost on the way, the order included");
    wait(&mut after, 10_000);
    assert_eq!(export(&mut after, 1), exported, "the other node has it, too");
    let wall = &after.hosts[0].views[&room("shop")].logs["wall"];
    assert_eq!(wall.len(), 2, "pages show it");

    click(&mut after, 1, "Bulb#set", "off");
    wait(&mut after, 1_000);
    assert_eq!(import(&mut after, 0, records(&exported))[0], ImportResult::Known, "what is newer stays");
    assert!(!export(&mut after, 0)[0].removed);
}

#[test]
fn what_is_no_fact_has_expired_or_is_of_the_future_is_refused() {
    let mut early = world(&["ams"]);
    click(&mut early, 0, "Bulb#set", "on");
    let on = records(&export(&mut early, 0));
    wait(&mut early, 3_600_000);
    click(&mut early, 0, "Bulb#set", "off");
    let late = records(&export(&mut early, 0));

    let mut elsewhere = world(&["iad"]);
    let cut = on[0][..on[0].len() - 1].to_vec();
    let tried = import(&mut elsewhere, 0, vec![Vec::new(), cut, vec![0; 9_000], late[0].clone(), on[0].clone()]);
    let expected = [
        ImportResult::Malformed,
        ImportResult::Malformed,
        ImportResult::Malformed,
        ImportResult::TooFarAhead,
        ImportResult::Taken,
    ];
    assert_eq!(tried, expected);
    click(&mut early, 0, "Timer#start", "");
    let timer = export(&mut early, 0).into_iter().filter(|fact| fact.listed.key == "timer").collect::<Vec<_>>();
    wait(&mut early, 5_000);
    assert_eq!(import(&mut early, 0, records(&timer)), [ImportResult::Expired]);
}

#[test]
fn a_long_export_comes_page_by_page() {
    let mut world = world(&["ams"]);
    for number in 0..1_200 {
        let call = Click::on("Bulb#set").attribute("data-id", "on");
        let room = room(&format!("room {number:04}"));
        world.deliver(0, app::click(ConnectionId(1), SubscriptionId(9), room, UserId([7; 32]), &call));
    }
    wait(&mut world, 1_000);
    world.hosts[0].found = None;
    world.deliver(0, Input::Queried { query: 1, what: Query::AllFacts { after: None } });
    wait(&mut world, 1);
    let Some(Found::AllFacts(first)) = world.hosts[0].found.take() else { panic!("an answer at once") };
    assert!(first.next.is_some() && first.facts.len() == 1_000, "{}", first.facts.len());
    let rooms: Vec<String> = export(&mut world, 0).iter().map(|fact| fact.room.to_string()).collect();
    assert!(rooms.len() == 1_200 && rooms.is_sorted(), "{}", rooms.len());
}
