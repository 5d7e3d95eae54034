//! The history of published messages: what a node says is all of it really is, whatever happened to messages and nodes.

use std::collections::BTreeSet;

use presence_core::{Found, Input, Message, MessageId, Output, PastMessage, Query, StreamName, kind_name};

use crate::by_hand::ByHand;
use crate::chance::Chance;
use crate::misbehaving::linked;
use crate::passing::{wait, world};
use crate::said::{Beat, Sender, published_message};
use crate::world::{Weather, World};

/// After this a cut is noticed, and so is a lost message.
const NOTICED_MS: u64 = 6_000;
/// A node that is silent for a minute is given up.
const CUT_MS: u64 = 30_000;

fn bench() -> StreamName {
    StreamName::new("bench").expect("a name")
}

fn publish(world: &mut World, host: usize, body: &str) {
    let message = Message { stream: bench(), body: body.into(), kept: true, whispered: false, from: None };
    world.deliver(host, Input::Published { message });
    wait(world, 1);
}

fn begin(world: &mut World, host: usize, age_ms: u64) {
    world.hosts[host].found = None;
    let query = world.now;
    world.deliver(host, Input::Queried { query, what: Query::Messages { stream: bench(), age_ms } });
}

/// What a node lacks of the last ms; `None` if it can't find out.
fn ask(world: &mut World, host: usize, age_ms: u64) -> Option<Vec<PastMessage>> {
    begin(world, host, age_ms);
    wait(world, 2_000);
    let Some(Found::Messages(messages)) = &world.hosts[host].found else { panic!("an answer in time") };
    messages.clone()
}

fn bodies(messages: &[PastMessage]) -> Vec<String> {
    messages.iter().map(|message| String::from_utf8_lossy(&message.body).into_owned()).collect()
}

#[test]
fn a_node_that_was_restarted_or_is_new_has_messages_from_another() {
    let mut world = world(&["ams", "iad", "maa"]);
    world.crash(2);
    wait(&mut world, 70_000);
    publish(&mut world, 1, "taken by one that dies");
    wait(&mut world, 200);
    publish(&mut world, 0, "taken by another");
    wait(&mut world, 2_000);
    assert_eq!(ask(&mut world, 1, 5_000), Some(Vec::new()), "it lacks nothing");
    world.crash(1);
    wait(&mut world, 500);
    world.start(1);
    let all = ["taken by one that dies", "taken by another"];
    assert_eq!(bodies(&ask(&mut world, 1, 20_000).expect("it asks before it hears anyone, and waits")), all);
    world.start(2);
    wait(&mut world, 3_000);
    assert_eq!(bodies(&ask(&mut world, 2, 20_000).expect("the first node has them")), all);
    world.drain(0);
    wait(&mut world, 40_000);
    assert_eq!(ask(&mut world, 1, 60_000), None, "no node that is left was there");
    assert_eq!(ask(&mut world, 1, 30_000), Some(Vec::new()), "one that leaves says how many it has published");
}

#[test]
fn a_node_alone_knows_nothing_of_the_time_before_its_start() {
    let mut world = world(&["ams"]);
    publish(&mut world, 0, "1");
    assert_eq!(ask(&mut world, 0, 1_000), Some(Vec::new()));
    world.crash(0);
    world.start(0);
    wait(&mut world, 10_000);
    assert_eq!(ask(&mut world, 0, 20_000), None);
    assert_eq!(ask(&mut world, 0, 5_000), Some(Vec::new()));
}

