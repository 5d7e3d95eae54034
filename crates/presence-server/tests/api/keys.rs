//! What each API key may do, and where.

use super::publishing::post;
use crate::common::{Lamp, TestServer};

const FILE: &str = r#"[
    {"name": "dashboard", "key": "may read everything", "may": ["read"]},
    {"name": "writer", "key": "may publish everywhere", "may": ["publish"]},
    {"name": "shop", "key": "may do all in one shop", "may": ["admin"], "site": "https://shop.example"},
    {"name": "below", "key": "may do all below a pattern", "may": ["admin"], "site": "https://a.wide.example"},
    {"name": "anybody's", "key": "may do all in any origin", "may": ["admin"], "site": "http://anybody.example:8080"}
]"#;
const READER: &str = "may read everything";
const WRITER: &str = "may publish everywhere";
const SHOP: &str = "may do all in one shop";
const ADMIN: &str = "a key for the tests";
const SOCKETS: usize = 3;

async fn server() -> (TestServer, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    std::fs::write(&file, FILE).unwrap();
    let mut config = crate::common::config(
        "--site https://shop.example --site https://*.wide.example --site * --sockets-per-address 3",
    );
    config.secrets.api_key = Some(ADMIN.to_owned());
    config.secrets.api_key_accepted = Some("the next key for the tests".to_owned());
    config.api_keys_file = Some(file);
    (TestServer::named(config, Lamp, "demo").await, folder)
}

