//! Private rooms, tokens, and the limits of sites and pages.

use std::path::Path;

use clap::Parser as _;
use presence_server::SignRoom;
use serde_json::{Value, json};

use crate::common::embed::{Embed, SHOP, users};
use crate::common::{SOON, TestServer, within};

#[derive(clap::Parser)]
struct Line {
    #[command(flatten)]
    sign: SignRoom,
}

/// The token that `global-presence sign` prints with these arguments, for a node with its secret in this folder.
pub(crate) fn signed(folder: &Path, words: &[&str]) -> String {
    let folder = ["--data-dir", folder.to_str().unwrap()];
    let line = ["sign"].iter().chain(words).chain(&folder);
    Line::try_parse_from(line).unwrap().sign.token().unwrap()
}

/// A node for `SHOP` and another site, and the folder of its secret.
async fn server(more: &str) -> (TestServer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("--site {SHOP} --site https://other.example --data-dir {} {more}", folder.path().display());
    (TestServer::start(&line).await, folder)
}

async fn members(server: &TestServer, room: &str) -> Value {
    let path = format!("/api/v1/rooms/members?room={room}");
    let asked = reqwest::Client::new().get(server.url(&path)).bearer_auth("a key for the tests").send().await.unwrap();
    asked.json().await.unwrap()
}

#[tokio::test]
async fn a_private_room_needs_the_sites_token_for_it() {
    let (server, folder) = server("").await;
    let sign = |room, site| signed(folder.path(), &[room, "--site", site]);
    let mut page = Embed::begin(&server, SHOP).await;
    let right = sign("private/7", SHOP);
    let wrong = [
        None,
        Some(String::new()),
        Some("x.y".to_owned()),
        Some(format!("{right}0")),
        Some(right.replace('.', "A.")),
        Some(sign("private/8", SHOP)),
        Some(sign("other.example/private/7", "https://other.example")),
        Some(sign("private/7", "https://other.example")),
        Some(signed(tempfile_secret().path(), &["private/7", "--site", SHOP])),
    ];
    for token in &wrong {
        page.join("private/7", token.as_deref()).await;
        let (room, status, detail) = page.error().await;
        assert!(room == "private/7" && status == 403, "{token:?}: {status} {detail}");
    }
    page.join("private/7", Some(&right)).await;
    assert_eq!(page.counts("private/7").await["users"], 0, "a refused join leaves nothing behind");
    page.users("private/7", 1).await;
    let mut short = Embed::begin(&server, SHOP).await;
    let brief = signed(folder.path(), &["private/7", "--site", SHOP, "--expires", "1s"]);
    // The token opens the room until it expires.
    let refused = loop {
        short.join("private/7", Some(&brief)).await;
        let answer = short.wanted(|message| Some(message.clone())).await;
        if answer["type"] == "error" {
            break answer;
        }
        short.say(json!({"type": "leave", "room": "private/7"})).await;
    };
    assert!(refused["status"] == 403 && refused["detail"].to_string().contains("expired"), "{refused}");
}

#[tokio::test]
async fn the_counts_of_a_private_room_need_the_key() {
    let mut settings = crate::common::config(&format!("--site {SHOP}"));
    settings.secrets.api_key = Some("a key for the tests".to_owned());
    let server = TestServer::with(settings).await;
    for path in [
        "/api/v1/rooms?room=lamp&room=shop.example/private/7",
        "/api/v1/rooms/shop.example%2Fprivate%2F7",
        "/api/v1/rooms?room=shop.example/private/",
        "/api/v1/rooms/events?room=shop.example/private/7&seconds=1",
    ] {
        assert_eq!(server.get(path).await.status(), 403, "{path}");
        let read = server.get_with(path, &[("authorization", "Bearer a key for the tests")]).await;
        assert_eq!((read.status().as_u16(), read.headers()["cache-control"].to_str().unwrap()), (200, "no-store"));
    }
    assert_eq!(server.get("/api/v1/rooms?room=shop.example/lamp").await.status(), 200);
    assert_eq!(server.get("/api/v1/rooms?room=elsewhere.example/private/7").await.status(), 403);
}

/// A folder with another node's secret.
fn tempfile_secret() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("secret"), [7; 32]).unwrap();
    folder
}

