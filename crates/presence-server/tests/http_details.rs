//! Details of HTTP that proxies, health checks and clients of other makers rely on.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::api::keyed;
use crate::common::{SOON, TestServer};

/// The status and the whole answer to bytes as they are.
async fn raw(server: &TestServer, request: &str) -> (u16, String) {
    let mut connection = TcpStream::connect(server.address).await.unwrap();
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let read = async {
        let mut bytes = [0; 4_096];
        while !String::from_utf8_lossy(&answer).contains("\r\n\r\n") {
            match connection.read(&mut bytes).await {
                Ok(count) if count > 0 => answer.extend_from_slice(&bytes[..count]),
                _ => return,
            }
        }
    };
    tokio::time::timeout(SOON, read).await.expect("the node answers");
    let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.unwrap_or_else(|| panic!("no answer to {request:?}: {answer:?}")), answer)
}

#[tokio::test]
async fn a_request_has_one_host_and_that_of_an_absolute_address_counts() {
    let server = TestServer::start("").await;
    for (request, status) in [
        ("GET / HTTP/1.1\r\nhost: localhost\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET /healthz HTTP/1.1\r\n\r\n", 400),
        ("GET /healthz HTTP/1.0\r\n\r\n", 200),
        ("GET / HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: localhost\r\nhost: other.example\r\n\r\n", 400),
        ("GET http://localhost/ HTTP/1.1\r\nhost: other.example\r\n\r\n", 200),
        ("GET http://other.example/ HTTP/1.1\r\nhost: localhost\r\n\r\n", 421),
        ("DELETE /api/v1/mesh HTTP/1.1\r\nhost: other.example\r\n\r\n", 421),
    ] {
        assert_eq!(raw(&server, request).await.0, status, "{request}");
    }
}

#[tokio::test]
async fn errors_name_what_would_be_right_in_their_headers() {
    let (server, _) = keyed("").await;
    for (request, status, header) in [
        ("DELETE /api/v1/mesh HTTP/1.1", 405, "allow: get,head"),
        ("POST / HTTP/1.1", 405, "allow: get, head"),
        ("POST /assets/app-1.js HTTP/1.1", 405, "allow: get, head"),
        ("DELETE /healthz HTTP/1.1", 405, "allow: get,head,options"),
        ("OPTIONS /healthz HTTP/1.1", 204, "allow: get, head, options"),
        ("OPTIONS /readyz HTTP/1.1", 204, "allow: get, head, options"),
        ("GET /api/v1/rooms/busiest HTTP/1.1", 401, "www-authenticate: bearer"),
        ("GET /cable HTTP/1.1", 426, "upgrade: websocket"),
        (
            "GET /cable HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 8",
            400,
            "sec-websocket-version: 13",
        ),
    ] {
        let (found, answer) = raw(&server, &format!("{request}\r\nhost: localhost\r\n\r\n")).await;
        assert!(found == status && answer.contains(&format!("\r\n{header}")), "{request}: {answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_or_malformed_is_refused_at_once_as_what_it_is() {
    let (server, _) = keyed("").await;
    let post = |rest: &str| {
        format!(
            "POST /api/v1/publish HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer a key for the tests\r\n\
             content-type: application/json\r\n{rest}"
        )
    };
    for (rest, status) in [
        // Nothing of the body is sent.
        ("content-length: 9000000000\r\n\r\n", 413),
        ("transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n", 400),
        ("transfer-encoding: chunked\r\n\r\n2\r\n{}x", 400),
        ("transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 400),
    ] {
        let (found, answer) = raw(&server, &post(rest)).await;
        assert_eq!(found, status, "{rest}: {answer}");
    }
    let large = format!("transfer-encoding: chunked\r\n\r\n15000\r\n{}\r\n0\r\n\r\n", "x".repeat(0x15000));
    assert_eq!(raw(&server, &post(&large)).await.0, 413);
}

#[tokio::test]
async fn an_answer_from_a_cache_says_what_it_depends_on() {
    let server = TestServer::start("").await;
    let file = server.get("/presence.js").await;
    let tag = file.headers()["etag"].to_str().unwrap().to_owned();
    let cached = server.get_with("/presence.js", &[("if-none-match", &tag)]).await;
    assert_eq!((cached.status().as_u16(), &cached.headers()["vary"]), (304, &"accept-encoding".parse().unwrap()));
}

#[tokio::test]
async fn a_wrong_key_is_answered_later_each_time_and_the_right_one_at_once() {
    let (server, key) = keyed("").await;
    let begun = std::time::Instant::now();
    for _ in 0..4 {
        let refused = server.get_with("/api/v1/rooms/demo", &[("authorization", "Bearer a wrong key")]).await;
        assert_eq!(refused.status(), 401);
    }
    assert!(begun.elapsed().as_millis() >= 1_000, "0.1, 0.2, 0.3 and 0.4 s");
    let begun = std::time::Instant::now();
    assert_eq!(server.get_with("/api/v1/rooms/demo", &key).await.status(), 200);
    assert!(begun.elapsed().as_millis() < 400, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_proxy_that_is_not_trusted_is_named_before_it_is_at_its_limit() {
    let (server, key) = {
        let mut config = crate::common::config("--sockets-per-address 4");
        config.secrets.api_key = Some("a key for the tests".to_owned());
        (TestServer::with(config).await, [("authorization", "Bearer a key for the tests")])
    };
    let degraded = async |headers: &[(&str, &str)]| {
        let report: Value = server.get_with("/readyz", headers).await.json().await.unwrap();
        report["degraded"].to_string()
    };
    let forwarded = [("x-forwarded-for", "192.0.2.1")];
    let _first = server.socket(&forwarded).await.unwrap();
    assert_eq!(degraded(&[]).await, "[]");
    let _second = server.socket(&forwarded).await.unwrap();
    let (public, keyed) = (degraded(&[]).await, degraded(&key).await);
    assert!(public.contains("X-Forwarded-For") && !public.contains("127.0.0.1"), "{public}");
    assert!(keyed.contains("127.0.0.1"), "{keyed}");
    let _third = server.socket(&forwarded).await.expect("no visitor was refused until then");
}
