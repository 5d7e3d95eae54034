//! Streams by name: which subscriptions hear what, history, presence, and sessions that are resumed.

use std::time::Duration;

use presence_core::StreamName;

use super::harness::{message, message_id};
use super::*;

pub(super) const BENCH: &str = r#"{"channel":"$pubsub","stream_name":"bench"}"#;

/// Offsets of what arrived at this node follow this one.
pub(super) const OFFSETS_FROM: u64 = 1 << 32;

fn live(key: &str, body: &Value) -> Value {
    json!({"identifier": key, "message": body})
}

pub(super) fn placed(key: &str, stream: &str, offset: u64, body: &Value) -> Value {
    json!({"identifier": key, "message": body, "stream_id": stream, "epoch": "7", "offset": OFFSETS_FROM + offset})
}

pub(super) fn ended(key: &str, how: &str) -> Value {
    json!({"identifier": key, "type": how})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_once_a_stream_is_confirmed_is_heard() {
    let mut test = TestHub::new("");
    let mut browser = test.open(Some(user(1))).await;
    let (hub, stream) = (Arc::clone(&test.hub), StreamName::new("bench").unwrap());
    let (done, waiting) = std::sync::mpsc::channel::<()>();
    let runtime = tokio::runtime::Handle::current();
    // The session's worker is blocked below: another one has to be awake for timers and sockets.
    let waker = std::thread::spawn(move || {
        while waiting.recv_timeout(Duration::from_millis(10)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            runtime.spawn(async {});
        }
    });
    // Nothing can be published meanwhile, and nothing can begin to listen.
    let held = hub.history.lock(&stream);
    browser.command("subscribe", BENCH).await;
    let early = tokio::time::timeout(Duration::from_millis(200), browser.next()).await;
    drop(held);
    drop(done);
    waker.join().unwrap();
    assert!(early.is_err(), "it is confirmed before it is heard: {early:?}");
    assert_eq!(browser.next().await["type"], "confirm_subscription");
    hub.carry_out(message("bench", "1", false));
    assert_eq!(browser.next().await, live(BENCH, &json!(1)));
}

#[tokio::test]
async fn public_and_signed_streams_are_heard_and_no_others() {
    let mut test = TestHub::new("");
    let (signed, turbo) = (test.signed("$pubsub", "room/1"), test.signed("Turbo::StreamsChannel", "room/1"));
    let mut plain = test.open(Some(user(1))).await;
    let (mut extended, _) = test.extended(Some(user(2))).await;
    for key in [BENCH, &signed, &turbo] {
        plain.confirmed(key).await;
        extended.confirmed(key).await;
    }
    for key in [
        r#"{"channel":"$pubsub","stream_name":"room/1"}"#,
        r#"{"channel":"$pubsub","signed_stream_name":"bench"}"#,
        r#"{"channel":"Turbo::StreamsChannel","signed_stream_name":"InJvb20vMSI=--abc"}"#,
        r#"{"channel":"$pubsub"}"#,
    ] {
        plain.rejected(key).await;
        extended.rejected(key).await;
    }
    let html = json!("<turbo-stream action=\"update\" target=\"a\"></turbo-stream>");
    test.publish("bench", &json!({"text": "hi"}));
    test.publish("room/1", &html);
    test.publish("other", &html);
    plain.next_is(&live(BENCH, &json!({"text": "hi"}))).await;
    extended.next_is(&placed(BENCH, "bench", 1, &json!({"text": "hi"}))).await;
    let mut heard = [plain.next().await, plain.next().await];
    heard.sort_by_key(|frame| frame["identifier"] == turbo);
    assert_eq!(heard, [live(&signed, &html), live(&turbo, &html)]);
    let mut heard = [extended.next().await, extended.next().await];
    heard.sort_by_key(|frame| frame["identifier"] == turbo);
    assert_eq!(heard, [placed(&signed, "room/1", 2, &html), placed(&turbo, "room/1", 2, &html)]);
    extended.command("unsubscribe", &signed).await;
    extended.command("unsubscribe", &turbo).await;
    extended.rejected("the end").await;
    test.publish("room/1", &html);
    test.publish("bench", &json!(1));
    extended.next_is(&placed(BENCH, "bench", 5, &json!(1))).await;
}

#[tokio::test]
async fn a_whisper_goes_to_all_others_but_never_to_a_page_that_would_perform_it() {
    let mut test = TestHub::new("");
    let (turbo, signed) = (test.signed("Turbo::StreamsChannel", "bench"), test.signed("$pubsub", "bench"));
    let (mut ann, _) = test.extended(Some(user(1))).await;
    let mut bob = test.open(Some(user(2))).await;
    for browser in [&mut ann, &mut bob] {
        browser.confirmed(BENCH).await;
        browser.confirmed(&turbo).await;
    }
    bob.confirmed(&signed).await;
    ann.ask("whisper", &turbo, "data", json!("<b>")).await;
    ann.ask("whisper", "{}", "data", json!(1)).await;
    ann.ask("whisper", BENCH, "data", json!({"typing": true})).await;
    let Input::Published { message: said } = test.input().await else { panic!("a whisper") };
    assert!(!said.kept && said.whispered && said.from == Some(ConnectionId(8)) && said.body == br#"{"typing":true}"#);
    test.hub.carry_out(Output::Deliver { message: Arc::new(said), id: message_id() });
    let mut heard = [bob.next().await, bob.next().await];
    heard.sort_by_key(|frame| frame["identifier"] == signed);
    assert_eq!(heard, [BENCH, &signed].map(|key| live(key, &json!({"typing": true}))), "no position: it is not kept");
    test.publish("bench", &json!("after"));
    let heard = [ann.next().await, ann.next().await];
    assert!(heard.iter().all(|frame| frame["message"] == "after" && frame["offset"] == OFFSETS_FROM + 1));
    // What a server publishes is performed, even if it is not kept.
    test.hub.carry_out(message("bench", "\"<b>\"", false));
    let heard = [ann.next().await, ann.next().await];
    assert!(heard.iter().all(|frame| frame["message"] == "<b>" && frame["offset"] == Value::Null));
}

#[tokio::test]
async fn what_was_missed_comes_after_the_confirm_and_before_what_is_live() {
    let mut test = TestHub::new("");
    for n in 1..=3 {
        test.publish("bench", &json!(n));
    }
    let (mut browser, _) = test.extended(None).await;
    let subscribe = |history: Value| json!({"command": "subscribe", "identifier": BENCH, "history": history});
    browser.say(subscribe(json!({"since": 1, "streams": {}})).to_string()).await;
    let all = [1, 2, 3].map(|n| placed(BENCH, "bench", n, &json!(n)));
    browser.answers(&[ended(BENCH, "confirm_subscription")]).await;
    browser.answers(&all).await;
    browser.answers(&[ended(BENCH, "confirm_history")]).await;
    test.publish("bench", &json!(4));
    browser.next_is(&placed(BENCH, "bench", 4, &json!(4))).await;

    let after = |epoch: &str, offset: u64| json!({"since": 1, "streams": {"bench": {"epoch": epoch, "offset": OFFSETS_FROM + offset}}});
    browser.ask("history", BENCH, "history", after("7", 3)).await;
    browser.answers(&[placed(BENCH, "bench", 4, &json!(4)), ended(BENCH, "confirm_history")]).await;
    browser.ask("history", BENCH, "history", after("7", 99)).await;
    browser.answers(&[ended(BENCH, "reject_history")]).await;
    browser.ask("history", BENCH, "history", after("another node's", 99)).await;
    browser.answers(&all).await;
    browser.answers(&[placed(BENCH, "bench", 4, &json!(4)), ended(BENCH, "confirm_history")]).await;
    browser.ask("history", BENCH, "history", json!({"since": 4_000_000_000_u32, "streams": {}})).await;
    browser.answers(&[ended(BENCH, "confirm_history")]).await;

    // A replay larger than its socket's queue is not sent at all.
    (0..10).for_each(|_| test.publish("bench", &json!("x".repeat(30_000))));
    for _ in 0..10 {
        browser.next().await;
    }
    browser.ask("history", BENCH, "history", after("7", 4)).await;
    browser.answers(&[ended(BENCH, "reject_history")]).await;
    // A room is shown whole to a socket that joins it: nothing of it is missed.
    let room = test.room_key("shop");
    browser.say(json!({"command": "subscribe", "identifier": room, "history": after("7", 1)}).to_string()).await;
    browser.answers(&[ended(&room, "confirm_subscription"), ended(&room, "confirm_history")]).await;
}

#[tokio::test]
async fn a_session_is_resumed_after_a_cut_with_what_was_missed_and_as_the_same_user() {
    let mut test = TestHub::new("");
    let room = test.room_key("shop");
    let (mut browser, sid) = test.extended(None).await;
    browser.confirmed(BENCH).await;
    browser.confirmed(&room).await;
    browser.confirmed(r#"{"channel":"$pubsub","stream_name":"chat/1"}"#).await;
    browser.command("unsubscribe", r#"{"channel":"$pubsub","stream_name":"chat/1"}"#).await;
    let Input::Joined { user: guest, .. } = test.input().await else { panic!("a join") };
    test.publish("bench", &json!("seen"));
    browser.next_is(&placed(BENCH, "bench", 1, &json!("seen"))).await;
    // The browser is cut off, and notices before the server does.
    test.publish("bench", &json!("missed"));
    let mut again = test.resume(None, Some(sid.clone())).await;
    let welcome = again.next().await;
    let next = welcome["sid"].as_str().unwrap().to_owned();
    assert_ne!(next, sid);
    let ids = json!([BENCH, room]);
    assert_eq!(welcome, json!({"type": "welcome", "sid": next, "restored": true, "restored_ids": ids}));
    assert_eq!(browser.served.await.unwrap(), CloseReason::Resumed);
    let mut happened = [test.input().await, test.input().await];
    happened.sort_by_key(|input| matches!(input, Input::Joined { .. }));
    assert!(matches!(happened[0], Input::Disconnected { ended: Ended::Closed, .. }), "{happened:?}");
    assert!(matches!(&happened[1], Input::Joined { user, .. } if *user == guest));

    // Until it has said what it knows it is not sent anything out of order.
    test.publish("bench", &json!("live"));
    let history = json!({"since": 1, "streams": {"bench": {"epoch": "7", "offset": OFFSETS_FROM + 1}}});
    again.ask("history", BENCH, "history", history).await;
    let missed = ["missed", "live"].into_iter().zip(2..).map(|(body, n)| placed(BENCH, "bench", n, &json!(body)));
    again.answers(&missed.collect::<Vec<_>>()).await;
    again.answers(&[ended(BENCH, "confirm_history")]).await;
    test.publish("bench", &json!("after"));
    again.next_is(&placed(BENCH, "bench", 4, &json!("after"))).await;

    // A name works once, and only for its own user.
    drop(again);
    assert!(matches!(test.input().await, Input::Disconnected { ended: Ended::Lost, .. }));
    for (owner, sid) in [(None, sid), (Some(user(1)), next.clone()), (None, "junk".to_owned())] {
        let mut stranger = test.resume(owner, Some(sid)).await;
        assert_eq!(stranger.next().await["restored"], Value::Null);
    }
    let mut third = test.resume(None, Some(next)).await;
    assert_eq!(third.next().await["restored_ids"], ids);
}

#[tokio::test]
async fn a_client_that_resumes_without_asking_is_sent_what_came_since() {
    let mut test = TestHub::new("--ping-every 1s --probe-every 100ms");
    let (mut browser, sid) = test.extended(None).await;
    browser.confirmed(BENCH).await;
    test.publish("bench", &json!("before"));
    browser.next().await;
    drop(browser);
    test.input().await;
    let mut again = test.resume(None, Some(sid)).await;
    assert_eq!(again.next().await["restored"], true);
    test.publish("bench", &json!("since"));
    again.answers(&[placed(BENCH, "bench", 2, &json!("since")), ended(BENCH, "confirm_history")]).await;
    test.publish("bench", &json!("live"));
    again.next_is(&placed(BENCH, "bench", 3, &json!("live"))).await;
}

#[tokio::test]
async fn a_pong_in_text_keeps_the_socket_alive() {
    let mut test = TestHub::new("--probe-every 100ms --pong-within 600ms");
    let (browser, _) = test.extended(None).await;
    // Frames are written by hand, since a client library would answer pings.
    let Browser { stream, served } = browser;
    let mut raw = stream.into_inner();
    let text = br#"{"command":"pong"}"#;
    let frame = [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], &text[..]].concat();
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        tokio::io::AsyncWriteExt::write_all(&mut raw, &frame).await.unwrap();
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert!(!served.is_finished());
    assert_eq!(served.await.unwrap(), CloseReason::Unanswered);
}
