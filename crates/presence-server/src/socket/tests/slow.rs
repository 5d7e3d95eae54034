//! Browsers that read slowly, not at all, or are no longer there.

use std::time::Instant;

use presence_core::{ClickAnswer, ConnectionId, Fragment};
use tokio::io::AsyncReadExt as _;

use super::*;

const CONNECTION: ConnectionId = ConnectionId(8);
const SUBSCRIPTION: SubscriptionId = SubscriptionId(0);

/// A fragment of 8 KiB.
fn large(number: usize) -> Arc<[Fragment]> {
    let html = format!("<p id=\"large\">{number} {}</p>", "x".repeat(8_192));
    [Fragment { id: "large".to_owned(), html, within: None }].into()
}

fn broadcast(test: &TestHub, number: usize) {
    test.hub.draw(Drawn { to: Viewers::Stream(Stream::Room(room("shop"))), fragments: large(number) });
}

fn number(frame: &Value) -> Option<usize> {
    let html = frame["message"]["operations"][0]["html"].as_str()?;
    html.strip_prefix("<p id=\"large\">")?.split_once(' ')?.0.parse().ok()
}

/// Shows the room to a browser that has just joined; it is sent changes from then on.
async fn shown(test: &mut TestHub, browser: &mut Browser) {
    let Input::Joined { connection, subscription, .. } = test.input().await else { panic!("a join") };
    test.hub
        .draw(Drawn { to: Viewers::Subscription { connection, subscription, whole: true }, fragments: drawn("all") });
    assert_eq!(browser.next().await["message"]["operations"][0]["selector"], "#all");
}

async fn joined(test: &mut TestHub, key: &str) -> Browser {
    let mut browser = test.open(Some(user(1))).await;
    browser.confirmed(key).await;
    shown(test, &mut browser).await;
    browser
}

#[tokio::test]
async fn a_slow_browser_loses_fragments_is_shown_the_room_whole_and_keeps_its_answers() {
    let mut test = TestHub::new("");
    let key = test.room_key("shop");
    let mut browser = joined(&mut test, &key).await;
    let reflex_key = test.reflex_key("shop");
    browser.confirmed(&reflex_key).await;
    let answer = |echo: usize| Output::Answer {
        answer: ClickAnswer {
            connection: CONNECTION,
            subscription: SubscriptionId(1),
            echo: format!("\"{echo}\"\n{{\"id\":\"{echo}\""),
        },
        outcome: Outcome::Done,
        kept: false,
    };
    for count in 0..400 {
        broadcast(&test, count);
        if count % 100 == 0 {
            test.hub.carry_out(answer(count));
        }
    }
    let (mut drawn, mut answered) = (Vec::new(), Vec::new());
    while drawn.last() != Some(&1_001) {
        tokio::select! {
            frame = browser.next() => match number(&frame) {
                Some(number) => drawn.push(number),
                None => answered.push(frame["message"]["operations"][0]["reflexId"].as_str().unwrap().to_owned()),
            },
            input = test.input() => {
                // It can take more: it is shown the whole room, and is sent changes from then on.
                let (connection, subscription) = (CONNECTION, SUBSCRIPTION);
                assert_eq!(input, Input::Refreshed { connection, subscription });
                test.hub.draw(Drawn { to: Viewers::Subscription { connection, subscription, whole: true }, fragments: large(1_000) });
                broadcast(&test, 1_001);
            }
        }
    }
    assert!(drawn.is_sorted() && drawn.len() < 300, "{drawn:?}");
    assert!(drawn.ends_with(&[1_000, 1_001]));
    assert_eq!(answered, ["0", "100", "200", "300"]);
}

#[tokio::test]
async fn a_browser_that_takes_nothing_is_closed_and_no_other_waits_for_it() {
    let mut test = TestHub::new("--write-within 1s");
    let key = test.room_key("shop");
    let stuck = joined(&mut test, &key).await;
    let mut others = Vec::new();
    for _ in 0..20 {
        others.push(joined(&mut test, &key).await);
    }
    let begun = Instant::now();
    for count in 0..100 {
        broadcast(&test, count);
        for browser in &mut others {
            assert_eq!(number(&browser.next().await), Some(count));
        }
    }
    assert_eq!(stuck.served.await.unwrap(), CloseReason::Stalled);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let ended = Input::Disconnected { connection: CONNECTION, ended: Ended::Unanswered };
    assert_eq!(test.input().await, ended);
}

#[tokio::test]
async fn a_socket_whose_queue_is_full_of_answers_is_closed() {
    let mut test = TestHub::new("--socket-queue 64kb");
    let key = test.reflex_key("shop");
    let mut browser = test.open(None).await;
    browser.confirmed(&key).await;
    for _ in 0..200 {
        let (connection, subscription) = (CONNECTION, SUBSCRIPTION);
        let echo = format!("\"1\"\n{{\"id\":\"1\",\"url\":\"{}\"", "x".repeat(4_096));
        let answer = ClickAnswer { connection, subscription, echo };
        test.hub.carry_out(Output::Answer { answer, outcome: Outcome::Done, kept: false });
    }
    assert_eq!(browser.served.await.unwrap(), CloseReason::Overflowed);
    assert_eq!(test.input().await, Input::Disconnected { connection: CONNECTION, ended: Ended::Lost });
}

#[tokio::test]
async fn a_browser_that_does_not_answer_pings_is_closed_and_one_that_does_is_not() {
    let mut test = TestHub::new("--probe-every 200ms --pong-within 500ms --ping-every 200ms");
    let mut silent = test.open(None).await;
    let mut alive = test.open(None).await;
    let begun = Instant::now();
    // Reads without the client's library, which would answer.
    let mut bytes = [0; 1_024];
    while silent.stream.get_mut().read(&mut bytes).await.is_ok_and(|count| count > 0) {
        if let Ok(message) = tokio::time::timeout(Duration::ZERO, alive.stream.next()).await {
            assert!(message.is_some());
        }
    }
    assert_eq!(silent.served.await.unwrap(), CloseReason::Unanswered);
    assert!(begun.elapsed() >= Duration::from_millis(400));
    assert_eq!(test.input().await, Input::Disconnected { connection: CONNECTION, ended: Ended::Unanswered });
    assert!(!alive.served.is_finished());
}

#[tokio::test]
async fn pings_are_sent_on_a_quiet_socket_and_measure_the_round_trip() {
    let mut test = TestHub::new("--ping-every 300ms --probe-every 100ms");
    let key = test.room_key("shop");
    let mut browser = test.open(None).await;
    browser.confirmed(&key).await;
    shown(&mut test, &mut browser).await;
    let begun = Instant::now();
    let mut pings = Vec::new();
    while pings.len() < 3 {
        if let Message::Text(text) = browser.stream.next().await.unwrap().unwrap() {
            let frame: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(frame["type"], "ping");
            pings.push(frame["message"].as_u64().unwrap());
        }
    }
    assert!(pings.is_sorted() && begun.elapsed() >= Duration::from_millis(500));
    let mut round_trips = 0;
    while let Ok(input) = test.happened.try_recv() {
        if let Input::Ponged { connection, round_trip_ms } = input {
            assert!(connection == CONNECTION && round_trip_ms < 1_000);
            round_trips += 1;
        }
    }
    assert!(round_trips >= 2, "the page does not listen to its own stream: it is told each time");
    // A busy socket needs none.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(900) {
        broadcast(&test, 1);
        if let Message::Text(text) = browser.stream.next().await.unwrap().unwrap() {
            assert!(!text.contains("\"type\":\"ping\""), "after {:?}", begun.elapsed());
        }
    }
}