async fn status(server: &TestServer, key: &str, operation: &str, room: &str) -> u16 {
    let (authorization, member) = (format!("Bearer {key}"), "0".repeat(64));
    let headers = [("authorization", authorization.as_str())];
    let get = async |path: String| server.get_with(&path, &headers).await.status().as_u16();
    match operation {
        "members" => get(format!("/api/v1/rooms/members?room={room}")).await,
        "private counts" => get(format!("/api/v1/rooms?room={room}/private/1")).await,
        "private events" => get(format!("/api/v1/rooms/events?seconds=1&room={room}/private/1")).await,
        "busiest" => get(format!("/api/v1/rooms/busiest?prefix={room}/")).await,
        "facts" => get(format!("/api/v1/facts?room={room}")).await,
        "metrics" => get("/metrics".to_owned()).await,
        "log" => get("/api/v1/log".to_owned()).await,
        "export" => get("/api/v1/facts/export".to_owned()).await,
        "import" => post(server, "/api/v1/facts/import", &headers, r#"{"records":[]}"#.to_owned()).await.0,
        "publish" => post(server, "/api/v1/publish", &headers, format!(r#"{{"stream":"{room}","data":1}}"#)).await.0,
        "dismiss" => {
            let body = format!(r#"{{"room":"{room}","member":"{member}"}}"#);
            post(server, "/api/v1/rooms/dismiss", &headers, body).await.0
        }
        "read site" => get(format!("/api/v1/sites/{room}")).await,
        "list sites" => get("/api/v1/sites".to_owned()).await,
        "set site" => {
            let url = server.url(&format!("/api/v1/sites/{room}"));
            let request = reqwest::Client::new().put(url).header("authorization", &authorization);
            request.json(&serde_json::json!({})).send().await.unwrap().status().as_u16()
        }
        "delete site" => {
            let url = server.url(&format!("/api/v1/sites/{room}"));
            let request = reqwest::Client::new().delete(url).header("authorization", &authorization);
            request.send().await.unwrap().status().as_u16()
        }
        "delete" => {
            let url = server.url(&format!("/api/v1/facts?room={room}&key=lamp"));
            let request = reqwest::Client::new().delete(url).header("authorization", &authorization);
            request.send().await.unwrap().status().as_u16()
        }
        _ => unreachable!("every operation is above"),
    }
}

/// Each operation, what it answers if it is allowed, and the right that it takes.
const OPERATIONS: [(&str, u16, &str); 8] = [
    ("members", 200, "read"),
    ("private counts", 200, "read"),
    ("private events", 200, "read"),
    ("busiest", 200, "read"),
    ("facts", 200, "read"),
    ("publish", 202, "publish"),
    ("dismiss", 202, "admin"),
    ("delete", 200, "admin"),
];

/// Those of sites, which no key of one site may.
const OF_SITES: [(&str, u16, &str); 4] = [
    ("read site", 200, "read"),
    ("list sites", 200, "read"),
    ("set site", 200, "admin"),
    ("delete site", 204, "admin"),
];

#[tokio::test]
async fn a_key_does_what_it_may_and_is_refused_all_else() {
    let (server, _folder) = server().await;
    for (operation, allowed, right) in OPERATIONS.into_iter().chain(OF_SITES) {
        for (key, rights) in [
            (READER, &["read"][..]),
            (WRITER, &["publish"]),
            (ADMIN, &["read", "publish", "admin"]),
            ("the next key for the tests", &["read", "publish", "admin"]),
        ] {
            let expected = if rights.contains(&right) { allowed } else { 403 };
            assert_eq!(status(&server, key, operation, "shop.example").await, expected, "{key}: {operation}");
        }
        assert_eq!(status(&server, "a key of no one at all", operation, "shop.example").await, 401, "{operation}");
    }
}

#[tokio::test]
async fn a_sites_key_is_for_the_rooms_and_streams_of_that_site_alone() {
    let (server, _folder) = server().await;
    for (operation, allowed, _) in OPERATIONS {
        assert_eq!(status(&server, SHOP, operation, "shop.example").await, allowed, "{operation}");
        for other in ["other.example", "shop.example.evil.example", "demo", "_public"] {
            assert_eq!(status(&server, SHOP, operation, other).await, 403, "{operation} of {other}");
        }
    }
    for (operation, ..) in OF_SITES {
        assert_eq!(status(&server, SHOP, operation, "shop.example").await, 403, "{operation}");
    }
    for (key, own, other) in [
        ("may do all below a pattern", "a.wide.example", "b.wide.example"),
        ("may do all in any origin", "anybody.example:8080", "anybody.example"),
    ] {
        for (operation, allowed, _) in OPERATIONS {
            assert_eq!(status(&server, key, operation, own).await, allowed, "{operation} of {own}");
            assert_eq!(status(&server, key, operation, other).await, 403, "{operation} of {other}");
        }
    }
    let authorization = [("authorization", "Bearer may do all in one shop")];
    for all in ["/metrics", "/api/v1/rooms/busiest", "/api/v1/rooms/busiest?prefix=shop.example"] {
        assert_eq!(server.get_with(all, &authorization).await.status(), 403, "{all}");
    }
    let mesh = server.get_with("/api/v1/mesh", &authorization).await.text().await.unwrap();
    assert!(!mesh.contains("\"incarnation\""), "nodes are for keys of all sites: {mesh}");
    assert_eq!(status(&server, READER, "metrics", "").await, 200);
    // The log of these tests is not the library's.
    for (key, answered) in [(ADMIN, 501), (READER, 403), (SHOP, 403)] {
        assert_eq!(status(&server, key, "log", "").await, answered, "{key}");
        for operation in ["export", "import"] {
            let answered = if answered == 501 { 200 } else { 403 };
            assert_eq!(status(&server, key, operation, "").await, answered, "{key}: {operation}");
        }
    }
}

#[tokio::test]
async fn only_keys_for_all_sites_are_exempt_from_limits() {
    let (server, _folder) = server().await;
    let open = async |key: &str| {
        let authorization = format!("Bearer {key}");
        let path = "/api/v1/rooms/events?seconds=60&room=shop.example/private/1";
        server.get_with(path, &[("authorization", authorization.as_str())]).await
    };
    let mut streams = Vec::new();
    for number in 1..=SOCKETS {
        let stream = open(SHOP).await;
        assert_eq!(stream.status(), 200, "stream {number}");
        streams.push(stream);
    }
    assert_eq!(open(SHOP).await.status(), 429, "a site's key has the limit of its address");
    assert_eq!(open(READER).await.status(), 200);
}

#[tokio::test]
async fn every_operation_that_needs_a_key_refuses_one_without_the_right() {
    let (server, _folder) = server().await;
    let document: serde_json::Value = super::read(server.get("/api/openapi.json").await).await;
    let keyed = document["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations
            .filter(|(_, operation)| operation["security"] == serde_json::json!([{"key": []}]))
            .map(move |(method, _)| format!("{method} {path}"))
    });
    let mut keyed: Vec<String> = keyed.collect();
    keyed.sort();
    assert_eq!(
        keyed,
        [
            "delete /api/v1/facts",
            "delete /api/v1/sites/{host}",
            "get /api/v1/facts",
            "get /api/v1/facts/export",
            "get /api/v1/log",
            "get /api/v1/rooms/busiest",
            "get /api/v1/rooms/members",
            "get /api/v1/sites",
            "get /api/v1/sites/{host}",
            "post /api/v1/facts/import",
            "post /api/v1/publish",
            "post /api/v1/rooms/dismiss",
            "put /api/v1/log",
            "put /api/v1/sites/{host}",
        ],
        "a new operation needs a line in OPERATIONS, or below if it belongs to no site"
    );
}