#[test]
fn what_is_lost_between_two_nodes_is_noticed_and_fetched() {
    let mut world = world(&["ams", "iad"]);
    world.cut.insert((1, 0));
    publish(&mut world, 0, "lost");
    wait(&mut world, 2_000);
    world.cut.clear();
    // The last one was lost: the author's next heartbeat says so.
    wait(&mut world, 3_000);
    assert_eq!(bodies(&ask(&mut world, 1, 10_000).expect("from its author")), ["lost"]);
    assert_eq!(ask(&mut world, 1, 1_000), Some(Vec::new()), "nothing was lost since");
    assert_eq!(ask(&mut world, 0, 10_000), Some(Vec::new()), "its author lacks nothing");

    world.cut.insert((1, 0));
    wait(&mut world, 5_000);
    publish(&mut world, 0, "out of reach");
    assert_eq!(ask(&mut world, 1, 1_000), None, "what a silent node publishes is not known");
    world.cut.clear();
    wait(&mut world, 12_000);
    assert_eq!(bodies(&ask(&mut world, 1, 30_000).expect("the other is heard again")), ["lost", "out of reach"]);
}

#[test]
fn what_only_some_have_of_a_node_that_died_is_found() {
    let mut world = world(&["ams", "iad", "maa"]);
    world.cut.insert((1, 2));
    publish(&mut world, 2, "last words");
    wait(&mut world, 100);
    world.crash(2);
    world.start(2);
    world.cut.clear();
    wait(&mut world, 4_000);
    assert_eq!(bodies(&ask(&mut world, 1, 6_000).expect("another node has heard it")), ["last words"]);
    assert_eq!(ask(&mut world, 0, 8_000), Some(Vec::new()));
}

/// Some disaster, not longer than the nodes' patience.
fn strike(world: &mut World, chance: &mut Chance, hosts: usize) {
    let (one, other) = (pick(chance, hosts), pick(chance, hosts));
    match chance.between(0, 9) {
        0 if world.up(one) => world.crash(one),
        1 | 2 if !world.up(one) => world.start(one),
        3 if one != other => drop(world.cut.insert((one, other))),
        4 | 5 => world.cut.clear(),
        6 if world.up(one) => world.freeze(one, chance.between(500, 8_000)),
        7 => world.drain(one),
        _ => {}
    }
}

fn pick(chance: &mut Chance, hosts: usize) -> usize {
    usize::try_from(chance.between(0, u64::try_from(hosts).expect("few") - 1)).expect("few")
}

/// What was published in a part of time and is still on a node that others hear. What only a node has that leaves, or does not
/// run, can't be known.
fn existing(world: &World, published: &[(u64, String)], from: u64, upto: u64) -> BTreeSet<String> {
    let up = world
        .hosts
        .iter()
        .enumerate()
        .filter(|(index, host)| world.up(*index) && !world.frozen(*index) && !host.draining);
    let there: BTreeSet<String> =
        up.flat_map(|(_, host)| host.history.iter().map(|(_, _, message)| text(message))).collect();
    let then = published.iter().filter(|(at, _)| (from..=upto).contains(at)).map(|(_, body)| body);
    then.filter(|body| there.contains(*body)).cloned().collect()
}

fn text(message: &Message) -> String {
    String::from_utf8_lossy(&message.body).into_owned()
}

/// How often a node said that it knew all, of all times that it was asked.
fn storm(seed: u64) -> (usize, usize) {
    let (hosts, mut chance) = (4, Chance::new(seed));
    let mut world = world(&["ams", "iad", "maa", "nrt"]);
    world.weather = Weather { loss_percent: chance.between(0, 8), repeat_percent: 3, delay_ms: (5, 150) };
    let (mut published, mut known, mut asked) = (Vec::new(), 0, 0);
    let mut cut_since = world.now;
    for _ in 0..150 {
        strike(&mut world, &mut chance, hosts);
        if world.cut.is_empty() || world.now - cut_since > CUT_MS {
            world.cut.clear();
            cut_since = world.now;
        }
        let author = pick(&mut chance, hosts);
        if world.up(author) && !world.frozen(author) && !world.hosts[author].draining {
            let body = published.len().to_string();
            publish(&mut world, author, &body);
            published.push((world.now, body));
        }
        let reader = pick(&mut chance, hosts);
        let (began, age_ms, life) = (world.now, chance.between(NOTICED_MS, 40_000), world.hosts[reader].life);
        begin(&mut world, reader, age_ms);
        wait(&mut world, chance.between(100, 1_500));
        let host = &world.hosts[reader];
        let Some(Found::Messages(found)) = host.found.clone().filter(|_| host.life == life && host.found_for == began)
        else {
            continue;
        };
        asked += 1;
        let Some(found) = found else { continue };
        known += 1;
        let has: BTreeSet<String> =
            host.history.iter().map(|(_, _, message)| text(message)).chain(bodies(&found)).collect();
        let expected = existing(&world, &published, began.saturating_sub(age_ms), began - NOTICED_MS);
        let missing: Vec<&String> = expected.difference(&has).collect();
        assert!(
            missing.is_empty(),
            "seed {seed}: host {reader} at {began} of {age_ms} ms lacks {missing:?}: {:#?}",
            world.notices
        );
    }
    (known, asked)
}

