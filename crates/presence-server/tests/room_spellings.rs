//! One room, however its name is written, at every door.

use serde_json::{Value, json};

use crate::api::keyed;
use crate::common::TestServer;
use crate::common::embed::{Embed, SHOP};

/// Paths of one page, as browsers and people write them.
const SPELLINGS: [&str; 9] = [
    "/caf\u{e9}/~ada",
    "/caf%C3%A9/%7Eada",
    "/caf%c3%a9/%7eada",
    "/cafe\u{301}/~ada",
    "/cafe%CC%81/~ada",
    "/caf%C3%A9/~ada/",
    "//caf%C3%A9//%7Eada",
    "caf\u{e9}/%7E%61da",
    "%63af%C3%A9/~ada///",
];

/// Percent-encodes all of a value.
fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// What an open answer has written once it contains this text.
async fn written(server: &TestServer, path: &str, headers: &[(&str, &str)], wanted: &str) -> String {
    let mut answer = server.get_with(path, headers).await;
    let mut text = String::new();
    while !text.contains(wanted) {
        let chunk = answer.chunk().await.unwrap().unwrap_or_else(|| panic!("no {wanted} in {path}: {text}"));
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    text
}

#[tokio::test]
async fn every_spelling_is_the_same_room_at_every_door() {
    let (server, key) = keyed(&format!("--site {SHOP}")).await;
    let mut page = Embed::joined(&server, SHOP, SPELLINGS[0]).await;
    page.users(SPELLINGS[0], 1).await;
    let answer = async |path: &str| -> Value { server.get_with(path, &key).await.json().await.unwrap() };
    for spelling in SPELLINGS {
        let complete = encoded(&format!("shop.example/{spelling}"));
        let room = answer(&format!("/api/v1/rooms/{complete}")).await;
        // A slash at the end stands for all rooms below, and the room itself is one of them.
        assert_eq!(room["users"], 1, "{spelling}: {room}");
        assert_eq!(answer(&format!("/api/v1/rooms?room={complete}")).await["rooms"][0]["users"], 1, "{spelling}");
        let badge = server.get(&format!("/badge.svg?room={complete}&lang=en")).await.text().await.unwrap();
        assert!(badge.contains("1 person is looking at this"), "{spelling}: {badge}");
        let events = format!("/api/v1/rooms/events?room={complete}");
        written(&server, &events, &key, "\"users\":1").await;
        if !spelling.ends_with('/') {
            let members = answer(&format!("/api/v1/rooms/members?room={complete}")).await;
            assert_eq!(members["total"], 1, "{spelling}: {members}");
        }
        let below = encoded(&format!("shop.example/{}/", spelling.trim_matches('/').split('/').next().unwrap()));
        assert_eq!(answer(&format!("/api/v1/rooms?room={below}")).await["rooms"][0]["users"], 1, "{spelling}");
    }
    for spelling in SPELLINGS {
        // Each door that counts its reader sees the first page and itself.
        let mut other = Embed::joined(&server, SHOP, spelling).await;
        other.users(spelling, 2).await;
        other.say(json!({"type": "leave", "room": spelling})).await;
        page.users(SPELLINGS[0], 1).await;
        let name = encoded(spelling);
        let stream = format!("/presence/events?room={name}");
        written(&server, &stream, &[("origin", SHOP)], "\"users\":2").await;
        page.users(SPELLINGS[0], 1).await;
    }
    let frame = server.get_with("/embed?room=caf%C3%A9", &[("referer", SHOP)]).await.text().await.unwrap();
    let (_, visitor) = frame.split_once("&amp;id=").unwrap();
    let visitor = visitor.split('"').next().unwrap().replace("&amp;", "&");
    for spelling in SPELLINGS {
        let path = format!("/embed/printed?room={}&lang=en&id={visitor}", encoded(spelling));
        let printed = server.get_with(&path, &[("referer", SHOP)]).await.text().await.unwrap();
        assert!(printed.contains("<b>2</b>"), "one visitor in one room: {spelling}: {printed}");
    }
}
