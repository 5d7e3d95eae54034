//! Browsers that send as fast as they can.

use std::time::Instant;

use tokio::io::AsyncWriteExt as _;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

use presence_core::Message as Published;

use super::super::action_cable::targets::subscriptions_bytes_max;
use super::pubsub::BENCH;
use super::*;

/// A frame as a browser sends it, with a mask that changes nothing.
fn masked(opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { is_final: true, rsv1: false, rsv2: false, rsv3: false, opcode, mask: Some([0; 4]) };
    let mut bytes = Vec::new();
    header.format(payload.len() as u64, &mut bytes).unwrap();
    bytes.extend(payload);
    bytes
}

fn pings(count: u8) -> Vec<u8> {
    (0..count).flat_map(|number| masked(OpCode::Control(Control::Ping), &[number])).collect()
}

fn command(command: &str, key: &str) -> Vec<u8> {
    let text = json!({"command": command, "identifier": key}).to_string();
    masked(OpCode::Data(Data::Text), text.as_bytes())
}

fn subscribe(key: &str) -> Vec<u8> {
    command("subscribe", key)
}

/// Writes these bytes at once. Returns how many ms it took until subscriptions with these keys were confirmed.
async fn confirmed_ms(browser: &mut Browser, bytes: &[u8], keys: &[&str]) -> u128 {
    let begun = Instant::now();
    browser.stream.get_mut().write_all(bytes).await.unwrap();
    for key in keys {
        browser.next_is(&json!({"identifier": key, "type": "confirm_subscription"})).await;
    }
    begun.elapsed().as_millis()
}

#[tokio::test]
async fn of_the_pings_of_one_read_the_newest_is_answered() {
    let mut test = TestHub::new("");
    let mut browser = test.open(None).await;
    confirmed_ms(&mut browser, &[pings(40), subscribe(BENCH)].concat(), &[BENCH]).await;
    browser.ponged(&[39]).await;
}

/// Adds a parameter of this length that means nothing.
fn padded(key: &str, bytes: usize) -> String {
    format!("{},\"p\":\"{}\"}}", key.strip_suffix('}').unwrap(), "x".repeat(bytes))
}

#[tokio::test]
async fn a_socket_listens_to_a_stream_with_three_keys_at_most_and_a_repeated_one_is_confirmed_again() {
    let mut test = TestHub::new("");
    let mut browser = test.open(Some(user(1))).await;
    for key in [test.room_key("shop"), test.user_key("shop"), test.reflex_key("shop"), BENCH.to_owned()] {
        browser.confirmed(&key).await;
        browser.confirmed(&key).await;
        for bytes in 1..=2 {
            browser.confirmed(&padded(&key, bytes)).await;
        }
        browser.rejected(&padded(&key, 3)).await;
        browser.command("unsubscribe", &key).await;
        browser.confirmed(&padded(&key, 3)).await;
    }
}

#[tokio::test]
async fn keys_are_bounded_each_and_together() {
    let mut test = TestHub::new("--rooms-per-socket 5 --message-burst 100 --bytes-per-second 1mb");
    let mut browser = test.open(Some(user(1))).await;
    browser.rejected(&padded(&test.room_key("shop"), 1_025)).await;
    let most = subscriptions_bytes_max(&test.hub.limits);
    assert_eq!(most, 5 * 1_024 + 10_240);
    let (mut bytes, mut confirmed) = (0, 0);
    for stream in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o"] {
        // Every backslash doubles when the key is quoted.
        let key =
            json!({"channel": "$pubsub", "stream_name": format!("chat/{stream}"), "p": "\\".repeat(400)}).to_string();
        bytes += presence_cable::action_cable::prefix(&key).len() + "chat/a".len() + 704;
        if bytes <= most {
            confirmed += 1;
            browser.confirmed(&key).await;
        } else {
            browser.rejected(&key).await;
        }
    }
    assert!((5..15).contains(&confirmed), "{confirmed}");
}

