//! Facts over HTTP: listed, removed, and refused without the key.

use serde_json::{Value, json};

use super::publishing::post;
use super::{keyed, read};
use crate::common::{SOON, TestServer};

async fn delete(server: &TestServer, query: &str, key: &[(&str, &str)]) -> (u16, Value) {
    let mut request = reqwest::Client::new().delete(server.url(&format!("/api/v1/facts?{query}"))).timeout(SOON);
    for (name, value) in key {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), read(answer).await)
}

#[tokio::test]
async fn a_room_without_facts_lists_none_and_what_is_wrong_is_said() {
    let (server, key) = keyed("").await;
    let listed = server.get_with("/api/v1/facts?room=demo", &key).await;
    assert_eq!(listed.headers()["cache-control"], "no-store");
    assert_eq!(read(listed).await, json!({"room": "demo", "facts": [], "next": null}));
    let nothing = json!({"room": "demo", "key": "lamp", "removed": 0});
    assert_eq!(delete(&server, "room=demo&key=lamp", &key).await, (200, nothing));
    for wrong in ["room=demo", "key=lamp", "room=&key=lamp", "room=demo&key=lamp&all=1"] {
        let (status, problem) = delete(&server, wrong, &key).await;
        assert_eq!(status, 400, "{wrong}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{problem}");
    }
    let nothing = json!({"facts": [], "next": null});
    assert_eq!(read(server.get_with("/api/v1/facts/export", &key).await).await, nothing);
    let body = r#"{"records":["AAAA","no Base64"]}"#;
    let malformed = |record: usize| json!({"record": record, "reason": "malformed"});
    let refused = json!({"taken": 0, "known": 0, "refused": [malformed(0), malformed(1)]});
    assert_eq!(post(&server, "/api/v1/facts/import", &key, body).await, (200, refused));
    assert_eq!(delete(&server, "room=demo&key=lamp", &[]).await.0, 401);
    assert_eq!(server.get("/api/v1/facts?room=demo").await.status(), 401);
}
