//! Counts as server-sent events.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::keyed_of;
use crate::common::{SOON, TestServer, within};
use crate::live::Tab;

/// One reader's stream.
struct Events {
    answer: reqwest::Response,
    read: String,
}

impl Events {
    async fn open(server: &TestServer, query: &str) -> Self {
        let answer = server.get(&format!("/api/v1/rooms/events?{query}")).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Self { answer, read: String::new() }
    }

    /// The next event or comment; `None`: the stream has ended.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let block = block.to_owned();
                self.read = rest.to_owned();
                return Some(block);
            }
            let chunk = tokio::time::timeout(SOON, self.answer.chunk()).await.expect("something comes").ok()??;
            self.read.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn counts(&mut self) -> Value {
        loop {
            let block = self.block().await.expect("the stream goes on");
            if let Some(data) = block.lines().find_map(|line| line.strip_prefix("data: ")) {
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}

#[tokio::test]
async fn the_present_counts_are_sent_at_once_and_then_every_change() {
    let (server, _) = keyed_of("shop.example/p", "").await;
    let mut room = Events::open(&server, "room=shop.example/p").await;
    let first = room.block().await.unwrap();
    assert!(first.starts_with("retry: ") && !first.contains("id:"), "{first}");
    let mut below = Events::open(&server, "room=shop.example/").await;
    assert_eq!(below.counts().await["users"], 0);
    let tab = Tab::open(&server, None).await;
    let counts = room.counts().await;
    assert_eq!(json!([counts["room"], counts["users"], counts["looking"]]), json!(["shop.example/p", 1, 1]));
    assert_eq!(below.counts().await["users"], 1);
    drop(tab);
    let mut late = Events::open(&server, "room=shop.example/p").await;
    assert_eq!(late.counts().await["users"], 1, "the user lingers, and the reader is not a visitor");
}

#[tokio::test]
async fn changes_in_quick_succession_are_sent_together() {
    let (server, _) = keyed_of("shop.example/p", "").await;
    let mut room = Events::open(&server, "room=shop.example/p").await;
    room.counts().await;
    let begin = Instant::now();
    let mut tabs = Vec::new();
    let mut heard = 0;
    for _ in 0..12 {
        tabs.push(Tab::open(&server, None).await);
    }
    while room.counts().await["users"] != 12 {
        heard += 1;
    }
    let most = begin.elapsed().as_millis() / 250 + 1;
    assert!(heard <= most, "{heard} in {} ms", begin.elapsed().as_millis());
}

#[tokio::test]
async fn a_stream_ends_after_its_time_and_when_the_node_drains() {
    let server = TestServer::start("--drain-over 10ms").await;
    let begin = Instant::now();
    let mut short = Events::open(&server, "room=demo&seconds=1").await;
    short.counts().await;
    assert_eq!(short.block().await, None);
    assert!(begin.elapsed() >= Duration::from_secs(1));
    let mut long = Events::open(&server, "room=demo").await;
    long.counts().await;
    let drained = tokio::spawn(server.running.drain());
    assert_eq!(long.block().await, None, "its reader reconnects to another node");
    drained.await.unwrap().unwrap();
}

#[tokio::test]
async fn streams_of_one_address_are_bounded() {
    let server = TestServer::start("--sockets-per-address 2").await;
    let first = Events::open(&server, "room=demo").await;
    let _second = Events::open(&server, "room=demo").await;
    assert_eq!(server.get("/api/v1/rooms/events?room=demo").await.status(), 429);
    drop(first);
    within(async || (server.get("/api/v1/rooms/events?room=demo&seconds=1").await.status() == 200).then_some(())).await;
    for wrong in ["", "room=", "room=a&room=b", "room=a&seconds=0", "room=a&seconds=271", "room=a&more=1"] {
        assert_eq!(server.get(&format!("/api/v1/rooms/events?{wrong}")).await.status(), 400, "{wrong}");
    }
}
