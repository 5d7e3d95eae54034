//! Any requests to a node: each is answered, and none by an error of the node.

use presence_fuzz::{Property, changed_text};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::common::{SOON, TestServer, config};

const KEY: &str = "the key of a node that is fuzzed";

const TARGETS: [&str; 20] = [
    "/",
    "/rooms/lamp",
    "/cable?sid=a&jid=e30.00",
    "/presence",
    "/presence/events?room=lamp&token=e30.00&visible=true",
    "/embed?room=lamp&show=regions&lang=de&theme=dark&from=https://shop.example",
    "/badge.svg?room=shop.example/lamp&show=users&label=here",
    "/api/v1/rooms?room=demo&room=shop.example/lamp%2F7",
    "/api/v1/rooms?room=shop.example/",
    "/api/v1/rooms/events?room=demo",
    "/api/v1/rooms/members?room=demo&limit=5&after=00",
    "/api/v1/rooms/busiest?below=shop.example/&limit=3",
    "/api/v1/rooms/dismiss",
    "/api/v1/rooms/history?room=shop.example/lamp",
    "/api/v1/facts?room=demo&key=lamp&entry=1-2-3",
    "/api/v1/mesh",
    "/api/v1/publish",
    "/api/openapi.json",
    "/readyz",
    "/assets/app-1.js",
];

const HEADERS: [(&str, &str); 18] = [
    ("Origin", "https://shop.example"),
    ("Origin", "capacitor://localhost"),
    ("Referer", "https://shop.example/lamps?page=2"),
    ("Cookie", "presence=AAAA.BBBB; presence-embed=CCCC.DDDD"),
    ("Accept-Language", "de-AT, en;q=0.5"),
    ("Accept-Encoding", "gzip;q=0.5, br"),
    ("If-None-Match", "W/\"1\", \"2\""),
    ("X-Forwarded-For", "6.6.6.6, 10.0.0.7"),
    ("X-Forwarded-Host", "ams.localhost"),
    ("X-Forwarded-Proto", "https"),
    ("Fly-Region", "iad"),
    ("Content-Type", "application/json"),
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA=="),
    ("Sec-WebSocket-Protocol", "actioncable-v1-json, presence-v1, anycable-token.e30.00"),
    ("Access-Control-Request-Method", "GET"),
];

const BODIES: [&str; 5] = [
    "",
    r#"{"room":"demo","user":"00000000"}"#,
    r#"{"stream":"chat/1","message":{"a":[1,2,3]},"type":"x"}"#,
    r#"[{"stream":"chat/1","data":"text"}]"#,
    r#"{"room":"demo","key":"lamp","entry":null}"#,
];

/// A request's bytes.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let text = |corpus: &[&str]| changed_text(corpus.iter().map(ToString::to_string).collect());
    let target = prop_oneof![select(TARGETS.to_vec()).prop_map(str::to_owned), text(&TARGETS)];
    let values: Vec<&str> = HEADERS.iter().map(|(_, value)| *value).collect();
    let changed = (select(HEADERS.to_vec()), text(&values)).prop_map(|((name, _), value)| (name, value));
    let header = prop_oneof![
        2 => select(HEADERS.to_vec()).prop_map(|(name, value)| (name, value.to_owned())),
        1 => changed,
    ];
    let methods = ["GET", "GET", "GET", "POST", "POST", "DELETE", "OPTIONS", "HEAD", "PUT"];
    let body = prop_oneof![select(BODIES.to_vec()).prop_map(str::to_owned), text(&BODIES)];
    (select(methods.to_vec()), target, vec(header, 0..6), body, any::<bool>()).prop_map(
        |(method, target, headers, body, keyed)| {
            let target: String = target.chars().filter(|c| !c.is_control() && *c != ' ').collect();
            let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
            for (name, value) in headers {
                let value: String = value.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')).collect();
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            if keyed {
                head.push_str(&format!("Authorization: Bearer {KEY}\r\n"));
            }
            format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
        },
    )
}

/// The status of the answer; 0 if the connection ends without one.
async fn status(server: &TestServer, request: &[u8]) -> u16 {
    let asked = async {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = Vec::new();
        while answer.len() < 12 && stream.read_buf(&mut answer).await.unwrap_or(0) > 0 {}
        let line = String::from_utf8_lossy(&answer).into_owned();
        line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    };
    tokio::time::timeout(SOON, asked).await.expect("each request is answered")
}

#[test]
fn any_request_is_answered_and_none_by_a_fault() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let line = "--site https://shop.example --site capacitor://localhost --public-streams chat/* --trusted-proxy 127.0.0.0/8 --edge fly";
    let mut config = config(line);
    config.secrets.api_key = Some(KEY.to_owned());
    let server = runtime.block_on(TestServer::with(config));
    Property::Requests.holds(&request(), |request| {
        let status = runtime.block_on(status(&server, &request));
        let fault = (500..600).contains(&status) && status != 503;
        prop_assert!(!fault, "{status} for {}", String::from_utf8_lossy(&request));
        Ok(())
    });
    assert_eq!(runtime.block_on(status(&server, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")), 200);
}
