//! What a subscription is sent that asks for history or presence, in either protocol, and guests who come from other nodes.

use presence_cable::PresenceEvent;
use presence_core::{Found, Members as Present, StreamName};

use super::harness::message_id;
use super::pubsub::{BENCH, OFFSETS_FROM, ended};
use super::*;

fn placed(key: &str, offset: u64, body: &str) -> Value {
    json!({"identifier": key, "message": body, "stream_id": "bench", "epoch": "7", "offset": OFFSETS_FROM + offset})
}

fn bare(key: &str, body: &str) -> Value {
    json!({"identifier": key, "message": body})
}

fn presence(key: &str, message: &Value) -> Value {
    json!({"identifier": key, "type": "presence", "message": message})
}

fn tell_that_one_left(test: &TestHub) {
    assert!(test.hub.tell_presence(&StreamName::new("bench").unwrap(), PresenceEvent::Left("u1".to_owned())));
}

/// Answers the next query for members with this many.
async fn answer_members(test: &mut TestHub, total: usize) {
    let Input::Queried { query, .. } = test.input().await else { panic!("a question") };
    let found = Present { total, members: Vec::new(), next: None };
    test.context.queries.pending().answer(query, Found::Members(found));
}

#[tokio::test]
async fn a_plain_subscription_is_sent_positions_once_it_asks_for_history() {
    let mut test = TestHub::new("");
    test.publish("bench", &json!("before"));
    let mut browser = test.open(Some(user(1))).await;
    let wanted = json!({"command": "subscribe", "identifier": BENCH, "history": {"since": 1}});
    browser.say(wanted.to_string()).await;
    let before = placed(BENCH, 1, "before");
    browser.answers(&[ended(BENCH, "confirm_subscription"), before, ended(BENCH, "confirm_history")]).await;

    let mut late = test.open(Some(user(2))).await;
    late.confirmed(BENCH).await;
    test.publish("bench", &json!("live"));
    browser.next_is(&placed(BENCH, 2, "live")).await;
    late.next_is(&bare(BENCH, "live")).await;
    let after = json!({"streams": {"bench": {"epoch": "7", "offset": OFFSETS_FROM + 1}}});
    late.ask("history", BENCH, "history", after).await;
    late.answers(&[placed(BENCH, 2, "live"), ended(BENCH, "confirm_history")]).await;
    test.publish("bench", &json!("after"));
    tell_that_one_left(&test);
    test.publish("bench", &json!("end"));
    // It has asked for no presence.
    for browser in [&mut browser, &mut late] {
        browser.answers(&[placed(BENCH, 3, "after"), placed(BENCH, 4, "end")]).await;
    }
}

#[tokio::test]
async fn a_plain_subscription_is_sent_who_joins_and_leaves_once_it_asks_for_presence() {
    let mut test = TestHub::new("");
    let gone = presence(BENCH, &json!({"type": "leave", "id": "u1"}));
    let mut silent = test.open(Some(user(1))).await;
    silent.confirmed(BENCH).await;
    let mut first = test.open(Some(user(2))).await;
    let wanted = json!({"command": "subscribe", "identifier": BENCH, "presence": {"id": "u1"}});
    first.say(wanted.to_string()).await;
    first.next_is(&ended(BENCH, "confirm_subscription")).await;
    assert!(test.joined().await.1["id"].as_str().unwrap().ends_with(":u1"));
    let mut second = test.open(Some(user(3))).await;
    second.confirmed(BENCH).await;
    second.ask("join", BENCH, "presence", json!({"id": "u2"})).await;
    test.joined().await;
    let mut third = test.open(Some(user(4))).await;
    third.confirmed(BENCH).await;
    third.ask("presence", BENCH, "data", json!({})).await;
    answer_members(&mut test, 2).await;
    third.next_is(&presence(BENCH, &json!({"type": "info", "total": 2, "records": [], "coarse": true}))).await;
    tell_that_one_left(&test);
    test.publish("bench", &json!("end"));
    for browser in [&mut first, &mut second, &mut third] {
        browser.answers(&[gone.clone(), placed(BENCH, 1, "end")]).await;
    }
    silent.next_is(&bare(BENCH, "end")).await;
    second.ask("leave", BENCH, "presence", Value::Null).await;
    assert!(matches!(test.input().await, Input::Resigned { .. }));
    first.command("unsubscribe", BENCH).await;
    assert!(matches!(test.input().await, Input::Resigned { .. }));
    test.publish("bench", &json!("after"));
    second.next_is(&placed(BENCH, 2, "after")).await;
    first.rejected("the end").await;
}

