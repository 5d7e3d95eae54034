//! Browsers that send as fast as they can.

use std::time::Instant;

use tokio::io::AsyncWriteExt as _;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Data, OpCode};

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

fn subscribe(key: &str) -> Vec<u8> {
    let command = json!({"command": "subscribe", "identifier": key}).to_string();
    masked(OpCode::Data(Data::Text), command.as_bytes())
}

#[tokio::test]
async fn of_the_pings_of_one_read_the_newest_is_answered() {
    let mut test = TestHub::new("");
    let mut browser = test.open(None).await;
    let bytes = [pings(40), subscribe(BENCH)].concat();
    browser.stream.get_mut().write_all(&bytes).await.unwrap();
    browser.next_is(&json!({"identifier": BENCH, "type": "confirm_subscription"})).await;
    assert_eq!(browser.stream.next().await.unwrap().unwrap(), Message::Pong(Bytes::from_static(&[39])));
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
        let begun = Instant::now();
        let key = test.room_key("shop");
        browser.stream.get_mut().write_all(&[&flood, end, &subscribe(&key)].concat()).await.unwrap();
        browser.next_is(&json!({"identifier": key, "type": "confirm_subscription"})).await;
        let took = begun.elapsed();
        assert!((800..4_000).contains(&took.as_millis()), "{took:?}");
    }
}
