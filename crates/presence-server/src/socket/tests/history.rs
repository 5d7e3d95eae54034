//! What a node never had: fetched from another node, or rejected.

use presence_core::{Found, PastMessage, Query};

use super::harness::message_id;
use super::pubsub::{BENCH, OFFSETS_FROM, ended, placed};
use super::*;
use crate::clock::wall_ms;

#[tokio::test]
async fn what_a_node_never_had_is_fetched_before_the_subscription_listens_or_rejected() {
    let mut test = TestHub::new("");
    test.hub.history.set_complete(Some(1));
    let (mut browser, _) = test.extended(None).await;
    let since = wall_ms() / 1_000 - 10;
    let subscribe = json!({"command": "subscribe", "identifier": BENCH, "history": {"since": since, "streams": {}}});
    browser.say(subscribe.to_string()).await;
    browser.answers(&[ended(BENCH, "confirm_subscription")]).await;
    let Input::Queried { query, what: Query::Messages { stream, age_ms } } = test.input().await else { panic!() };
    assert!(stream.as_str() == "bench" && (10_000..=13_000).contains(&age_ms), "{age_ms}");
    // It comes after what was fetched, and once.
    test.publish("bench", &json!("live"));
    let past = PastMessage { id: message_id(), age_ms: 5_000, body: br#""missed""#.to_vec() };
    test.context.queries.pending().answer(query, Found::Messages(Some(vec![past])));
    let missed =
        json!({"identifier": BENCH, "message": "missed", "stream_id": "bench", "epoch": "7", "offset": OFFSETS_FROM});
    browser.answers(&[missed, placed(BENCH, "bench", 1, &json!("live")), ended(BENCH, "confirm_history")]).await;
    test.publish("bench", &json!("after"));
    browser.next_is(&placed(BENCH, "bench", 2, &json!("after"))).await;
    // The next client needs no other node for that.
    let (mut next, _) = test.extended(None).await;
    next.say(subscribe.to_string()).await;
    next.next_is(&ended(BENCH, "confirm_subscription")).await;
    for _ in 0..3 {
        assert_eq!(next.next().await["stream_id"], "bench");
    }
    next.next_is(&ended(BENCH, "confirm_history")).await;

    browser.ask("history", BENCH, "history", json!({"since": since - 60})).await;
    browser.ask("history", BENCH, "history", json!({"since": since - 60})).await;
    let Input::Queried { query, .. } = test.input().await else { panic!("a query") };
    test.context.queries.pending().answer(query, Found::Messages(None));
    browser.answers(&[ended(BENCH, "reject_history")]).await;
    test.publish("bench", &json!("still live"));
    browser.next_is(&placed(BENCH, "bench", 3, &json!("still live"))).await;

    // What is published after the confirmation arrives also if the rest can't be had.
    let (mut late, _) = test.extended(None).await;
    let early = json!({"since": since - 60, "streams": {}});
    let subscribe_late = json!({"command": "subscribe", "identifier": BENCH, "history": early});
    late.say(subscribe_late.to_string()).await;
    late.answers(&[ended(BENCH, "confirm_subscription")]).await;
    let Input::Queried { query, .. } = test.input().await else { panic!("a query") };
    test.publish("bench", &json!("meanwhile"));
    test.context.queries.pending().answer(query, Found::Messages(None));
    late.answers(&[placed(BENCH, "bench", 4, &json!("meanwhile")), ended(BENCH, "reject_history")]).await;
    test.publish("bench", &json!("then"));
    late.next_is(&placed(BENCH, "bench", 5, &json!("then"))).await;

    // One that has ended meanwhile does not listen.
    let (mut gone, _) = test.extended(None).await;
    let chat = r#"{"channel":"$pubsub","stream_name":"chat/1"}"#;
    let subscribe = json!({"command": "subscribe", "identifier": chat, "history": {"since": since, "streams": {}}});
    gone.say(subscribe.to_string()).await;
    gone.next_is(&ended(chat, "confirm_subscription")).await;
    let Input::Queried { query, .. } = test.input().await else { panic!("a query") };
    gone.command("unsubscribe", chat).await;
    gone.rejected("the end").await;
    test.context.queries.pending().answer(query, Found::Messages(Some(Vec::new())));
    test.publish("chat/1", &json!("unheard"));
    gone.rejected("the end").await;
}
