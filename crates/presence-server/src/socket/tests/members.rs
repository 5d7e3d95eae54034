//! Presence by id: which id others see, who is there, and what a large room is sent.

use std::time::Duration;

use presence_core::{Found, Member, Members as Present, Region, RoomView};

use super::pubsub::{BENCH, ended};
use super::*;
use crate::presence_events::PresenceEvents;
use crate::sites::{EmbedSite, Grant};
use crate::views::Views;

#[tokio::test]
async fn an_id_is_kept_if_the_site_vouches_for_it_and_marked_as_a_guests_if_not() {
    let mut test = TestHub::new("");
    let signed = test.signed("$pubsub", "bench");
    let mut both = [test.extended(Some(user(1))).await.0, test.extended(Some(user(2))).await.0];
    let mut seen = Vec::new();
    for (index, key) in [(0, &*signed), (1, &*signed), (0, BENCH), (1, BENCH)] {
        let browser = &mut both[index];
        browser.confirmed(key).await;
        browser.ask("join", key, "presence", json!({"id": "u1", "info": {"name": "Ann"}})).await;
        seen.push(test.joined().await);
    }
    assert_eq!(seen[0].1, json!({"id": "u1", "info": {"name": "Ann"}}));
    assert_eq!(seen[0], seen[1], "several sessions of one id are one");
    let public = user(1).public(&room("_public/bench"), crate::identity::sha256).long();
    assert_eq!(seen[2].1["id"], format!("guest:{}:u1", &public[..16]));
    let users: std::collections::BTreeSet<_> = seen.iter().map(|(user, _)| *user).collect();
    assert_eq!(users.len(), 3, "no one takes another's id");

    let [mut ann, _bob] = both;
    let error = json!({"identifier": signed, "type": "presence", "message": {"type": "error"}});
    ann.ask("join", &signed, "presence", json!({"id": "u1", "info": "again"})).await;
    ann.ask("join", &signed, "presence", json!({"id": "u2"})).await;
    ann.next_is(&error).await;
    let turbo = test.signed("Turbo::StreamsChannel", "bench");
    ann.confirmed(&turbo).await;
    ann.ask("leave", &signed, "presence", Value::Null).await;
    assert!(matches!(test.input().await, Input::Resigned { connection: ConnectionId(8), .. }));
    for (key, id, info) in [
        (&signed, "guest:0123456789abcdef:u1", Value::Null),
        (&signed, "", Value::Null),
        (&signed, "u1", json!("x".repeat(1_024))),
        (&turbo, "u1", Value::Null),
    ] {
        ann.ask("join", key, "presence", json!({"id": id, "info": info})).await;
        assert_eq!(ann.next().await["message"], json!({"type": "error"}));
    }
    ann.ask("join", &signed, "presence", json!({"id": "u2"})).await;
    assert_eq!(test.joined().await.1, json!({"id": "u2", "info": null}));
    ann.command("unsubscribe", &signed).await;
    assert!(matches!(test.input().await, Input::Resigned { connection: ConnectionId(8), .. }));

    // A dismissed user may join again.
    ann.confirmed(&signed).await;
    ann.ask("join", &signed, "presence", json!({"id": "u3"})).await;
    let Input::Joined { connection, subscription, .. } = test.input().await else { panic!("a join") };
    test.hub.carry_out(Output::Dismiss { connection, subscription });
    ann.next_is(&ended(&signed, "reject_subscription")).await;
    assert_eq!(test.input().await, Input::Unsubscribed { connection, subscription });
    ann.ask("join", &signed, "presence", json!({"id": "u4"})).await;
    assert_eq!(test.joined().await.1["id"], "u4");
}

