//! What one socket may ask of a node, and what a node asks of a socket.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::common::{SOON, TestServer, said, within};

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn next(stream: &mut Stream) -> Message {
    let message = tokio::time::timeout(SOON, stream.next()).await;
    message.expect("a frame comes").expect("the socket is open").expect("the frame is right")
}

async fn next_json(stream: &mut Stream) -> Value {
    loop {
        if let Message::Text(text) = next(stream).await {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

async fn subscribe(stream: &mut Stream, key: &str) {
    let command = json!({"command": "subscribe", "identifier": key});
    stream.send(Message::Text(command.to_string().into())).await.unwrap();
    while next_json(stream).await["type"] != "confirm_subscription" {}
}

/// A socket that joined the page's room, and its key for clicks.
async fn tab(server: &TestServer) -> (Stream, String) {
    let page = server.get("/").await.text().await.unwrap();
    let mut stream = server.socket(&[]).await.unwrap().stream;
    let room = said(&page, "room");
    let reflexes = json!({"channel": "StimulusReflex::Channel", "room": room}).to_string();
    subscribe(&mut stream, &json!({"channel": "CableReady::Stream", "identifier": room}).to_string()).await;
    subscribe(&mut stream, &reflexes).await;
    (stream, reflexes)
}

fn click(key: &str, id: usize, value: &str) -> Message {
    let data = json!({"id": id.to_string(), "target": "Lamp#set", "attrs": {"data-value": value}}).to_string();
    Message::Text(json!({"command": "message", "identifier": key, "data": data}).to_string().into())
}

async fn users(server: &TestServer) -> u64 {
    let room: Value = server.get("/api/v1/rooms/demo").await.json().await.unwrap();
    room["users"].as_u64().unwrap()
}

#[tokio::test]
async fn a_frame_of_16_kib_passes_and_one_byte_more_closes_with_1009() {
    let server = TestServer::start("").await;
    let (mut stream, key) = tab(&server).await;
    stream.send(Message::Text("x".repeat(16_384).into())).await.unwrap();
    stream.send(click(&key, 1, "on")).await.unwrap();
    while next_json(&mut stream).await["identifier"] != *key {}
    stream.send(Message::Text("x".repeat(16_385).into())).await.unwrap();
    let code = loop {
        if let Message::Close(frame) = next(&mut stream).await {
            break u16::from(frame.unwrap().code);
        }
    };
    assert_eq!(code, 1009);
}

#[tokio::test]
async fn the_41st_click_of_a_burst_is_halted_and_none_is_met_with_silence() {
    let server = TestServer::start("").await;
    let (mut stream, key) = tab(&server).await;
    for id in 1..=41 {
        stream.feed(click(&key, id, "on")).await.unwrap();
    }
    stream.flush().await.unwrap();
    let mut halted = Vec::new();
    let mut done = 0;
    while done + halted.len() < 41 {
        let frame = next_json(&mut stream).await;
        let operation = &frame["message"]["operations"][0];
        match operation["name"].as_str() {
            Some("stimulus-reflex:morph-nothing") => done += 1,
            Some("stimulus-reflex:morph-halted") => halted.push(operation["reflexId"].clone()),
            _ => {}
        }
    }
    assert_eq!((done, halted), (40, vec![json!("41")]));
}

#[tokio::test]
async fn who_answers_no_ping_is_closed_and_has_left() {
    let server = TestServer::start("--probe-every 300ms --pong-within 1s").await;
    let (mut stream, _) = tab(&server).await;
    within(async || (users(&server).await == 1).then_some(())).await;
    // Reads without the client's library, which would answer.
    let MaybeTlsStream::Plain(plain) = stream.get_mut() else { panic!("no TLS here") };
    let mut bytes = [0; 4_096];
    while tokio::time::timeout(SOON, plain.read(&mut bytes)).await.unwrap().is_ok_and(|count| count > 0) {}
    within(async || (users(&server).await == 0).then_some(())).await;
}

/// A socket that joins the room, reads nothing and has little room to receive.
async fn stuck(server: &TestServer) -> Stream {
    let page = server.get("/").await.text().await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let plain = socket.connect(server.address).await.unwrap();
    let mut request = format!("ws://{}/cable", server.address).into_client_request().unwrap();
    for (name, value) in
        [("origin", format!("http://{}", server.address)), ("sec-websocket-protocol", "actioncable-v1-json".to_owned())]
    {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let (mut stream, _) = tokio_tungstenite::client_async(request, MaybeTlsStream::Plain(plain)).await.unwrap();
    let key = json!({"channel": "CableReady::Stream", "identifier": said(&page, "room")}).to_string();
    subscribe(&mut stream, &key).await;
    stream
}

#[tokio::test]
async fn a_browser_that_does_not_read_is_closed_while_all_others_get_everything() {
    let server = TestServer::start("--write-within 2s --messages-per-second 1000000 --message-burst 1000000").await;
    let stuck = stuck(&server).await;
    let mut watching = Vec::new();
    for _ in 0..5 {
        watching.push(tab(&server).await.0);
    }
    let (mut clicking, key) = tab(&server).await;
    within(async || (users(&server).await == 7).then_some(())).await;
    let begun = std::time::Instant::now();
    let mut count = 0;
    // Fed until the stuck one is closed: its user is gone 2 s later.
    while users(&server).await == 7 {
        count += 1;
        let value = format!("{count} {}", "x".repeat(4_000));
        clicking.send(click(&key, count, &value)).await.unwrap();
        let seen = format!(">{count} x");
        for stream in watching.iter_mut().chain([&mut clicking]) {
            while !next_json(stream).await.to_string().contains(&seen) {}
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it is closed");
    }
    assert!(count > 30, "{count} values were drawn");
    assert_eq!(users(&server).await, 6);
    drop(stuck);
}
