//! Sites that come, change and go while nodes run.

use std::net::UdpSocket;

use clap::Parser as _;
use presence_server::{Secrets, SignRoom};
use serde_json::{Value, json};

use crate::common::embed::{Embed, SHOP};
use crate::common::{TestServer, config, within};

const SECRET: &str = "a secret for tests alone, of thirty-two bytes";
const ADMIN: &str = "a key for the tests";

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    room: SignRoom,
}

/// A token of the shop for a private room, signed with one of its keys.
fn token(number: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), SECRET).unwrap();
    let folder = folder.path().to_str().unwrap();
    let line = ["sign", "private/7", "--site", SHOP, "--key-number", number, "--data-dir", folder];
    Line::parse_from(line).room.token().unwrap()
}

/// A node of a mesh.
pub(crate) async fn node(name: &str, at: &str, peer: &str) -> TestServer {
    let mut config = config(&format!("--node {name} --region {name} --mesh-listen {at} --mesh-peer {peer}"));
    let (secret, api_key) = (Some(SECRET.to_owned()), Some(ADMIN.to_owned()));
    config.secrets = Secrets { secret, api_key, ..Secrets::default() };
    TestServer::with(config).await
}

/// The status of an answer and its JSON.
async fn sites(server: &TestServer, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let url = server.url(&format!("/api/v1/sites{path}"));
    let request = reqwest::Client::new().request(method.parse().unwrap(), url).bearer_auth(ADMIN);
    let request = match body {
        Some(body) => request.json(&body),
        None => request,
    };
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

/// The status with which a socket of a page of this origin is opened: 101, or that of a refusal.
async fn opened(server: &TestServer, origin: &str) -> u16 {
    let headers = [("origin", origin), ("sec-websocket-protocol", "presence-v1")];
    match server.socket_at("/presence", &headers).await {
        Ok(socket) => socket.response.status().as_u16(),
        Err(tokio_tungstenite::tungstenite::Error::Http(refusal)) => refusal.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

/// Waits until a page of the shop may, or may not, open a socket.
async fn until_opened(server: &TestServer, status: u16) {
    within(async || (opened(server, SHOP).await == status).then_some(())).await;
}

/// Whether a token opens its private room.
async fn opens(server: &TestServer, token: &str) -> bool {
    let mut page = Embed::begin(server, SHOP).await;
    page.join("private/7", Some(token)).await;
    page.wanted(|message| match message["type"].as_str() {
        Some("counts") => Some(true),
        Some("error") => Some(false),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn a_site_that_is_set_on_one_node_is_one_on_all_until_it_is_deleted() {
    let free = || format!("quic/{}", UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let (at_ams, at_iad) = (free(), free());
    let (ams, iad) = (node("ams", &at_ams, &at_iad).await, node("iad", &at_iad, &at_ams).await);
    assert_eq!((opened(&iad, SHOP).await, sites(&iad, "GET", "/shop.example", None).await.0), (403, 404));
    let (status, set) = sites(&ams, "PUT", "/shop.example", Some(json!({"rooms_per_site": 1}))).await;
    let expected = json!({"site": SHOP, "source": "api", "rooms_per_site": 1, "users_per_room": null,
        "joins_per_second": null, "keys": [1]});
    assert_eq!((status, &set), (200, &expected));
    assert_eq!(sites(&ams, "GET", "/shop.example", None).await, (200, set), "the node that was asked knows it at once");
    until_opened(&iad, 101).await;
    // Its limits hold there, too.
    let mut page = Embed::joined(&iad, SHOP, "lamp").await;
    page.users("lamp", 1).await;
    page.join("another", None).await;
    assert_eq!(page.error().await.1, 429);
    drop(page);
    // The site's key is turned alone: first both are accepted, then the new one only.
    let (old, new) = (token("1"), token("2"));
    let keys = async |keys: Value| {
        assert_eq!(sites(&ams, "PUT", "/shop.example", Some(json!({"keys": keys}))).await.0, 200);
        let of_iad = async || sites(&iad, "GET", "/shop.example", None).await.1["keys"].clone();
        within(async || (of_iad().await == keys).then_some(())).await;
    };
    assert!(opens(&iad, &old).await && !opens(&iad, &new).await);
    keys(json!([2, 1])).await;
    assert!(opens(&iad, &old).await && opens(&iad, &new).await && opens(&ams, &new).await);
    keys(json!([2])).await;
    assert!(!opens(&iad, &old).await && opens(&iad, &new).await);
    // No secret travels.
    let facts = iad.get_with("/api/v1/facts?room=_sites", &[("authorization", &format!("Bearer {ADMIN}"))]).await;
    let facts: Value = facts.json().await.unwrap();
    assert_eq!(facts["facts"][0]["value"], r#"{"site":"https://shop.example","keys":[2]}"#, "{facts}");
    assert_eq!(sites(&iad, "DELETE", "/shop.example", None).await.0, 204);
    assert_eq!(opened(&iad, SHOP).await, 403);
    until_opened(&ams, 403).await;
}

#[tokio::test]
async fn what_can_not_be_a_site_is_refused_with_a_sentence() {
    let (server, _) = crate::api::keyed("").await;
    for (path, body, status, says) in [
        ("/shop.example", json!({"keys": []}), 200, ""),
        ("/*.shop.example", json!({"users_per_room": 3}), 200, ""),
        ("/localhost:3000?scheme=http", json!({}), 200, ""),
        ("/*", json!({}), 200, ""),
        ("/shop.example", json!({"keys": [1, 2, 3]}), 400, "two different"),
        ("/shop.example", json!({"joins_per_second": 0}), 400, "delete it"),
        ("/shop.example", json!({"rooms": 1}), 400, "rooms_per_site"),
        ("/shop.example%2Flamp", json!({}), 404, "Name the host only: /api/v1/sites/shop.example.\""),
        ("/https://shop.example", json!({}), 404, "Name the host only: /api/v1/sites/shop.example.\""),
        ("/http:%2F%2Fshop.example", json!({}), 404, "Name the host only: /api/v1/sites/shop.example?scheme=http.\""),
        ("/shop.example?scheme=data", json!({}), 404, "This is no site"),
    ] {
        let (answered, answer) = sites(&server, "PUT", path, Some(body)).await;
        assert!(answered == status && answer.to_string().contains(says), "{path}: {answered} {answer}");
    }
    let listed = sites(&server, "GET", "", None).await.1;
    let names: Vec<&str> =
        listed["sites"].as_array().unwrap().iter().map(|site| site["site"].as_str().unwrap()).collect();
    assert_eq!(names, ["*", "http://localhost:3000", "https://*.shop.example", "https://shop.example"]);
}

#[tokio::test]
async fn a_file_is_read_again_and_the_api_goes_before_it_and_it_before_the_command_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sites.json");
    let write = |sites: Value| std::fs::write(&file, sites.to_string()).unwrap();
    write(json!([{"site": SHOP, "rooms_per_site": 7}]));
    let mut config = config(&format!("--site {SHOP} --site https://line.example --sites-file {}", file.display()));
    config.secrets.api_key = Some(ADMIN.to_owned());
    let server = TestServer::with(config).await;
    let shop = async || {
        let site = sites(&server, "GET", "/shop.example", None).await.1;
        (site["source"].as_str().unwrap_or_default().to_owned(), site["rooms_per_site"].clone())
    };
    assert_eq!(shop().await, ("file".to_owned(), json!(7)));
    assert_eq!(sites(&server, "GET", "/line.example", None).await.1["source"], "command_line");
    assert_eq!(sites(&server, "PUT", "/shop.example", Some(json!({"rooms_per_site": 8}))).await.0, 200);
    assert_eq!(shop().await, ("api".to_owned(), json!(8)));
    write(json!([{"site": "https://file.example"}]));
    let reread = std::process::Command::new("kill").args(["-HUP", &std::process::id().to_string()]).status();
    assert!(reread.unwrap().success());
    within(async || (opened(&server, "https://file.example").await == 101).then_some(())).await;
    assert_eq!(shop().await, ("api".to_owned(), json!(8)));
    assert_eq!(sites(&server, "DELETE", "/shop.example", None).await.0, 204);
    assert_eq!(shop().await, ("command_line".to_owned(), Value::Null));
}