#[test]
fn whatever_happens_a_node_that_says_it_knows_all_does() {
    let (mut known, mut asked) = (0, 0);
    for seed in 1..=60 {
        let (more_known, more_asked) = storm(seed);
        (known, asked) = (known + more_known, asked + more_asked);
    }
    assert!(known * 10 > asked, "it says so {known} times of {asked}");
}

#[test]
fn ids_are_the_same_on_every_node() {
    let mut world = world(&["ams", "iad"]);
    publish(&mut world, 0, "1");
    wait(&mut world, 200);
    let ids = |host: usize| world.hosts[host].history.iter().map(|(_, id, _)| *id).collect::<Vec<MessageId>>();
    assert_eq!(ids(0), ids(1));
    assert_eq!(ids(0).len(), 1);
}

/// Hears another node of a version that does not say how many messages it has published.
fn hear_older(node: &mut ByHand, seconds: u64) -> Vec<Output> {
    let mut outputs = Vec::new();
    for _ in 0..seconds {
        let beat = Beat { mono_ms: node.now.mono.0, wall_ms: node.now.wall.0, ..Beat::default() };
        outputs.extend(node.receive(1, &beat.write(&Sender::of("there"))));
        outputs.extend(node.pass(1_000));
    }
    outputs
}

/// For how long the node says that nothing was lost.
fn complete(outputs: &[Output]) -> Vec<Option<u64>> {
    let complete = outputs.iter().filter_map(|output| match output {
        Output::Complete { ms } => Some(*ms),
        _ => None,
    });
    complete.collect()
}

#[test]
fn beside_an_older_version_a_loss_is_noticed_by_the_next_message_and_nothing_is_asked() {
    let (mut node, there) = (linked(), Sender::of("there"));
    assert!(complete(&hear_older(&mut node, 5)).last().is_some_and(Option::is_some));
    assert_eq!(complete(&node.receive(1, &published_message(&there, 1, "1"))), [], "nothing is missing");
    assert_eq!(complete(&node.receive(1, &published_message(&there, 3, "3"))), [None]);
    assert_eq!(complete(&node.receive(1, &published_message(&there, 2, "2"))).len(), 1, "it was only late");
    assert_eq!(complete(&node.receive(1, &published_message(&there, 5, "5"))), [None]);
    let outputs = hear_older(&mut node, 2);
    assert!(complete(&outputs).last().is_some_and(|ms| ms.is_some_and(|ms| ms < 1_000)), "{:?}", complete(&outputs));
    let what = Query::Messages { stream: bench(), age_ms: 60_000 };
    let mut outputs = node.give(Input::Queried { query: 1, what });
    outputs.extend(hear_older(&mut node, 2));
    assert!(
        !outputs
            .iter()
            .any(|output| matches!(output, Output::Ask { bytes, .. } if kind_name(bytes) == Some("Messages")))
    );
    assert!(outputs.contains(&Output::Found { query: 1, found: Found::Messages(None) }));
}
