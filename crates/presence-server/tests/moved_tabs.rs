//! A tab that goes on at another node, while the node that it leaves does not know yet that its socket is dead.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use presence_server::Secrets;
use serde_json::{Value, json};

use crate::common::embed::{Embed, SHOP};
use crate::common::{SOON, TestServer, config, within};

/// From when the new socket counts until it alone does. If the other node said nothing it would take 22 s.
const COUNTED_ONCE: Duration = Duration::from_secs(1);

async fn node(name: &str, at: &str, peer: &str) -> TestServer {
    let line = format!("--node {name} --region {name} --site {SHOP} --mesh-listen {at} --mesh-peer {peer}");
    let secret = Some("a secret for tests alone, of thirty-two bytes".to_owned());
    let mut config = config(&line);
    config.secrets = Secrets { secret, ..Secrets::default() };
    TestServer::with(config).await
}

/// A page of a visitor in a room: the visitor's id, if known, comes back.
async fn page(server: &TestServer, id: &Value) -> (Embed, Value) {
    let mut page = Embed::open(server, SHOP, "").await;
    page.say(json!({"type": "hello", "id": id, "tab": "0123456789abcdef"})).await;
    let id = page.wanted(|message| (message["type"] == "welcome").then(|| message["id"].clone())).await;
    page.join("lamp", None).await;
    (page, id)
}

/// The tabs in the room: in all, and by region.
async fn tabs(server: &TestServer) -> (u64, Vec<(String, u64)>) {
    let answer: Value = server.get("/api/v1/rooms?room=shop.example/lamp").await.json().await.unwrap();
    let room = &answer["rooms"][0];
    let region = |region: &Value| (region["region"].as_str().unwrap().to_owned(), region["tabs"].as_u64().unwrap());
    let regions = room["regions"].as_array().into_iter().flatten().map(region).filter(|(_, tabs)| *tabs > 0);
    (room["tabs"].as_u64().unwrap(), regions.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tab_that_goes_on_at_another_node_counts_once() {
    let free = || format!("quic/{}", UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let (here, there) = (free(), free());
    let [first, second] = [node("aaa", &here, &there).await, node("bbb", &there, &here).await];
    let (mut old, id) = page(&first, &Value::Null).await;
    let in_region = |name: &str| (1, vec![(name.to_owned(), 1)]);
    within(async || (tabs(&second).await == in_region("aaa")).then_some(())).await;
    // Its browser reads and answers nothing any more: the node finds that out after 22 s.
    let (_new, _) = page(&second, &id).await;
    let counted =
        within(async || tabs(&second).await.1.iter().any(|(region, _)| region == "bbb").then(Instant::now)).await;
    within(async || (tabs(&first).await == in_region("bbb") && tabs(&second).await == in_region("bbb")).then_some(()))
        .await;
    assert!(counted.elapsed() < COUNTED_ONCE, "after {:?}", counted.elapsed());
    let closed = async { while old.stream.next().await.is_some_and(|message| message.is_ok()) {} };
    tokio::time::timeout(SOON, closed).await.expect("the socket that it left is closed");
}
