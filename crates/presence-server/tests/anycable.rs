//! What a stock client of the extended protocol said to a server that was written after AnyCable's documents is said to
//! ours, whole: its frames are the recorded ones, but that ids on a public stream say who chose them, and that numbers,
//! epochs and sessions have names of our own.

use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::api::{keyed, publishing::post};
use crate::common::{SOON, Socket, TestServer};

/// The recorded stream.
const STREAM: &str = "chat/1";
/// Our offsets follow this one.
const OFFSETS_FROM: u64 = 1 << 32;
const EXTENDED: [(&str, &str); 1] = [("sec-websocket-protocol", "actioncable-v1-ext-json")];

fn recorded() -> Vec<Value> {
    let file = "../presence-cable/tests/transcripts/40-anycable-extended-history-presence.jsonl";
    let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn publish(server: &TestServer, key: &[(&str, &str)], text: &str) {
    let body = json!({"stream": STREAM, "data": {"text": text}}).to_string();
    assert_eq!(post(server, "/api/v1/publish", key, body).await.0, 202);
}

/// Publishes, and waits until a subscriber gets it: 202 says that it is on its way, not that it is in the history by now.
async fn publish_and_hear(server: &TestServer, key: &[(&str, &str)], text: &str, since: f64) {
    publish(server, key, text).await;
    let mut socket = server.socket_at("/cable", &EXTENDED).await.unwrap();
    let identifier = json!({"channel": "$pubsub", "stream_name": STREAM}).to_string();
    let subscribe = json!({"command": "subscribe", "identifier": identifier, "history": {"since": since}});
    socket.stream.send(Message::text(subscribe.to_string())).await.unwrap();
    while next(&mut socket).await["message"]["text"] != text {}
}

/// The next frame that is no ping.
async fn next(socket: &mut Socket) -> Value {
    let frame = async {
        loop {
            if let Message::Text(text) = socket.stream.next().await.expect("the socket is open").unwrap() {
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["type"] != "ping" {
                    return frame;
                }
            }
        }
    };
    tokio::time::timeout(SOON, frame).await.expect("a frame comes")
}

/// Without what has names of our own.
fn masked(mut frame: Value) -> Value {
    for name in ["sid", "epoch"] {
        if frame[name].is_string() {
            frame[name] = "*".into();
        }
    }
    if let Some(offset) = frame["offset"].as_u64() {
        frame["offset"] = (offset % OFFSETS_FROM).into();
    }
    let event = &mut frame["message"];
    for record in [event.clone()].iter_mut().chain(event["records"].as_array_mut().into_iter().flatten()) {
        unmark(record);
    }
    unmark(event);
    frame
}

fn unmark(record: &mut Value) {
    let own = record["id"].as_str().and_then(|id| id.strip_prefix("guest:")).and_then(|id| id.split_once(':'));
    if let Some((digits, id)) = own.map(|(digits, id)| (digits.to_owned(), id.to_owned())) {
        assert_eq!(digits.len(), 16);
        record["id"] = id.into();
    }
}

/// What a frame of the browser names that it learned from the recorded server.
fn learned(mut said: Value, epoch: &str, since: f64) -> Value {
    if let Some(streams) = said["history"]["streams"].as_object_mut() {
        for position in streams.values_mut() {
            position["epoch"] = epoch.into();
            position["offset"] = (position["offset"].as_u64().unwrap() + OFFSETS_FROM).into();
        }
    }
    if said["history"]["since"].is_u64() {
        said["history"]["since"] = since.into();
    }
    said
}

#[tokio::test]
async fn a_recorded_client_of_the_extended_protocol_gets_the_recorded_frames() {
    let (server, key) = keyed("--public-streams chat/*").await;
    let events = recorded();
    // A node knows nothing of the time before its start.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let (mut sid, mut epoch) = (String::new(), String::new());
    let mut said = 0;
    for socket in 1..=2 {
        // What the browser misses before its first socket, and between the two.
        publish_and_hear(&server, &key, if socket == 1 { "before-connect" } else { "missed" }, since).await;
        let path = if socket == 1 { "/cable".to_owned() } else { format!("/cable?sid={sid}") };
        let mut opened = server.socket_at(&path, &EXTENDED).await.unwrap();
        assert_eq!(opened.response.headers()["sec-websocket-protocol"], "actioncable-v1-ext-json");
        for event in events.iter().filter(|event| event["sock"] == socket) {
            let frame = &event["frame"];
            match event["dir"].as_str().unwrap() {
                "c2s" if frame["command"] != "pong" => {
                    opened.stream.send(Message::text(learned(frame.clone(), &epoch, since).to_string())).await.unwrap();
                    said += 1;
                }
                "c2s" => opened.stream.send(Message::text(frame.to_string())).await.unwrap(),
                "s2c" if frame["type"] == "ping" => {}
                "s2c" => {
                    if frame["message"]["text"] == "live" {
                        publish(&server, &key, "live").await;
                    }
                    let ours = next(&mut opened).await;
                    if let Some(name) = ours["sid"].as_str() {
                        name.clone_into(&mut sid);
                    }
                    if let Some(name) = ours["epoch"].as_str() {
                        name.clone_into(&mut epoch);
                    }
                    assert_eq!(masked(ours), masked(frame.clone()));
                }
                _ => {}
            }
        }
    }
    assert_eq!(said, 8, "everything was said");
}