#[tokio::test]
async fn a_turbo_subscription_is_answered_who_is_there_and_no_other_is_sent_more() {
    let mut test = TestHub::new("");
    let turbo = test.signed("Turbo::StreamsChannel", "bench");
    let mut silent = test.extended(Some(user(1))).await.0;
    let (mut extended, sid) = test.extended(Some(user(2))).await;
    let mut plain = test.open(Some(user(3))).await;
    for browser in [&mut silent, &mut extended, &mut plain] {
        browser.confirmed(&turbo).await;
    }
    for browser in [&mut extended, &mut plain] {
        browser.ask("presence", &turbo, "data", json!({})).await;
        answer_members(&mut test, 0).await;
        browser.next_is(&presence(&turbo, &json!({"type": "info", "total": 0, "records": []}))).await;
    }
    tell_that_one_left(&test);
    test.publish("bench", &json!("end"));
    for browser in [&mut extended, &mut plain] {
        browser.answers(&[presence(&turbo, &json!({"type": "leave", "id": "u1"})), placed(&turbo, 1, "end")]).await;
    }
    silent.next_is(&placed(&turbo, 1, "end")).await;

    // It still performs no one's words, and goes on with presence after a cut.
    let mut again = test.resume(Some(user(2)), Some(sid)).await;
    assert_eq!(again.next().await["restored_ids"], json!([turbo]));
    again.ask("history", &turbo, "history", json!({})).await;
    again.next_is(&ended(&turbo, "confirm_history")).await;
    tell_that_one_left(&test);
    again.next_is(&presence(&turbo, &json!({"type": "leave", "id": "u1"}))).await;
    let key = test.signed("$pubsub", "bench");
    silent.confirmed(&key).await;
    silent.ask("whisper", &key, "data", json!("<b>")).await;
    let said = loop {
        if let Input::Published { message } = test.input().await {
            break message;
        }
    };
    test.hub.carry_out(Output::Deliver { message: Arc::new(said), id: message_id() });
    test.publish("bench", &json!("end"));
    again.next_is(&placed(&turbo, 2, "end")).await;
}

/// The id that others see of a guest who joins, and what the welcome says of the session.
async fn guest(test: &mut TestHub, version: Version, sid: Option<String>) -> (Value, String) {
    let mut browser =
        test.connect_as(Visitor { signed: None, user: None, version, sid, grant: None, tab: None, trace: None }).await;
    let welcome = browser.next().await;
    assert_eq!(welcome["restored"], Value::Null);
    browser.confirmed(BENCH).await;
    browser.ask("join", BENCH, "presence", json!({"id": "u1"})).await;
    // The one before may be leaving.
    let joined = loop {
        if let Input::Joined { tab, .. } = test.input().await {
            break tab.info;
        }
    };
    let mut joined: Value = serde_json::from_slice(&joined).unwrap();
    (joined["id"].take(), welcome["sid"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_guest_who_brings_a_session_to_another_node_is_the_same_user() {
    for version in [Version::Extended, Version::Plain] {
        let (mut one, mut other) = (TestHub::new(""), TestHub::new(""));
        let (first, sid) = guest(&mut one, version, None).await;
        let (second, next) = guest(&mut other, version, Some(sid.clone())).await;
        assert_eq!(second, first);
        assert_ne!(next, sid);
        assert_eq!(guest(&mut one, version, Some(next)).await.0, first, "and back");
        let (session, sealed) = sid.split_once('.').unwrap();
        let (id, signature) = sealed.split_once('.').unwrap();
        let changed = |text: &str| format!("{}{}", if text.starts_with('A') { "B" } else { "A" }, &text[1..]);
        let (forged, foreign) = (changed(id), changed(signature));
        for unsealed in [
            session.to_owned(),
            format!("{session}.{id}"),
            format!("{session}.{forged}.{signature}"),
            format!("{session}.{id}.{foreign}"),
            format!("{session}..{signature}"),
            format!(".{}", "A".repeat(9_000)),
        ] {
            let (stranger, _) = guest(&mut other, version, Some(unsealed.clone())).await;
            assert_ne!(stranger, first, "{unsealed}");
        }
        assert_eq!(guest(&mut other, version, Some(format!("junk.{sealed}"))).await.0, first, "the seal counts");
    }
}

#[tokio::test]
async fn a_sealed_guest_is_used_only_where_a_guest_would_be_made() {
    let mut test = TestHub::new("");
    let (as_guest, sid) = guest(&mut TestHub::new(""), Version::Extended, None).await;
    let page = Guest::random();
    let named = json!({"channel": "CableReady::Stream", "identifier": test.names.room(&room("shop"), Some(&page))});
    let mut browser = test.resume(None, Some(sid.clone())).await;
    browser.next().await;
    browser.confirmed(&named.to_string()).await;
    let Input::Joined { user: joined, .. } = test.input().await else { panic!("a join") };
    assert_eq!(joined, test.names.guest(&page), "a page's name says whose page it is");

    let mut known = test.resume(Some(user(5)), Some(sid)).await;
    let welcome = known.next().await;
    assert!(!welcome["sid"].as_str().unwrap().contains('.'), "a cookie goes to every node: {welcome}");
    known.confirmed(BENCH).await;
    known.ask("join", BENCH, "presence", json!({"id": "u1"})).await;
    assert_ne!(test.joined().await.1["id"], as_guest);
}
