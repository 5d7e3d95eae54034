//! The messages that follow from events, in virtual time.

use presence_core::{Mono, NodeView, Region, Report, UserId, Wall};
use serde_json::{Value, json};

use super::*;
use crate::views::Views;

fn room(name: &str) -> Room {
    Room::new(name).unwrap()
}

fn now(second: u64) -> Now {
    Now { mono: Mono(second * 1_000), wall: Wall(1_795_507_200_000 + second * 1_000) }
}

fn visit(name: &str, user: u8) -> RoomVisit {
    RoomVisit { room: room(name), user: UserId([user; 32]), info: Vec::new(), since_ms: 1_795_507_200_000 }
}

fn views() -> Views {
    let place = presence_core::Place { name: "Amsterdam".to_owned(), location: None };
    Views::new(Region::new("ams").unwrap(), place, 0)
}

fn view(name: &str, users: u32, unsure: u32) -> NodeEvent {
    let empty = views().room_or_empty(&room(name));
    NodeEvent::RoomChanged(Arc::new(RoomView { users, unsure, ..(*empty).clone() }))
}

fn mesh(caught_up: bool, nodes: &[(&str, PeerState)]) -> NodeEvent {
    mesh_with_clocks(caught_up, nodes, &[])
}

fn mesh_with_clocks(caught_up: bool, nodes: &[(&str, PeerState)], wrong: &[&str]) -> NodeEvent {
    let region = Region::new("ams").unwrap();
    let node = |(name, state): &(&str, PeerState)| NodeView {
        name: NodeName::new(name).unwrap(),
        region: region.clone(),
        incarnation: 1,
        sequence: 0,
        whole: 0,
        state: *state,
        via: None,
        heard_ms_ago: 0,
        round_trip_ms: None,
        wrong_clock: wrong.contains(name),
        hears_us: true,
        counts_us: true,
    };
    let view = MeshView { nodes: nodes.iter().map(node).collect(), caught_up, ..(*views().mesh()).clone() };
    NodeEvent::MeshChanged(Arc::new(view))
}

/// An app that reports how often each room was drawn, if that is an odd number; in the room `panics` it fails.
fn sold(view: &RoomView) -> Option<Vec<Report>> {
    let reports = (view.version % 2 == 1).then(|| Report::new("sold", &view.version));
    (view.room.as_str() != "panics").then(|| reports.into_iter().collect())
}

/// A room without visitors, as it was drawn for this time.
fn drawn(name: &str, version: u64) -> NodeEvent {
    let empty = views().room_or_empty(&room(name));
    NodeEvent::RoomChanged(Arc::new(RoomView { version, ..(*empty).clone() }))
}

/// The rooms that a resync repeats reports of.
fn reported(actions: &[WebhookAction]) -> Vec<&str> {
    let [WebhookAction::Resync { resync, .. }] = actions else { panic!("a resync, not {actions:?}") };
    let mut rooms: Vec<&str> = resync.reported.iter().map(|reported| reported.room.as_str()).collect();
    rooms.sort_unstable();
    rooms
}

fn watcher(prefixes: Vec<String>, thresholds: Vec<Threshold>) -> Watcher {
    let ask = Arc::new(sold);
    let config = WatcherConfig { node: NodeName::new("b").unwrap(), incarnation: 7, prefixes, thresholds, ask };
    Watcher::new(config)
}

/// A node `b` that is alone and therefore sends.
fn sending(prefixes: &[&str], thresholds: &[&str]) -> Watcher {
    let thresholds = thresholds.iter().map(|rule| rule.parse().unwrap()).collect();
    let prefixes = prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    let mut watcher = watcher(prefixes, thresholds);
    let actions = watcher.handle(mesh(true, &[("b", PeerState::Live)]), now(0));
    assert!(
        matches!(actions.as_slice(), [WebhookAction::Resync { to: None, resync }] if resync.rooms.is_empty()),
        "{actions:?}"
    );
    watcher
}

fn bodies(actions: &[WebhookAction]) -> Vec<Value> {
    let body = |action: &WebhookAction| match action {
        WebhookAction::Send(message) => serde_json::from_slice(&message.body).unwrap(),
        WebhookAction::Resync { resync, .. } => json!({"type": "resync", "rooms": resync.rooms.len()}),
    };
    actions.iter().map(body).collect()
}

