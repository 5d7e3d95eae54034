//! Limits of one socket.

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

/// The first value that can be made of the next text messages.
async fn wanted<T>(stream: &mut Stream, mut of: impl FnMut(&Value) -> Option<T>) -> T {
    let next = async {
        loop {
            let message = stream.next().await.expect("the socket is open").expect("the frame is right");
            if let Message::Text(text) = message
                && let Some(wanted) = of(&serde_json::from_str(&text).unwrap())
            {
                return wanted;
            }
        }
    };
    tokio::time::timeout(SOON, next).await.expect("what is wanted comes")
}

async fn close_code(stream: &mut Stream) -> u16 {
    let next = async {
        loop {
            if let Message::Close(frame) = stream.next().await.expect("the socket is open").unwrap() {
                return frame.unwrap().code.into();
            }
        }
    };
    tokio::time::timeout(SOON, next).await.expect("a close frame comes")
}

async fn subscribe(stream: &mut Stream, key: &str) {
    let command = json!({"command": "subscribe", "identifier": key});
    stream.send(Message::Text(command.to_string().into())).await.unwrap();
    wanted(stream, |frame| (frame["type"] == "confirm_subscription").then_some(())).await;
}

/// A socket in the page's room, and its key for clicks.
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
    wanted(&mut stream, |frame| (frame["identifier"] == *key).then_some(())).await;
    stream.send(Message::Text("x".repeat(16_385).into())).await.unwrap();
    assert_eq!(close_code(&mut stream).await, 1009);
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
        let (name, id) = wanted(&mut stream, |frame| {
            let operation = &frame["message"]["operations"][0];
            Some((operation["name"].as_str()?.to_owned(), operation["reflexId"].clone()))
        })
        .await;
        match name.as_str() {
            "stimulus-reflex:morph-nothing" => done += 1,
            "stimulus-reflex:morph-halted" => halted.push(id),
            _ => panic!("{name}"),
        }
    }
    assert_eq!((done, halted), (40, vec![json!("41")]));
}

#[tokio::test]
async fn a_socket_that_answers_no_ping_is_closed_and_has_left() {
    let server = TestServer::start("--probe-every 300ms --pong-within 1s").await;
    let (mut stream, _) = tab(&server).await;
    within(async || (users(&server).await == 1).then_some(())).await;
    // Reads without the client library, which would answer pings.
    let MaybeTlsStream::Plain(plain) = stream.get_mut() else { panic!("no TLS here") };
    let mut bytes = [0; 4_096];
    while tokio::time::timeout(SOON, plain.read(&mut bytes)).await.unwrap().is_ok_and(|count| count > 0) {}
    within(async || (users(&server).await == 0).then_some(())).await;
}

/// A socket that joins the room, reads nothing and has a small receive buffer.
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
async fn a_browser_that_does_not_read_is_closed_and_all_others_get_everything() {
    let server = TestServer::start(
        "--write-within 2s --messages-per-second 1000000 --message-burst 1000000 --bytes-per-second 1024mb",
    )
    .await;
    let stuck = stuck(&server).await;
    let mut watching = Vec::new();
    for _ in 0..5 {
        watching.push(tab(&server).await.0);
    }
    let (mut clicking, key) = tab(&server).await;
    within(async || (users(&server).await == 7).then_some(())).await;
    let begun = std::time::Instant::now();
    let mut count = 0;
    // Sends until the socket that does not read is closed. Its user is gone 2 s later.
    while users(&server).await == 7 {
        count += 1;
        let value = format!("{count} {}", "x".repeat(4_000));
        clicking.send(click(&key, count, &value)).await.unwrap();
        let seen = format!(">{count} x");
        for stream in watching.iter_mut().chain([&mut clicking]) {
            wanted(stream, |frame| frame.to_string().contains(&seen).then_some(())).await;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "it is closed");
    }
    assert!(count > 30, "{count} values were drawn");
    assert_eq!(users(&server).await, 6);
    drop(stuck);
}
