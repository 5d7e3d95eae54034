//! Sockets without a node: messages of a browser become inputs, and outputs reach it.

mod extras;
mod flood;
mod harness;
mod history;
mod lamp;
mod members;
mod presence_v1;
mod pubsub;
mod sharing;
mod sizes;
mod slow;
mod tab;
mod third_protocol;

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use presence_cable::action_cable::Version;
use presence_core::{
    ClickAnswer, Drawn, Ended, Outcome, Output, PublicId, Stream, SubscriptionId, Tab, TabId, UserId, Viewers,
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use self::harness::{Browser, TestHub, drawing, drawn, room, user};
use self::lamp::lamp_on;
use super::*;
use crate::identity::{Guest, SignedNames};
use crate::secret::RotatingKeys;

#[tokio::test]
async fn a_join_is_confirmed_listens_and_reaches_the_driver() {
    let mut test = TestHub::new("");
    let key = test.room_key("shop");
    let mut browser = test.open(Some(user(1))).await;
    browser.confirmed(&key).await;
    let joined = Input::Joined {
        connection: ConnectionId(8),
        subscription: SubscriptionId(0),
        room: room("shop"),
        user: user(1),
        tab: Tab { related: Some(Vec::new()), ..Tab::page() },
    };
    assert_eq!(test.input().await, joined);

    let (connection, subscription) = (ConnectionId(8), SubscriptionId(0));
    let broadcast = |hub: &Hub, name, id| {
        hub.draw(Drawn { to: Viewers::Stream(Stream::Room(room(name))), fragments: drawn(id) });
    };
    let show = |hub: &Hub, id, whole| {
        hub.draw(Drawn { to: Viewers::Subscription { connection, subscription, whole }, fragments: drawn(id) });
    };
    // Before it is shown the whole room it is sent no changes: the whole has all of them.
    broadcast(&test.hub, "shop", "old");
    show(&test.hub, "part", false);
    show(&test.hub, "one", true);
    broadcast(&test.hub, "other", "others");
    broadcast(&test.hub, "shop", "all");
    for id in ["part", "one", "all"] {
        assert_eq!(browser.next().await, drawing(&key, id));
    }

    // A repeated subscribe is confirmed again and nothing else happens.
    browser.confirmed(&key).await;
    browser.command("unsubscribe", &key).await;
    assert_eq!(test.input().await, Input::Unsubscribed { connection, subscription });
    test.hub.draw(Drawn { to: Viewers::Stream(Stream::Room(room("shop"))), fragments: drawn("late") });
    browser.confirmed(&key).await;
    assert!(matches!(test.input().await, Input::Joined { subscription: SubscriptionId(1), .. }));

    browser.stream.close(None).await.unwrap();
    assert_eq!(test.input().await, Input::Disconnected { connection, ended: Ended::Closed });
    assert_eq!(browser.served.await.unwrap(), CloseReason::Closed);
    assert_eq!(test.hub.sockets(), 0);
}

#[tokio::test]
async fn what_is_drawn_for_some_dozens_of_pages_is_written_at_once_and_takes_no_task() {
    let mut test = TestHub::new("");
    let key = test.room_key("shop");
    let mut browsers = Vec::new();
    for _ in 0..40 {
        let mut browser = test.open(None).await;
        browser.confirmed(&key).await;
        let Input::Joined { connection, subscription, .. } = test.input().await else { panic!("a join") };
        let to = Viewers::Subscription { connection, subscription, whole: true };
        test.hub.draw(Drawn { to, fragments: drawn("whole") });
        assert_eq!(browser.next().await, drawing(&key, "whole"));
        browsers.push(browser);
    }
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    test.hub.draw(Drawn { to: Viewers::Stream(Stream::Room(room("shop"))), fragments: drawn("lamp") });
    assert_eq!(tasks(), before, "a task would wake a worker that draws nothing");
    for mut browser in browsers {
        assert_eq!(browser.next().await, drawing(&key, "lamp"));
    }
}

#[tokio::test]
async fn a_users_stream_is_that_of_the_sockets_user_whatever_the_name_was_signed_for() {
    let mut test = TestHub::new("");
    let key = test.user_key("shop");
    let mut browser = test.open(Some(user(2))).await;
    browser.confirmed(&key).await;
    assert!(matches!(test.input().await, Input::Listened { user: UserId(id), .. } if id == [2; 32]));
    let (connection, subscription) = (ConnectionId(8), SubscriptionId(0));
    test.hub
        .draw(Drawn { to: Viewers::Subscription { connection, subscription, whole: true }, fragments: drawn("you") });
    assert_eq!(browser.next().await, drawing(&key, "you"));
    for byte in [9, 2] {
        let stream = Stream::User(room("shop"), user(byte));
        test.hub.draw(Drawn { to: Viewers::Stream(stream), fragments: drawn(&format!("of{byte}")) });
    }
    assert_eq!(browser.next().await, drawing(&key, "of2"));
}

#[tokio::test]
async fn without_a_cookie_the_user_is_the_pages_guest_or_a_new_one() {
    let mut test = TestHub::new("");
    let guest = Guest::random();
    let signed = test.names.room(&room("shop"), Some(&guest));
    let guests_key = json!({"channel": "CableReady::Stream", "identifier": signed}).to_string();
    let plain_key = test.room_key("shop");
    let mut seen = Vec::new();
    for (cookie, key) in [(None, &guests_key), (Some(user(3)), &guests_key), (None, &plain_key), (None, &plain_key)] {
        let mut browser = test.open(cookie).await;
        browser.confirmed(key).await;
        let Input::Joined { user, .. } = test.input().await else { panic!("a join") };
        seen.push(user);
        drop(browser);
        assert!(matches!(test.input().await, Input::Disconnected { ended: Ended::Lost, .. }));
    }
    assert_eq!(seen[0], test.names.guest(&guest));
    assert_eq!(seen[1], user(3));
    assert!(seen[2] != seen[3] && !seen[..2].contains(&seen[2]));
}

#[tokio::test]
async fn unsigned_names_and_one_room_too_many_are_rejected() {
    let mut test = TestHub::new("--rooms-per-socket 2");
    let mut browser = test.open(None).await;
    for key in ["a", "b"] {
        browser.confirmed(&test.room_key(key)).await;
    }
    let foreign =
        SignedNames::new(RotatingKeys { signing: [2; 32], accepted: vec![[2; 32]] }, "demo").room(&room("a"), None);
    let users_name = test.names.user(&room("a"), &PublicId([9; 32]), None);
    for key in [
        test.room_key("c"),
        json!({"channel": "CableReady::Stream", "identifier": foreign}).to_string(),
        json!({"channel": "StimulusReflex::Channel", "room": users_name}).to_string(),
        json!({"channel": "StimulusReflex::Channel"}).to_string(),
        json!({"channel": "NoSuchChannel"}).to_string(),
        format!("{{\"channel\":\"{}\"}}", "x".repeat(12_000)),
        "{}".to_owned(),
        "junk".to_owned(),
    ] {
        browser.command("subscribe", &key).await;
        assert_eq!(browser.next().await, json!({"identifier": key, "type": "reject_subscription"}));
    }
    // A room that the socket is in already does not count twice; another one fits after one was left.
    browser.confirmed(&test.room_key("a")).await;
    browser.command("unsubscribe", &test.room_key("b")).await;
    browser.confirmed(&test.room_key("c")).await;
}

#[tokio::test]
async fn a_click_reaches_the_driver_with_its_room_and_is_answered_at_its_subscription() {
    let mut test = TestHub::new("--message-burst 2 --messages-per-second 1");
    let (key, other) = (test.reflex_key("shop"), test.room_key("shop"));
    let mut browser = test.open(Some(user(1))).await;
    browser.confirmed(&key).await;
    browser.click(&other, "none").await;
    for id in ["first", "second", "third"] {
        browser.click(&key, id).await;
    }
    // The third is one too many: it is halted at once, and does not reach the driver.
    let halted = browser.next().await["message"]["operations"][0].take();
    assert_eq!(halted["name"], "stimulus-reflex:morph-halted");
    assert_eq!(halted["reflexId"], "third");
    for id in ["first", "second"] {
        let Input::Clicked { connection, subscription, room, user, echo, writes, trace: None } = test.input().await
        else {
            panic!("a click");
        };
        assert_eq!((room.as_str(), user, writes), ("shop", UserId([1; 32]), Ok(vec![lamp_on()])));
        test.hub.carry_out(Output::Answer {
            answer: ClickAnswer { connection, subscription, echo },
            outcome: Outcome::Done,
            kept: false,
        });
        let done = browser.next().await["message"]["operations"][0].take();
        assert_eq!(done["name"], "stimulus-reflex:morph-nothing");
        assert_eq!(done["stimulusReflex"]["id"], id);
    }
}

#[tokio::test]
async fn junk_is_ignored_and_what_is_against_the_protocol_closes_with_its_code() {
    let mut test = TestHub::new("");
    let mut browser = test.open(None).await;
    for junk in ["", "not json", "[]", "{\"command\":\"bogus\"}", "{\"command\":\"unsubscribe\",\"identifier\":\"{}\"}"]
    {
        browser.say(junk).await;
    }
    browser.command("message", "{}").await;
    browser.confirmed(&test.room_key("a")).await;
    browser.stream.send(Message::Ping(Bytes::from_static(b"there?"))).await.unwrap();
    browser.ponged(b"there?").await;

    let long = "x".repeat(test.hub.limits.frame_size);
    browser.say(long.clone()).await;
    browser.confirmed(&test.room_key("b")).await;
    browser.say(format!("{long}x")).await;
    assert_eq!(closed_with(browser, CloseReason::Size).await, 1009);
    let mut browser = test.open(None).await;
    browser.stream.send(Message::Binary(Bytes::from_static(b"x"))).await.unwrap();
    assert_eq!(closed_with(browser, CloseReason::Binary).await, 1003);
    for (bytes, reason, code) in [
        (&[0x81, 0x01, b'x'][..], CloseReason::Protocol, 1002),
        (&[0x81, 0x81, 0, 0, 0, 0, 0xff], CloseReason::Text, 1007),
    ] {
        let mut browser = test.open(None).await;
        tokio::io::AsyncWriteExt::write_all(browser.stream.get_mut(), bytes).await.unwrap();
        assert_eq!(closed_with(browser, reason).await, code);
    }
}

async fn closed_with(mut browser: Browser, reason: CloseReason) -> u16 {
    let code = loop {
        if let Message::Close(frame) = browser.stream.next().await.unwrap().unwrap() {
            break u16::from(frame.unwrap().code);
        }
    };
    // The browser ends the connection.
    while let Some(Ok(_)) = browser.stream.next().await {}
    drop(browser.stream);
    assert_eq!(browser.served.await.unwrap(), reason);
    code
}

#[tokio::test]
async fn no_click_writes_in_a_room_of_the_servers_own() {
    let mut test = TestHub::new("");
    let key = test.reflex_key("_sites");
    let mut browser = test.open(Some(user(1))).await;
    browser.confirmed(&key).await;
    browser.click(&key, "first").await;
    let Input::Clicked { writes, .. } = test.input().await else { panic!("a click") };
    assert!(matches!(writes, Err(presence_core::ReflexError::Refused(_))), "{writes:?}");
}

#[tokio::test]
async fn a_drain_closes_every_socket_without_a_disconnect_frame_and_takes_clicks_until_then() {
    let mut test = TestHub::new("");
    let key = test.reflex_key("shop");
    let mut browsers = Vec::new();
    for _ in 0..5 {
        let mut browser = test.open(None).await;
        browser.confirmed(&key).await;
        browsers.push(browser);
    }
    let hub = Arc::clone(&test.hub);
    let drain = tokio::spawn(async move { hub.close_all(Duration::from_millis(500)).await });
    // The last of five is closed after 500 ms: until then at least one can click.
    for browser in &mut browsers {
        let data = json!({"id": "1", "target": "Lamp#set"}).to_string();
        let click = json!({"command": "message", "identifier": key, "data": data}).to_string();
        let _closed = browser.stream.send(Message::Text(click.into())).await;
    }
    assert!(matches!(test.input().await, Input::Clicked { .. }));
    for browser in browsers {
        assert_eq!(closed_with(browser, CloseReason::Drained).await, 1001);
    }
    drain.await.unwrap();
    assert_eq!(test.hub.sockets(), 0);
}