#[tokio::test]
async fn a_signed_user_is_one_on_all_devices_and_can_not_be_forged() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("--site {SHOP} --data-dir {}", folder.path().display());
    let mut settings = crate::common::config(&line);
    settings.secrets.api_key = Some("a key for the tests".to_owned());
    let server = TestServer::with(settings).await;
    let ada = signed(folder.path(), &["lamp", "--site", SHOP, "--user", "ada", "--info", r#"{"name":"Ada"}"#]);
    let mut phone = Embed::begin(&server, SHOP).await;
    phone.join("lamp", Some(&ada)).await;
    phone.users("lamp", 1).await;
    let mut desk = Embed::begin(&server, SHOP).await;
    desk.join("lamp", Some(&ada)).await;
    let both = desk.wanted(|message| (message["tabs"] == 2).then(|| message.clone())).await;
    assert_eq!(both["users"], 1);
    // Visitors without a token are other users, and so is another signed user of the site.
    let mut stranger = Embed::open(&server, SHOP, "").await;
    stranger.hello(Some("ada")).await;
    stranger.join("lamp", None).await;
    desk.users("lamp", 2).await;
    let mut bob = Embed::begin(&server, SHOP).await;
    bob.join("lamp", Some(&signed(folder.path(), &["lamp", "--site", SHOP, "--user", "bob"]))).await;
    desk.users("lamp", 3).await;
    let members = members(&server, "shop.example/lamp").await;
    let infos: Vec<&Value> = members["members"].as_array().unwrap().iter().map(|member| &member["info"]).collect();
    assert_eq!(infos.iter().filter(|info| ***info == json!({"name": "Ada"})).count(), 1, "{members}");
    // A browser with a token and the same browser without one are two users.
    phone.say(json!({"type": "leave", "room": "lamp"})).await;
    phone.join("lamp", None).await;
    desk.users("lamp", 4).await;
}

#[tokio::test]
async fn a_page_has_a_limit_of_a_hundred_rooms() {
    let (server, _folder) = server("").await;
    let mut page = Embed::begin(&server, SHOP).await;
    for number in 0..101 {
        page.join(&format!("product/{number}"), None).await;
    }
    let (room, status, detail) = page.error().await;
    assert!(room == "product/100" && status == 429 && detail.contains("100 rooms"), "{room} {status} {detail}");
    assert_eq!(users(&server, "shop.example/product/100").await, 0);
    within(async || (users(&server, "shop.example/product/99").await == 1).then_some(())).await;
    // After a room is left, another one may be joined.
    page.say(json!({"type": "leave", "room": "product/7"})).await;
    page.join("product/100", None).await;
    page.users("product/100", 1).await;
}

#[tokio::test]
async fn each_site_has_its_own_limit_of_rooms() {
    let (server, _folder) = server("--rooms-per-site 2").await;
    let mut page = Embed::joined(&server, SHOP, "1").await;
    page.join("2", None).await;
    page.join("3", None).await;
    let (room, status, _) = page.error().await;
    assert_eq!((room.as_str(), status), (Some("3"), 429));
    Embed::joined(&server, "https://other.example", "3").await.users("3", 1).await;
    // A page that is gone uses nothing.
    drop(page);
    let mut next = Embed::begin(&server, SHOP).await;
    let joined = async {
        loop {
            next.join("3", None).await;
            if next.wanted(|message| Some(message["type"] == "counts")).await {
                return;
            }
        }
    };
    tokio::time::timeout(SOON, joined).await.expect("its rooms are free again");
}

#[tokio::test]
async fn a_visitor_of_a_full_room_sees_the_counts_without_being_counted() {
    let (server, _folder) = server("--users-per-room 2").await;
    let mut first = Embed::joined(&server, SHOP, "lamp").await;
    let mut second = Embed::joined(&server, SHOP, "lamp").await;
    first.users("lamp", 2).await;
    let mut third = Embed::joined(&server, SHOP, "lamp").await;
    assert_eq!(third.counts("lamp").await["users"], 2);
    let (room, status, detail) = third.error().await;
    assert!(room == "lamp" && status == 429 && detail.contains("without being counted"), "{status} {detail}");
    second.say(json!({"type": "leave", "room": "lamp"})).await;
    third.users("lamp", 1).await;
    // Another join succeeds.
    third.join("lamp", None).await;
    third.users("lamp", 2).await;
}

#[tokio::test]
async fn a_refusal_says_which_join_it_answers_and_ends_what_the_page_was_sent() {
    let (server, _folder) = server("--users-per-room 1").await;
    let mut first = Embed::joined(&server, SHOP, "lamp").await;
    first.users("lamp", 1).await;
    let mut page = Embed::begin(&server, SHOP).await;
    for (attempt, token, status) in [(1, None, 429), (2, Some("x.y"), 403)] {
        page.say(json!({"type": "join", "room": "lamp", "token": token, "attempt": attempt})).await;
        let error = page.wanted(|message| (message["type"] == "error").then(|| message.clone())).await;
        assert_eq!((&error["attempt"], &error["status"]), (&json!(attempt), &json!(status)), "{error}");
    }
    let mut watcher = Embed::joined(&server, SHOP, "lamp").await;
    first.say(json!({"type": "leave", "room": "lamp"})).await;
    watcher.users("lamp", 0).await;
    page.join("chair", None).await;
    assert_eq!(page.wanted(|message| Some(message["room"].clone())).await, "chair", "no counts after a refused token");
}

#[tokio::test]
async fn joins_beyond_the_rate_are_counted_later() {
    let (server, _folder) = server("--joins-per-second 4").await;
    let mut page = Embed::begin(&server, SHOP).await;
    for number in 0..8 {
        page.join(&number.to_string(), None).await;
    }
    let begun = std::time::Instant::now();
    page.users("0", 1).await;
    page.users("7", 1).await;
    assert!(begun.elapsed().as_millis() > 700, "four a second after the first four");
}
