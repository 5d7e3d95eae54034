//! The HTTP API.

mod document;
mod events;
mod facts;
mod keys;
pub(crate) mod publishing;
mod reading;
mod usage;

use serde_json::{Value, json};

use crate::common::{Lamp, TestServer};

pub(crate) async fn read(response: reqwest::Response) -> Value {
    response.json().await.unwrap()
}

/// A node with an API key, and the header that sends it.
pub(crate) async fn keyed(line: &str) -> (TestServer, [(&'static str, &'static str); 1]) {
    keyed_of("demo", line).await
}

/// A node with an API key whose page is of this room.
pub(crate) async fn keyed_of(room: &'static str, line: &str) -> (TestServer, [(&'static str, &'static str); 1]) {
    let mut config = crate::common::config(line);
    config.secrets.api_key = Some("a key for the tests".to_owned());
    (TestServer::named(config, Lamp, room).await, [("authorization", "Bearer a key for the tests")])
}

#[tokio::test]
async fn an_empty_room_answers_zeros() {
    let server = TestServer::start("").await;
    let answer = server.get("/api/v1/rooms/shop%20window").await;
    assert_eq!(answer.headers()["cache-control"], "public, max-age=1");
    let mut room = read(answer).await;
    let as_of = room.as_object_mut().unwrap().remove("as_of").unwrap();
    assert!(as_of.as_str().is_some_and(|text| text.len() == 24 && text.ends_with('Z')), "{as_of}");
    let region = json!({"region": "ams", "users": 0, "tabs": 0, "unsure": 0, "state": "live", "heard_ms_ago": 0});
    let expected = json!({
        "room": "shop window", "users": 0, "looking": 0, "tabs": 0, "unsure": 0, "unproven": 0, "regions": [region],
        "regions_heard": 1, "regions_known": 1
    });
    assert_eq!(room, expected);
}

#[tokio::test]
async fn rooms_of_any_name_are_in_the_order_asked() {
    let server = TestServer::start("").await;
    let answer = read(server.get("/api/v1/rooms?room=b/c&room=a&room=b/c").await).await;
    let names: Vec<&str> =
        answer["rooms"].as_array().unwrap().iter().map(|room| room["room"].as_str().unwrap()).collect();
    assert_eq!(names, ["b/c", "a", "b/c"]);
}

#[tokio::test]
async fn bad_requests_are_answered_with_a_sentence() {
    let server = TestServer::start("").await;
    let long = "x".repeat(1_025);
    let many = vec!["room=a"; 101].join("&");
    for path in [
        format!("/api/v1/rooms/{long}"),
        "/api/v1/rooms/%ff%fe".to_owned(),
        "/api/v1/rooms".to_owned(),
        "/api/v1/rooms?room=".to_owned(),
        "/api/v1/rooms?name=a".to_owned(),
        format!("/api/v1/rooms?{many}"),
        // Rooms that a page would write so: here they would be other rooms.
        "/api/v1/rooms?room=/lamps/7".to_owned(),
        "/api/v1/rooms/https%3A%2F%2Fshop.example%2Flamps".to_owned(),
        "/badge.svg?room=/lamps/7".to_owned(),
        "/embed".to_owned(),
        "/embed/printed?room=".to_owned(),
    ] {
        let answer = server.get(&path).await;
        assert_eq!(answer.status(), 400, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem = read(answer).await;
        assert!(
            problem["status"] == 400 && problem["detail"].as_str().is_some_and(|detail| detail.ends_with('.')),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn regions_are_public_and_nodes_need_the_key() {
    let (server, key) = keyed("--node ams-1").await;
    let open = read(server.get("/api/v1/mesh").await).await;
    assert_eq!(open["regions"][0]["name"], "Amsterdam, Netherlands");
    assert_eq!((&open["regions_heard"], &open["nodes"]), (&json!(1), &Value::Null));
    assert!(open["facts_root"].as_str().is_some_and(|root| root.len() == 32), "{open}");
    let inside = read(server.get_with("/api/v1/mesh", &key).await).await;
    assert_eq!(inside["nodes"][0]["node"], "ams-1", "{inside}");
    for wrong in ["Bearer another", "Bearer ", "bearer another"] {
        let refused = server.get_with("/api/v1/mesh", &[("authorization", wrong)]).await;
        assert_eq!(
            (refused.status().as_u16(), &refused.headers()["www-authenticate"]),
            (401, &"Bearer realm=\"API key\"".parse().unwrap())
        );
    }
    // The key of a proxy in front is none of ours.
    let other = server.get_with("/api/v1/mesh", &[("authorization", "Basic YTpi")]).await;
    assert_eq!((other.status().as_u16(), &read(other).await["nodes"]), (200, &Value::Null));
    let any_case =
        read(server.get_with("/api/v1/mesh", &[("authorization", "bEARER a key for the tests")]).await).await;
    assert_eq!(any_case["nodes"][0]["node"], "ams-1");
    let keyless = TestServer::start("").await;
    let through_a_proxy = [("authorization", "Bearer "), ("x-forwarded-for", "192.0.2.7")];
    let open = read(keyless.get_with("/api/v1/mesh", &through_a_proxy).await).await;
    assert_eq!(open["nodes"], Value::Null, "where there is no key, none is right");
    let open = read(keyless.get_with("/api/v1/mesh", &through_a_proxy[..1]).await).await;
    assert!(open["nodes"].is_array(), "a caller on its own machine is told all: {open}");
}
