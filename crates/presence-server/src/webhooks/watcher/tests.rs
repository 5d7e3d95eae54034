//! What is told of what happened, in virtual time.

use presence_core::{NodeView, Region, UserId};
use serde_json::{Value, json};

use super::*;
use crate::views::Views;

fn room(name: &str) -> Room {
    Room::new(name).unwrap()
}

fn now(second: u64) -> Now {
    Now { mono_ms: second * 1_000, wall_ms: 1_795_507_200_000 + second * 1_000 }
}

fn passage(name: &str, user: u8) -> Passage {
    Passage { room: room(name), user: UserId([user; 32]), info: Vec::new(), since_ms: 1_795_507_200_000 }
}

fn views() -> Views {
    let place = presence_core::Place { name: "Amsterdam".to_owned(), location: None };
    Views::new(Region::new("ams").unwrap(), place, 0)
}

fn view(name: &str, users: u32, unsure: u32) -> Happened {
    let empty = views().room_or_empty(&room(name));
    Happened::Viewed(Arc::new(RoomView { users, unsure, ..(*empty).clone() }))
}

fn mesh(exchanged: bool, nodes: &[(&str, &'static str)]) -> Happened {
    let region = Region::new("ams").unwrap();
    let node = |(name, state): &(&str, &'static str)| NodeView {
        name: NodeName::new(name).unwrap(),
        region: region.clone(),
        incarnation: 1,
        sequence: 0,
        whole: 0,
        state,
        via: None,
        heard_ms_ago: 0,
        round_trip_ms: None,
    };
    let view = MeshView { nodes: nodes.iter().map(node).collect(), exchanged, ..(*views().mesh()).clone() };
    Happened::Meshed(Arc::new(view))
}

/// A node `b` that is alone and therefore tells.
fn telling(prefixes: &[&str], thresholds: &[&str]) -> Watcher {
    let thresholds = thresholds.iter().map(|rule| rule.parse().unwrap()).collect();
    let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    let mut watcher = Watcher::new((NodeName::new("b").unwrap(), 7), prefixes, thresholds, now(0));
    let told = watcher.take(mesh(true, &[("b", "live")]), now(0));
    assert!(matches!(told.as_slice(), [Told::Resync { to: None, sync }] if sync.rooms.is_empty()), "{told:?}");
    watcher
}

fn bodies(told: &[Told]) -> Vec<Value> {
    let letter = |told: &Told| match told {
        Told::Letter(letter) => serde_json::from_slice(&letter.body).unwrap(),
        Told::Resync { sync, .. } => json!({"type": "resync", "rooms": sync.rooms.len()}),
    };
    told.iter().map(letter).collect()
}

fn kinds(told: &[Told]) -> Vec<String> {
    bodies(told).iter().map(|body| body["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_first_arrival_occupies_a_room_and_the_last_leave_vacates_it() {
    let mut watcher = telling(&[], &[]);
    let told = watcher.take(Happened::Arrived(passage("a", 1)), now(1));
    assert_eq!(kinds(&told), ["room.occupied", "member.joined"]);
    let data = json!({"room": "a", "users": 1, "reason": "arrived", "above": []});
    assert_eq!(bodies(&told)[0]["data"], data);
    assert_eq!(kinds(&watcher.take(view("a", 1, 0), now(1))), [""; 0]);
    assert_eq!(kinds(&watcher.take(Happened::Arrived(passage("a", 2)), now(2))), ["member.joined"]);
    assert_eq!(kinds(&watcher.take(Happened::Left(passage("a", 1)), now(3))), ["member.left"]);
    assert_eq!(kinds(&watcher.take(view("a", 0, 1), now(3))), [""; 0], "somebody is unsure, and has not left");
    assert_eq!(kinds(&watcher.take(Happened::Left(passage("a", 2)), now(4))), ["member.left"]);
    let vacated = watcher.take(Happened::Forgotten(room("a")), now(4));
    assert_eq!(kinds(&vacated), ["room.vacated"]);
    assert_eq!(bodies(&vacated)[0]["data"], json!({"room": "a", "users": 0, "reason": "left", "above": []}));
    assert_eq!(kinds(&watcher.take(view("a", 0, 0), now(5))), [""; 0]);
}

#[test]
fn every_node_would_tell_under_the_same_ids() {
    let mut told = Vec::new();
    for _ in 0..2 {
        let mut watcher = telling(&[], &[]);
        let mut all = watcher.take(Happened::Arrived(passage("a", 1)), now(told.len() as u64));
        all.extend(watcher.take(Happened::Left(passage("a", 1)), now(9)));
        all.extend(watcher.take(view("a", 0, 0), now(9)));
        told.push(all);
    }
    let ids = |told: &[Told]| -> Vec<String> {
        told.iter()
            .filter_map(|told| if let Told::Letter(letter) = told { Some(letter.id.clone()) } else { None })
            .collect()
    };
    assert_eq!(ids(&told[0]).len(), 4);
    assert_eq!(ids(&told[0]), ids(&told[1]));
}

#[test]
fn one_node_tells_and_the_next_one_begins_with_how_all_is() {
    let mut watcher = Watcher::new((NodeName::new("b").unwrap(), 7), Vec::new(), Vec::new(), now(0));
    assert_eq!(watcher.take(mesh(false, &[("b", "live")]), now(1)), [], "it has not heard the others yet");
    assert_eq!(watcher.take(mesh(true, &[("a", "live"), ("b", "live")]), now(2)), []);
    assert_eq!(watcher.take(Happened::Arrived(passage("x", 1)), now(3)), []);
    assert_eq!(watcher.take(Happened::Arrived(passage("y", 1)), now(3)), []);
    let told = watcher.take(mesh(true, &[("a", "silent"), ("b", "live")]), now(9));
    assert_eq!(bodies(&told), [json!({"type": "resync", "rooms": 2})]);
    assert_eq!(kinds(&watcher.take(Happened::Arrived(passage("x", 2)), now(10))), ["member.joined"]);
    assert_eq!(watcher.take(mesh(true, &[("a", "live"), ("b", "live")]), now(11)), []);
    assert_eq!(watcher.take(Happened::Left(passage("x", 2)), now(12)), []);
    let draining = watcher.take(mesh(true, &[("a", "draining"), ("b", "live")]), now(13));
    assert_eq!(bodies(&draining), [json!({"type": "resync", "rooms": 2})]);
    assert_eq!(watcher.take(mesh(true, &[("a", "departed"), ("b", "draining")]), now(14)), []);
    assert_eq!(watcher.take(Happened::Left(passage("x", 1)), now(14)), [], "who goes tells no more");
}

#[test]
fn a_node_that_hears_nobody_tells_after_a_while() {
    let mut watcher = Watcher::new((NodeName::new("b").unwrap(), 7), Vec::new(), Vec::new(), now(0));
    assert_eq!(watcher.take(mesh(false, &[("b", "live")]), now(0)), []);
    assert_eq!(watcher.tick(now(4)), []);
    assert_eq!(kinds(&watcher.tick(now(5))), ["resync"]);
    assert_eq!(watcher.tick(now(6)), []);
}

#[test]
fn thresholds_are_told_after_a_while_and_stand_in_a_resync() {
    let rule = "shop.example/: more than 50 for 30s until 40";
    let mut watcher = telling(&[], &[rule]);
    assert_eq!(kinds(&watcher.take(view("other.example/", 90, 0), now(1))), ["room.occupied"]);
    assert_eq!(kinds(&watcher.take(view("shop.example/p", 51, 0), now(1))), ["room.occupied"]);
    assert_eq!(watcher.tick(now(30)), []);
    let above = watcher.tick(now(31));
    assert_eq!(bodies(&above)[0]["data"], json!({"room": "shop.example/p", "users": 51, "threshold": rule}));
    assert_eq!(kinds(&above), ["room.above"]);
    let Told::Resync { to: Some(3), sync } = &watcher.take(Happened::Stale(3), now(32))[0] else { panic!("a resync") };
    assert!(sync.rooms.contains(&(room("shop.example/p"), vec![rule.to_owned()])), "{sync:?}");
    // All leave: the room is gone at once, the threshold after a while.
    assert_eq!(kinds(&watcher.take(Happened::Forgotten(room("shop.example/p")), now(40))), ["room.vacated"]);
    assert_eq!(watcher.tick(now(69)), []);
    assert_eq!(kinds(&watcher.tick(now(70))), ["room.below"]);
    assert_eq!(watcher.tick(now(700)), []);
}

#[test]
fn only_rooms_that_are_asked_for_are_told_of() {
    let mut watcher = telling(&["shop.example/", "docs.example/"], &[]);
    assert_eq!(watcher.take(Happened::Arrived(passage("other.example/", 1)), now(1)), []);
    assert_eq!(watcher.take(view("other.example/", 5, 0), now(1)), []);
    assert_eq!(watcher.take(Happened::Arrived(passage("docs.example/a", 1)), now(1)).len(), 2);
}

#[test]
fn what_was_missed_is_made_good_from_the_views() {
    let mut watcher = telling(&[], &[]);
    watcher.take(Happened::Arrived(passage("gone", 1)), now(1));
    let empty = views().room_or_empty(&room("new"));
    let all = [
        Arc::new(RoomView { users: 3, ..(*empty).clone() }),
        Arc::new(RoomView { room: room("kept"), ..(*empty).clone() }),
    ];
    assert_eq!(bodies(&watcher.begin_anew(&all)), [json!({"type": "resync", "rooms": 1})]);
    assert_eq!(watcher.take(Happened::Forgotten(room("gone")), now(2)), []);
    assert_eq!(kinds(&watcher.take(view("new", 0, 0), now(2))), ["room.vacated"]);
}