fn kinds(actions: &[WebhookAction]) -> Vec<String> {
    bodies(actions).iter().map(|body| body["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_first_arrival_occupies_a_room_and_the_last_leave_vacates_it() {
    let mut watcher = sending(&[], &[]);
    let actions = watcher.handle(NodeEvent::Joined(visit("a", 1)), now(1));
    assert_eq!(kinds(&actions), ["room.occupied", "member.joined"]);
    let data = json!({"room": "a", "users": 1, "reason": "arrived", "above": []});
    assert_eq!(bodies(&actions)[0]["data"], data);
    assert_eq!(kinds(&watcher.handle(view("a", 1, 0), now(1))), [""; 0]);
    assert_eq!(kinds(&watcher.handle(NodeEvent::Joined(visit("a", 2)), now(2))), ["member.joined"]);
    assert_eq!(kinds(&watcher.handle(NodeEvent::Left(visit("a", 1)), now(3))), ["member.left"]);
    assert_eq!(kinds(&watcher.handle(view("a", 0, 1), now(3))), [""; 0], "a user is unsure and has not left");
    assert_eq!(kinds(&watcher.handle(NodeEvent::Left(visit("a", 2)), now(4))), ["member.left"]);
    let vacated = watcher.handle(NodeEvent::RoomForgotten(room("a")), now(4));
    assert_eq!(kinds(&vacated), ["room.vacated"]);
    assert_eq!(bodies(&vacated)[0]["data"], json!({"room": "a", "users": 0, "reason": "left", "above": []}));
    assert_eq!(kinds(&watcher.handle(view("a", 0, 0), now(5))), [""; 0]);
}

#[test]
fn every_node_would_send_the_same_ids() {
    let mut actions = Vec::new();
    for _ in 0..2 {
        let mut watcher = sending(&[], &[]);
        let mut all = watcher.handle(NodeEvent::Joined(visit("a", 1)), now(actions.len() as u64));
        all.extend(watcher.handle(NodeEvent::Left(visit("a", 1)), now(9)));
        all.extend(watcher.handle(view("a", 0, 0), now(9)));
        actions.push(all);
    }
    let ids = |actions: &[WebhookAction]| -> Vec<String> {
        let messages = actions.iter().filter_map(|action| match action {
            WebhookAction::Send(message) => Some(message.id.clone()),
            WebhookAction::Resync { .. } => None,
        });
        messages.collect()
    };
    assert_eq!(ids(&actions[0]).len(), 4);
    assert_eq!(ids(&actions[0]), ids(&actions[1]));
}

#[test]
fn one_node_sends_and_its_successor_starts_with_a_resync() {
    let mut watcher = watcher(Vec::new(), Vec::new());
    assert_eq!(watcher.handle(mesh(false, &[("b", PeerState::Live)]), now(1)), [], "it has not heard the others yet");
    assert_eq!(watcher.handle(mesh(true, &[("a", PeerState::Live), ("b", PeerState::Live)]), now(2)), []);
    assert_eq!(watcher.handle(NodeEvent::Joined(visit("x", 1)), now(3)), []);
    assert_eq!(watcher.handle(NodeEvent::Joined(visit("y", 1)), now(3)), []);
    let actions = watcher.handle(mesh(true, &[("a", PeerState::Silent), ("b", PeerState::Live)]), now(9));
    assert_eq!(bodies(&actions), [json!({"type": "resync", "rooms": 2})]);
    assert_eq!(kinds(&watcher.handle(NodeEvent::Joined(visit("x", 2)), now(10))), ["member.joined"]);
    assert_eq!(watcher.handle(mesh(true, &[("a", PeerState::Live), ("b", PeerState::Live)]), now(11)), []);
    assert_eq!(watcher.handle(NodeEvent::Left(visit("x", 2)), now(12)), []);
    let draining = watcher.handle(mesh(true, &[("a", PeerState::Draining), ("b", PeerState::Live)]), now(13));
    assert_eq!(bodies(&draining), [json!({"type": "resync", "rooms": 2})]);
    assert_eq!(watcher.handle(mesh(true, &[("a", PeerState::Departed), ("b", PeerState::Draining)]), now(14)), []);
    assert_eq!(watcher.handle(NodeEvent::Left(visit("x", 1)), now(14)), [], "a draining node does not send");
}

#[test]
fn a_node_with_a_wrong_clock_sends_only_if_no_other_is_right() {
    let mut watcher = watcher(Vec::new(), Vec::new());
    let both = [("a", PeerState::Live), ("b", PeerState::Live), ("c", PeerState::Silent)];
    assert_eq!(watcher.handle(mesh_with_clocks(true, &both, &[]), now(1)), []);
    assert_eq!(kinds(&watcher.handle(mesh_with_clocks(true, &both, &["a"]), now(2))), ["resync"]);
    assert_eq!(kinds(&watcher.handle(NodeEvent::Joined(visit("x", 2)), now(3))), ["room.occupied", "member.joined"]);
    assert_eq!(watcher.handle(mesh_with_clocks(true, &both, &["a", "b"]), now(4)), []);
    assert_eq!(watcher.handle(NodeEvent::Left(visit("x", 2)), now(5)), [], "of two wrong ones the first sends");
}

#[test]
fn a_node_that_has_just_started_sends_nothing_before_it_knows_what_the_others_do() {
    let mut watcher = watcher(Vec::new(), Vec::new());
    assert_eq!(watcher.handle(mesh(false, &[("b", PeerState::Live), ("c", PeerState::Live)]), now(0)), []);
    assert_eq!(watcher.handle(NodeEvent::Joined(visit("x", 1)), now(1)), [], "it was there before");
    assert_eq!(watcher.tick(now(9)), []);
    let actions = watcher.handle(mesh(true, &[("b", PeerState::Live), ("c", PeerState::Live)]), now(10));
    assert_eq!(bodies(&actions), [json!({"type": "resync", "rooms": 1})]);
    assert_eq!(kinds(&watcher.handle(NodeEvent::Joined(visit("x", 2)), now(11))), ["member.joined"]);
}

#[test]
fn thresholds_are_reported_after_a_while_and_in_a_resync() {
    let rule = "shop.example/: more than 50 for 30s until 40";
    let mut watcher = sending(&[], &[rule]);
    assert_eq!(kinds(&watcher.handle(view("other.example/", 90, 0), now(1))), ["room.occupied"]);
    assert_eq!(kinds(&watcher.handle(view("shop.example/p", 51, 0), now(1))), ["room.occupied"]);
    assert_eq!(watcher.tick(now(30)), []);
    let above = watcher.tick(now(31));
    assert_eq!(bodies(&above)[0]["data"], json!({"room": "shop.example/p", "users": 51, "threshold": rule}));
    assert_eq!(kinds(&above), ["room.above"]);
    let WebhookAction::Resync { to: Some(3), resync } = &watcher.handle(NodeEvent::Stale(3), now(32))[0] else {
        panic!("a resync")
    };
    let occupied = OccupiedRoom { room: room("shop.example/p"), above: vec![rule.to_owned()] };
    assert!(resync.rooms.contains(&occupied), "{resync:?}");
    // All leave: the room is gone at once, the threshold after a while.
    assert_eq!(kinds(&watcher.handle(NodeEvent::RoomForgotten(room("shop.example/p")), now(40))), ["room.vacated"]);
    assert_eq!(watcher.tick(now(69)), []);
    assert_eq!(kinds(&watcher.tick(now(70))), ["room.below"]);
    assert_eq!(watcher.tick(now(700)), []);
}

#[test]
fn only_configured_rooms_are_reported() {
    let mut watcher = sending(&["shop.example/", "docs.example/"], &[]);
    assert_eq!(watcher.handle(NodeEvent::Joined(visit("other.example/", 1)), now(1)), []);
    assert_eq!(watcher.handle(view("other.example/", 5, 0), now(1)), []);
    assert_eq!(watcher.handle(NodeEvent::Joined(visit("docs.example/a", 1)), now(1)).len(), 2);
}

#[test]
fn missed_events_are_replaced_by_a_resync_from_the_views() {
    let mut watcher = sending(&[], &[]);
    watcher.handle(NodeEvent::Joined(visit("gone", 1)), now(1));
    let empty = views().room_or_empty(&room("new"));
    let all = [
        Arc::new(RoomView { users: 3, ..(*empty).clone() }),
        Arc::new(RoomView { room: room("kept"), ..(*empty).clone() }),
    ];
    assert_eq!(bodies(&watcher.restart(&all, now(2))), [json!({"type": "resync", "rooms": 1})]);
    assert_eq!(watcher.handle(NodeEvent::RoomForgotten(room("gone")), now(2)), []);
    assert_eq!(kinds(&watcher.handle(view("new", 0, 0), now(2))), ["room.vacated"]);
}

#[test]
fn what_the_app_reports_is_sent_once_it_has_been_true_for_a_second() {
    let mut watcher = sending(&[], &[]);
    assert_eq!(watcher.handle(drawn("lot", 1), now(1)), []);
    assert_eq!(watcher.handle(drawn("short", 1), now(1)), []);
    assert_eq!(watcher.tick(now(1)), [], "it may be a gap that is being repaired");
    assert_eq!(watcher.handle(drawn("short", 2), now(1)), [], "it is true no longer");
    let sent = watcher.tick(now(2));
    assert_eq!(kinds(&sent), ["report.sold"]);
    assert_eq!(bodies(&sent)[0]["data"], json!({"room": "lot", "value": 1}));
    assert_eq!(watcher.handle(drawn("lot", 1), now(3)), []);
    assert_eq!(watcher.tick(now(9)), [], "it is sent once");
    watcher.handle(drawn("lot", 3), now(10));
    assert_eq!(bodies(&watcher.tick(now(11)))[0]["data"]["value"], 3);
}

#[test]
fn a_node_that_takes_over_repeats_what_is_reported_with_the_same_ids() {
    let mut watcher = watcher(vec!["lot".to_owned()], Vec::new());
    let both = [("a", PeerState::Live), ("b", PeerState::Live)];
    watcher.handle(mesh(true, &both), now(0));
    for name in ["lot", "lot/over", "other"] {
        watcher.handle(drawn(name, 1), now(1));
    }
    assert_eq!(watcher.tick(now(2)), [], "another node sends");
    watcher.handle(drawn("lot/over", 2), now(3));
    watcher.handle(drawn("lot/new", 1), now(3));
    let taken_over = watcher.handle(mesh(true, &[("a", PeerState::Silent), both[1]]), now(3));
    assert_eq!(reported(&taken_over), ["lot"]);
    let WebhookAction::Resync { resync, .. } = &taken_over[0] else { panic!("a resync") };
    let id = |name: &str| WebhookMessage::report_id(&room(name), &Report::new("sold", &1));
    assert_eq!(resync.reported[0].ids, [id("lot")].into());
    assert_eq!(kinds(&watcher.tick(now(4))), ["report.sold"], "what is new follows");
    assert_eq!(reported(&watcher.handle(NodeEvent::Stale(0), now(5))), ["lot", "lot/new"]);
    let missed = views().room_or_empty(&room("lot/missed"));
    assert_eq!(reported(&watcher.restart(&[Arc::new(RoomView { version: 7, ..(*missed).clone() })], now(6))), [""; 0]);
    assert_eq!(bodies(&watcher.tick(now(7)))[0]["data"], json!({"room": "lot/missed", "value": 7}));
}

#[test]
fn a_room_of_which_the_app_fails_keeps_what_it_said() {
    let mut watcher = sending(&[], &[]);
    watcher.handle(drawn("panics", 1), now(1));
    watcher.handle(drawn("lot", 1), now(1));
    watcher.tick(now(2));
    assert_eq!(reported(&watcher.handle(NodeEvent::Stale(0), now(3))), ["lot"]);
    assert_eq!(watcher.handle(NodeEvent::RoomForgotten(room("lot")), now(4)), []);
    assert_eq!(reported(&watcher.handle(NodeEvent::Stale(0), now(5))), [""; 0]);
}
