//! Which pages may open a socket, and how many sockets there may be.

use crate::common::{TestServer, within};

#[tokio::test]
async fn the_servers_own_page_opens_a_socket() {
    let server = TestServer::start("").await;
    let socket = server.socket(&[]).await.unwrap();
    assert_eq!(socket.response.headers()["sec-websocket-protocol"], "actioncable-v1-json");
    let both = [("sec-websocket-protocol", "actioncable-v1-json, actioncable-v1-ext-json")];
    let socket = server.socket(&both).await.unwrap();
    assert_eq!(socket.response.headers()["sec-websocket-protocol"], "actioncable-v1-ext-json");
}

#[tokio::test]
async fn foreign_origins_are_refused_with_a_sentence() {
    let server = TestServer::start("--allowed-origin https://shop.example.org").await;
    for origin in ["https://evil.example.org", "http://127.0.0.1:1", "null", "http://localhost"] {
        let (status, body) = server.refused(&[("origin", origin)]).await;
        assert_eq!(status, 403);
        assert!(body.contains("--allowed-origin"), "{body}");
    }
    server.socket(&[("origin", "https://shop.example.org")]).await.unwrap();
}

#[tokio::test]
async fn a_client_without_a_known_protocol_is_told_so() {
    let server = TestServer::start("").await;
    let socket = server.socket(&[("sec-websocket-protocol", "other, actioncable-unsupported")]).await.unwrap();
    assert_eq!(socket.response.headers()["sec-websocket-protocol"], "actioncable-unsupported");
    for offered in ["actioncable-v2-json", ""] {
        let (status, body) = server.refused(&[("sec-websocket-protocol", offered)]).await;
        assert!(status == 400 && body.contains("actioncable-v1-json"), "{status} {body}");
    }
}

#[tokio::test]
async fn a_request_that_is_not_a_handshake_is_refused_with_a_sentence() {
    let server = TestServer::start("").await;
    let plain = server.get("/cable").await;
    assert_eq!(plain.status(), 426);
    let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
    let old = server.get_with("/cable", &[upgrade[0], upgrade[1], ("sec-websocket-version", "8")]).await;
    assert!(old.status() == 400 && old.text().await.unwrap().contains("13"));
    let keyless = [upgrade[0], upgrade[1], ("sec-websocket-version", "13"), ("sec-websocket-key", "short")];
    let keyless = server.get_with("/cable", &keyless).await;
    assert!(keyless.status() == 400 && keyless.text().await.unwrap().contains("Sec-WebSocket-Key"));
}

#[tokio::test]
async fn an_address_has_a_limit_of_sockets() {
    let server = TestServer::start("--sockets-per-address 2 --trusted-proxy 127.0.0.1").await;
    let first = server.socket(&[]).await.unwrap();
    let _second = server.socket(&[]).await.unwrap();
    let (status, body) = server.refused(&[]).await;
    assert!(status == 429 && body.contains("Too many sockets"), "{status} {body}");
    let _elsewhere = server.socket(&[("x-forwarded-for", "192.0.2.7")]).await.unwrap();
    drop(first);
    within(async || server.socket(&[]).await.ok()).await;
}

#[tokio::test]
async fn a_node_full_of_sockets_still_answers_health_checks() {
    let server = TestServer::start("--connections 10").await;
    let mut sockets = Vec::new();
    while let Ok(socket) = server.socket(&[]).await {
        sockets.push(socket);
    }
    assert!((8..10).contains(&sockets.len()), "{}", sockets.len());
    let (status, body) = server.refused(&[]).await;
    assert!(status == 503 && body.contains("full"), "{status} {body}");
    assert_eq!(server.get("/readyz").await.status(), 200);
}
