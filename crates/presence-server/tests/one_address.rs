//! What one address can do to a node: many connections, many spellings, many paths.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::embed::{Embed, SHOP, users};
use crate::common::{SOON, TestServer};
use crate::embed_limits::signed;

/// Connections that send nothing.
async fn idle(server: &TestServer, count: usize) -> Vec<TcpStream> {
    let mut connections = Vec::new();
    for _ in 0..count {
        connections.push(TcpStream::connect(server.address).await.unwrap());
    }
    connections
}

/// Whether the node has ended a connection; waits for it as long as needed.
async fn is_ended(connection: &mut TcpStream) -> bool {
    let mut bytes = [0; 1];
    tokio::time::timeout(SOON, connection.read(&mut bytes)).await.is_ok_and(|read| !read.is_ok_and(|count| count > 0))
}

#[tokio::test]
async fn idle_connections_keep_no_health_check_out() {
    let server = TestServer::start("--connections 20").await;
    let mut idle = idle(&server, 100).await;
    let begun = Instant::now();
    assert_eq!(server.get("/readyz").await.status(), 200);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert!(is_ended(&mut idle[0]).await, "the oldest idle connection had to end");
}

#[tokio::test]
async fn an_address_at_its_limit_of_connections_ends_its_oldest() {
    let server = TestServer::start("--sockets-per-address 1").await;
    // 64 beside the socket.
    let mut idle = idle(&server, 70).await;
    assert!(is_ended(&mut idle[0]).await && is_ended(&mut idle[4]).await);
    assert_eq!(server.get("/readyz").await.status(), 200);
}

#[tokio::test]
async fn a_node_full_of_sockets_has_a_place_for_checks_from_its_own_machine() {
    let mut config = crate::common::config("--connections 4");
    config.secrets.api_key = Some("a key for the tests".to_owned());
    let server = TestServer::with(config).await;
    let mut sockets = Vec::new();
    for _ in 0..3 {
        sockets.push(server.socket(&[]).await.unwrap());
    }
    let (status, body) = server.refused(&[]).await;
    assert!(status == 503 && body.contains("full"), "{status} {body}");
    // The last place: a request whose body does not come.
    let mut busy = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /api/v1/publish HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer a key for the tests\r\n\
         content-type: application/json\r\ncontent-length: 10\r\n\r\n",
        server.address
    );
    busy.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..5 {
        assert_eq!(server.get("/readyz").await.status(), 200);
        let (status, _) = server.refused(&[]).await;
        assert_eq!(status, 503);
    }
}

#[tokio::test]
async fn all_spellings_of_an_address_are_one_room() {
    let server = TestServer::start(&format!("--site {SHOP}")).await;
    let mut first = Embed::joined(&server, SHOP, "lamp/caf%C3%A9").await;
    let mut second = Embed::joined(&server, SHOP, "/lamp//cafe\u{301}/").await;
    first.users("lamp/caf%C3%A9", 2).await;
    second.users("/lamp//cafe\u{301}/", 2).await;
    for spelling in
        ["shop.example/lamp/caf%25c3%25a9", "Shop.Example/%256Camp/caf%C3%A9", "shop.example:443/lamp/cafe%CC%81"]
    {
        assert_eq!(users(&server, spelling).await, 2, "{spelling}");
    }
    // The answer has the name as asked.
    let answer: Value = server.get("/api/v1/rooms?room=Shop.Example//lamp").await.json().await.unwrap();
    assert_eq!(answer["rooms"][0]["room"], "Shop.Example//lamp");
    for slashes in 1..=5 {
        first.join(&format!("{}x", "/".repeat(slashes)), None).await;
    }
    let (room, status, detail) = first.error().await;
    assert!(room == "/////x" && status == 429 && detail.contains("4 names"), "{room} {status} {detail}");
}

#[tokio::test]
async fn a_roll_up_has_the_home_page_and_without_the_key_no_private_room() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("--site {SHOP} --data-dir {}", folder.path().display());
    let mut config = crate::common::config(&line);
    config.secrets.api_key = Some("a key for the tests".to_owned());
    let server = TestServer::with(config).await;
    let mut home = Embed::joined(&server, SHOP, "/").await;
    home.users("/", 1).await;
    let mut lamp = Embed::joined(&server, SHOP, "lamp").await;
    lamp.users("lamp", 1).await;
    let token = signed(folder.path(), &["private/7", "--site", SHOP]);
    let mut private = Embed::begin(&server, SHOP).await;
    private.join("private/7", Some(&token)).await;
    private.users("private/7", 1).await;
    let keyed = [("authorization", "Bearer a key for the tests")];
    for (headers, expected) in [(&[][..], 2), (&keyed[..], 3)] {
        let answer = server.get_with("/api/v1/rooms?room=shop.example/", headers).await;
        let cached = answer.headers()["cache-control"].to_str().unwrap().to_owned();
        assert_eq!(cached == "no-store", expected == 3);
        let counts: Value = answer.json().await.unwrap();
        assert_eq!(counts["rooms"][0]["users"], json!(expected), "{counts}");
    }
    // Nor are private rooms of the node's own host told.
    let own = format!("/api/v1/rooms?room={}/private/7", server.address);
    assert_eq!(server.get(&own).await.status(), 403);
    assert_eq!(server.get_with(&own, &keyed).await.status(), 200);
}

#[tokio::test]
async fn one_address_asks_for_few_new_paths_and_the_key_for_as_many_as_before() {
    let mut config = crate::common::config("--trusted-proxy 127.0.0.1");
    config.secrets.api_key = Some("a key for the tests".to_owned());
    let server = TestServer::with(config).await;
    let of = async |path: &str, address: &str| {
        server.get_with(&format!("/api/v1/rooms?room={path}/"), &[("x-forwarded-for", address)]).await.status().as_u16()
    };
    let mut refused = 0;
    for number in 0..30 {
        refused += usize::from(of(&format!("mine/{number}"), "192.0.2.1").await == 429);
    }
    assert!(refused > 10, "{refused}");
    let keyed = [("x-forwarded-for", "192.0.2.1"), ("authorization", "Bearer a key for the tests")];
    assert_eq!(server.get_with("/api/v1/rooms?room=keyed/", &keyed).await.status(), 200);
}