#[tokio::test]
async fn control_frames_and_messages_have_a_rate_in_bytes() {
    let whispers = |count| {
        let whisper = json!({"command": "whisper", "identifier": BENCH, "data": "x".repeat(8_000)}).to_string();
        masked(OpCode::Data(Data::Text), whisper.as_bytes()).repeat(count)
    };
    let parts = |count| [0x01, 0x80, 0, 0, 0, 0].into_iter().chain([0, 0x80, 0, 0, 0, 0].repeat(count)).collect();
    // 64 KB pass at once; the others take a second.
    let floods: [(Vec<u8>, &[u8]); 3] = [(pings(80), &[]), (whispers(10), &[]), (parts(80), &[0x80, 0x80, 0, 0, 0, 0])];
    for (flood, end) in floods {
        let mut test = TestHub::new("");
        let mut browser = test.open(None).await;
        browser.confirmed(BENCH).await;
        let key = test.room_key("shop");
        let took_ms = confirmed_ms(&mut browser, &[&flood, end, &subscribe(&key)].concat(), &[&key]).await;
        assert!((800..4_000).contains(&took_ms), "{took_ms} ms");
    }
}

/// At 10 requests a second after 40, the last of these would wait for 6 s or more.
#[tokio::test]
async fn a_page_with_100_streams_subscribes_to_all_at_once_and_repeats_cost_it_nothing() {
    let mut test = TestHub::new("--bytes-per-second 1mb");
    let mut browser = test.open(Some(user(1))).await;
    let keys: Vec<String> = (0..100).map(|number| test.reflex_key(&format!("shop/{number}"))).collect();
    let keys: Vec<&str> = keys.iter().flat_map(|key| [key.as_str(); 3]).collect();
    let commands: Vec<u8> = keys.iter().flat_map(|key| subscribe(key)).collect();
    let took_ms = confirmed_ms(&mut browser, &commands, &keys).await;
    assert!(took_ms < 3_000, "{took_ms} ms");
}

#[tokio::test]
async fn the_end_of_a_subscription_costs_nothing() {
    let mut test = TestHub::new("--bytes-per-second 1mb");
    let mut browser = test.open(Some(user(1))).await;
    let key = test.room_key("shop");
    let commands = [subscribe(&key), command("unsubscribe", &key).repeat(200), subscribe(&key)].concat();
    let took_ms = confirmed_ms(&mut browser, &commands, &[key.as_str(); 2]).await;
    assert!(took_ms < 3_000, "{took_ms} ms");
}

#[tokio::test]
async fn new_subscriptions_have_a_rate_after_as_many_as_a_socket_may_have() {
    let mut test = TestHub::new("--bytes-per-second 1mb --rooms-per-socket 50");
    let mut browser = test.open(Some(user(1))).await;
    let key = test.reflex_key("shop");
    let commands = [subscribe(&key), command("unsubscribe", &key)].concat().repeat(65);
    let took_ms = confirmed_ms(&mut browser, &commands, &[key.as_str(); 65]).await;
    assert!((800..4_000).contains(&took_ms), "{took_ms} ms");
}

#[tokio::test]
async fn an_address_at_every_limit_costs_at_most_512_mb() {
    let test = TestHub::new("");
    let limits = &test.hub.limits;
    // The rest of a frame that was written in part holds all of it, unless it is shared: that is one of two sockets' at most.
    let waits = limits.socket_queue + Published::BODY_BYTES_MAX / 2;
    let read = limits.frame_size + (limits.frame_size + HEADER_BYTES_MAX + READ_BYTES);
    let subscriptions = subscriptions_bytes_max(limits) + resumable::SESSION_BYTES_MAX;
    let socket = waits + read + subscriptions + 4_096;
    assert!(socket <= 512 * 1_024, "{socket}");
    assert!(socket * limits.sockets_per_address <= 512 * 1_024 * 1_024);
}
