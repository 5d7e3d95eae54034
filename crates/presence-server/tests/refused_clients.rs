//! Clients that may not connect, and are told so by a frame on their socket: a browser shows its page no answer to a refused
//! upgrade.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::common::embed::SHOP;
use crate::common::{SOON, Socket, TestServer, config, within};
use crate::embed_limits::signed;

const ROOM: &str = r#"{"channel":"$pubsub","stream_name":"shop.example/private/7"}"#;

/// Why a socket is refused, and the code of its close frame.
async fn refused(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> (String, u16) {
    let mut socket = server.socket_at(path, headers).await.unwrap();
    assert_eq!(socket.response.headers()["sec-websocket-protocol"], "actioncable-v1-json");
    let told = tokio::time::timeout(SOON, async { [socket.stream.next().await, socket.stream.next().await] });
    let [Some(Ok(Message::Text(text))), Some(Ok(Message::Close(Some(close))))] = told.await.expect("it is told") else {
        panic!("a frame and a close frame")
    };
    let frame: Value = serde_json::from_str(&text).unwrap();
    let reason = frame["reason"].as_str().unwrap().to_owned();
    assert_eq!(text.as_str(), format!(r#"{{"type":"disconnect","reason":"{reason}","reconnect":false}}"#));
    assert!(tokio::time::timeout(SOON, socket.stream.next()).await.expect("it ends").is_none());
    (reason, close.code.into())
}

/// Whether a socket may subscribe to the room of the right token.
async fn opens(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> bool {
    let Socket { mut stream, .. } = server.socket_at(path, headers).await.unwrap();
    let subscribe = json!({"command": "subscribe", "identifier": ROOM});
    stream.send(Message::text(subscribe.to_string())).await.unwrap();
    loop {
        let Message::Text(text) = stream.next().await.expect("the socket is open").unwrap() else { continue };
        match serde_json::from_str::<Value>(&text).unwrap()["type"].as_str().unwrap() {
            "confirm_subscription" => return true,
            "reject_subscription" => return false,
            _ => {}
        }
    }
}

#[tokio::test]
async fn who_needs_a_token_and_has_none_that_is_right_is_told_so_on_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let sites = format!("--site {SHOP} --site https://other.example --data-dir {}", folder.path().display());
    let server = TestServer::with(config(&sites)).await;
    let sign = |site, expires| signed(folder.path(), &["private/7", "--site", site, "--expires", expires]);
    let (right, short, other) = (sign(SHOP, "1h"), sign(SHOP, "1s"), sign("https://other.example", "1h"));
    let mut forged = right.clone();
    forged.replace_range(forged.len() - 1.., if right.ends_with('0') { "1" } else { "0" });
    let path = |token: &str| format!("/cable?jid={token}");
    for origin in ["", SHOP, &server.url("")] {
        let from = [("origin", origin)];
        assert!(opens(&server, &path(&right), &from).await, "{origin}");
        assert!(opens(&server, "/cable", &[from[0], ("x-jid", &right)]).await, "{origin}");
        assert!(opens(&server, &path(&forged), &[from[0], ("x-jid", &right)]).await, "a header counts first");
        for wrong in [&*forged, "junk", "a.b"] {
            assert_eq!(refused(&server, &path(wrong), &from).await, ("unauthorized".to_owned(), 1000), "{origin}");
            let header = [from[0], ("x-jid", wrong)];
            assert_eq!(refused(&server, &path(&right), &header).await.0, "unauthorized", "{origin}");
        }
    }
    for from in [[("origin", "")], [("origin", SHOP)]] {
        assert_eq!(refused(&server, "/cable", &from).await.0, "unauthorized");
        assert_eq!(refused(&server, "/cable?jid=", &from).await.0, "unauthorized");
    }
    assert_eq!(refused(&server, &path(&other), &[("origin", SHOP)]).await.0, "unauthorized", "another site's");
    assert!(!opens(&server, &path(&other), &[("origin", "")]).await, "a program may have any site's");

    // A page of no site is told nothing, whatever it brings.
    for token in [&*right, &*forged, ""] {
        let (status, body) = server.refused_at(&path(token), &[("origin", "https://evil.example")]).await;
        assert!(status == 403 && body.contains("--allowed-origin"), "{status} {body}");
    }
    let expired = async || (!opens_or_expired(&server, &path(&short)).await).then_some(());
    within(expired).await;
    for origin in ["", SHOP, &server.url("")] {
        assert_eq!(refused(&server, &path(&short), &[("origin", origin)]).await.0, "token_expired", "{origin}");
    }
}

/// Whether a program's token still opens a socket.
async fn opens_or_expired(server: &TestServer, path: &str) -> bool {
    let mut socket = server.socket_at(path, &[("origin", "")]).await.unwrap();
    let first = tokio::time::timeout(SOON, socket.stream.next()).await.unwrap().unwrap().unwrap();
    first.to_text().unwrap().contains("welcome")
}

#[tokio::test]
async fn refused_sockets_count_for_their_address_and_end_soon_though_their_clients_do_nothing() {
    let server = TestServer::start("--sockets-per-address 3").await;
    let mut held = Vec::new();
    let begun = Instant::now();
    for _ in 0..3 {
        held.push(server.socket(&[("origin", "")]).await.unwrap());
    }
    let (status, body) = server.refused(&[("origin", "")]).await;
    assert!(status == 429 && body.contains("Too many sockets"), "{status} {body}");
    let _page = within(async || server.socket(&[]).await.ok()).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(8), "{took:?}");
    // One that goes on sending is not read for as long.
    let mut flooding = server.socket(&[("origin", "")]).await.unwrap();
    let flood = async { while flooding.stream.send(Message::text("x".repeat(4_096))).await.is_ok() {} };
    let begun = Instant::now();
    tokio::time::timeout(SOON, flood).await.expect("it is closed");
    assert!(begun.elapsed() < Duration::from_millis(1_500), "{:?}", begun.elapsed());
}