#[tokio::test]
async fn a_token_opens_its_stream_and_names_its_user() {
    let mut test = TestHub::new("");
    let grant = Grant {
        site: EmbedSite::of("https://shop.example".parse().unwrap()),
        room: room("shop.example/private/7"),
        user: Some("ann".to_owned()),
        info: Some("{}".to_owned()),
    };
    let mut browser = test.connect_with(None, Some(grant.clone())).await;
    browser.next().await;
    let key = r#"{"channel":"$pubsub","stream_name":"shop.example/private/7"}"#;
    browser.confirmed(key).await;
    browser.rejected(r#"{"channel":"$pubsub","stream_name":"shop.example/private/8"}"#).await;
    browser.confirmed(BENCH).await;
    for key in [key, BENCH] {
        browser.ask("join", key, "presence", json!({"id": "bob"})).await;
        assert_eq!(browser.next().await["message"], json!({"type": "error"}));
        browser.ask("join", key, "presence", json!({"id": "ann", "info": "another"})).await;
        let Input::Joined { user, tab, .. } = test.input().await else { panic!("a join") };
        assert_eq!(serde_json::from_slice::<Value>(&tab.info).unwrap(), json!({"id": "ann", "info": {}}));
        assert_eq!(user, test.context.members.signed("ann"));
    }
    let mut guest = test.connect_with(None, Some(Grant { user: None, info: None, ..grant })).await;
    guest.next().await;
    guest.confirmed(key).await;
    guest.ask("join", key, "presence", json!({"id": "any", "info": 1})).await;
    let Input::Joined { tab, .. } = test.input().await else { panic!("a join") };
    assert_eq!(serde_json::from_slice::<Value>(&tab.info).unwrap(), json!({"id": "any", "info": 1}));
}

#[tokio::test]
async fn a_presence_query_is_answered_and_marked_if_members_are_left_out() {
    let mut test = TestHub::new("");
    let (mut browser, _) = test.extended(None).await;
    browser.confirmed(BENCH).await;
    let member = |byte: u8, info: &[u8]| Member {
        public: PublicId([byte; 32]),
        user: user(byte),
        info: info.to_vec(),
        since_ms: 0,
        tabs: 1,
        regions: Vec::new(),
    };
    let all = vec![member(1, br#"{"id":"u1","info":{"name":"Ann"}}"#), member(2, b"")];
    let records = json!([{"id": "u1", "info": {"name": "Ann"}}, {"id": "guest:0202020202020202", "info": null}]);
    for (total, coarse) in [(2, json!({})), (9, json!({"coarse": true}))] {
        browser.ask("presence", BENCH, "data", json!({})).await;
        let Input::Queried { query, .. } = test.input().await else { panic!("a question") };
        let found = Present { total, members: all.clone(), next: None };
        test.context.queries.pending().answer(query, Found::Members(found));
        let mut message = json!({"type": "info", "total": total, "records": records});
        message.as_object_mut().unwrap().extend(coarse.as_object().unwrap().clone());
        browser.next_is(&json!({"identifier": BENCH, "type": "presence", "message": message})).await;
    }
    // Records that would fill the socket's queue are left out.
    let long = format!(r#"{{"id":"u","info":"{}"}}"#, "x".repeat(1_000));
    let many = Present { total: 500, members: vec![member(3, long.as_bytes()); 500], next: None };
    browser.ask("presence", BENCH, "data", json!({})).await;
    let Input::Queried { query, .. } = test.input().await else { panic!("a question") };
    test.context.queries.pending().answer(query, Found::Members(many));
    let message = browser.next().await["message"].take();
    assert!(message["coarse"] == true && message["records"].as_array().unwrap().len() < 80);
}

#[tokio::test]
async fn in_a_large_room_only_the_number_is_sent_once_a_second() {
    let mut test = TestHub::new("");
    let (mut browser, _) = test.extended(None).await;
    browser.confirmed(BENCH).await;
    let views = Arc::new(Views::new(Region::new("ams").unwrap(), presence_core::Place::default(), 0));
    let presence_events = PresenceEvents::new(Arc::clone(&test.hub), Arc::clone(&views), test.context.queries.clone());
    let show = |users: u32| {
        let view = RoomView { users, ..(*views.room_or_empty(&room("_public/bench"))).clone() };
        views.set_room(Arc::new(view));
    };
    let info = br#"{"id":"u1","info":null}"#;
    show(1_000);
    presence_events.joined(&room("_public/bench"), &user(1), info);
    presence_events.left(&room("_public/bench"), &user(1), info);
    presence_events.joined(&room("elsewhere"), &user(1), info);
    assert_eq!(browser.next().await["message"], json!({"type": "join", "id": "u1", "info": null}));
    assert_eq!(browser.next().await["message"], json!({"type": "leave", "id": "u1"}));

    show(1_001);
    let begun = std::time::Instant::now();
    for total in [1_001, 1_006] {
        (0..5).for_each(|_| presence_events.joined(&room("_public/bench"), &user(1), info));
        let Input::Queried { query, .. } = test.input().await else { panic!("a question") };
        let found = Present { total, members: Vec::new(), next: None };
        test.context.queries.pending().answer(query, Found::Members(found));
        let folded = json!({"type": "info", "total": total, "records": [], "coarse": true});
        assert_eq!(browser.next().await["message"], folded);
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn where_events_find_no_room_the_members_are_sent_and_no_message_is_lost() {
    let mut test = TestHub::new("");
    let mut plain = test.open(None).await;
    plain.confirmed(BENCH).await;
    // Enough listeners that a task writes: not before this one waits.
    let mut listening = Vec::new();
    for _ in 0..9 {
        let (mut browser, _) = test.extended(None).await;
        browser.confirmed(BENCH).await;
        listening.push(browser);
    }
    let views = Arc::new(Views::new(Region::new("ams").unwrap(), presence_core::Place::default(), 0));
    let presence_events = PresenceEvents::new(Arc::clone(&test.hub), views, test.context.queries.clone());
    test.publish("bench", &json!("before"));
    (0..10_000).for_each(|_| presence_events.joined(&room("bench"), &user(1), br#"{"id":"u1","info":null}"#));
    test.publish("bench", &json!("after"));
    let members = tokio::spawn(async move {
        let Input::Queried { query, .. } = test.input().await else { panic!("a question") };
        let found = Present { total: 1, members: Vec::new(), next: None };
        test.context.queries.pending().answer(query, Found::Members(found));
        test
    });
    for browser in &mut listening {
        assert_eq!(browser.next().await["message"], "before");
        assert_eq!(browser.next().await["message"], "after");
        assert_eq!(browser.next().await["message"]["type"], "info");
    }
    plain.next_is(&json!({"identifier": BENCH, "message": "before"})).await;
    plain.next_is(&json!({"identifier": BENCH, "message": "after"})).await;
    members.await.unwrap();
}
