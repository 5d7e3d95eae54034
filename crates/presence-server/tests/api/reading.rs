//! Members, busiest rooms, counts below a path, dismissals.

use serde_json::{Value, json};

use super::publishing::post;
use super::{keyed_of, read};
use crate::common::{TestServer, within};
use crate::live::Tab;

const ROOM: &str = "shop.example/p";

async fn get(server: &TestServer, path: &str) -> Value {
    let answer = server.get_with(path, &[("authorization", "Bearer a key for the tests")]).await;
    assert_eq!(answer.status(), 200, "{path}");
    read(answer).await
}

/// A node with three users in a room, one of them with two tabs.
async fn three_users() -> (TestServer, Vec<Tab>) {
    let (server, _) = keyed_of(ROOM, "").await;
    let mut tabs = Vec::new();
    for _ in 0..3 {
        tabs.push(Tab::open(&server, None).await);
    }
    let again = Tab::open(&server, Some(&tabs[0].cookie.clone())).await;
    tabs.push(again);
    within(async || (get(&server, "/api/v1/rooms?room=shop.example/p").await["rooms"][0]["tabs"] == 4).then_some(()))
        .await;
    (server, tabs)
}

#[tokio::test]
async fn members_are_listed_page_by_page_in_a_stable_order() {
    let (server, _tabs) = three_users().await;
    let all = get(&server, &format!("/api/v1/rooms/members?room={ROOM}")).await;
    assert_eq!((&all["room"], &all["total"], &all["next"]), (&json!(ROOM), &json!(3), &Value::Null));
    let members = all["members"].as_array().unwrap();
    let ids: Vec<&str> = members.iter().map(|member| member["id"].as_str().unwrap()).collect();
    assert!(ids.len() == 3 && ids.is_sorted() && ids.iter().all(|id| id.len() == 64), "{ids:?}");
    let mut tabs: Vec<u64> = members.iter().map(|member| member["tabs"].as_u64().unwrap()).collect();
    tabs.sort_unstable();
    assert_eq!(tabs, [1, 1, 2]);
    let since = members[0]["since"].as_str().unwrap();
    assert!(since.len() == 24 && members[0]["regions"] == json!(["ams"]) && members[0].get("info").is_none(), "{all}");

    let mut paged = Vec::new();
    let mut next = Value::Null;
    loop {
        let after = next.as_str().map(|after| format!("&after={after}")).unwrap_or_default();
        let page = get(&server, &format!("/api/v1/rooms/members?room={ROOM}&limit=1{after}")).await;
        paged.extend(page["members"].as_array().unwrap().iter().map(|member| member["id"].clone()));
        next = page["next"].clone();
        if next.is_null() {
            break;
        }
    }
    assert_eq!(paged, ids);
    let elsewhere = get(&server, &format!("/api/v1/rooms/members?room={ROOM}&region=yyz")).await;
    assert_eq!((&elsewhere["members"], &elsewhere["total"]), (&json!([]), &json!(3)));
}

#[tokio::test]
async fn the_busiest_rooms_and_counts_below_a_path_are_answered() {
    let (server, _tabs) = three_users().await;
    let busiest = async |query: &str| get(&server, &format!("/api/v1/rooms/busiest{query}")).await["rooms"].clone();
    let room = json!([{"room": ROOM, "users": 3}]);
    assert_eq!(busiest("").await, room);
    assert_eq!(busiest("?prefix=shop.example/&limit=1").await, room);
    assert_eq!(busiest("?prefix=other.example/").await, json!([]));

    let below = server.get("/api/v1/rooms?room=shop.example/&room=shop.example/p&room=other.example/").await;
    let below = read(below).await;
    let counts = |place: usize| {
        let room = &below["rooms"][place];
        json!([room["users"], room["looking"], room["tabs"], room["unsure"], room["regions"][0]["users"]])
    };
    assert_eq!(
        (counts(0), counts(1), counts(2)),
        (json!([3, 3, 4, 0, 3]), json!([3, 3, 4, 0, 3]), json!([0, 0, 0, 0, 0]))
    );
    assert_eq!(below["rooms"][0]["regions"][0].get("tabs"), None, "tabs are not counted below a path");
    let one = read(server.get("/api/v1/rooms/shop.example%2F").await).await;
    assert_eq!((&one["room"], &one["users"]), (&json!("shop.example/"), &json!(3)));
}

#[tokio::test]
async fn too_many_paths_are_refused() {
    let server = TestServer::start("").await;
    let query = (0..20).map(|number| format!("room=shop.example/{number}/")).collect::<Vec<_>>().join("&");
    let refused = server.get(&format!("/api/v1/rooms?{query}")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(server.get("/api/v1/rooms?room=shop.example/0/").await.status(), 200, "a known path is still answered");
}

#[tokio::test]
async fn wrong_requests_are_answered_with_a_sentence() {
    let (server, key) = keyed_of(ROOM, "").await;
    for path in [
        "members",
        "members?room=",
        "members?room=a&room=b",
        "members?room=a&after=12",
        &format!("members?room=a&after={}", "A".repeat(64)),
        "members?room=a&limit=0",
        "members?room=a&limit=1001",
        "members?room=a&limit=many",
        "members?room=a&region=AMS",
        "members?room=a&more=1",
        &format!("busiest?prefix={}", "x".repeat(1_025)),
        "busiest?limit=0",
        "busiest?limit=-1",
    ] {
        let answer = server.get_with(&format!("/api/v1/rooms/{path}"), &key).await;
        assert_eq!(answer.status(), 400, "{path}");
        let problem = read(answer).await;
        assert!(problem["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{path}: {problem}");
    }
    for path in ["members?room=a", "busiest"] {
        assert_eq!(server.get(&format!("/api/v1/rooms/{path}")).await.status(), 401, "{path}");
        let keyless = TestServer::start("").await;
        assert_eq!(keyless.get(&format!("/api/v1/rooms/{path}")).await.status(), 403, "{path}");
    }
}

#[tokio::test]
async fn only_valid_dismissals_are_accepted() {
    let (server, key) = keyed_of(ROOM, "").await;
    let id = "0123456789abcdef".repeat(4);
    let dismiss = async |body: Value| post(&server, "/api/v1/rooms/dismiss", &key, body.to_string()).await;
    let right = json!({"room": ROOM, "member": id});
    assert_eq!(dismiss(right.clone()).await, (202, right));
    for wrong in [
        json!({"room": ROOM}),
        json!({"room": "", "member": id}),
        json!({"room": ROOM, "member": &id[1..]}),
        json!({"room": ROOM, "member": id.to_uppercase()}),
        json!({"room": ROOM, "member": format!("{id}0")}),
        json!({"room": ROOM, "member": id, "more": 1}),
    ] {
        assert_eq!(dismiss(wrong.clone()).await.0, 400, "{wrong}");
    }
    assert_eq!(post(&server, "/api/v1/rooms/dismiss", &[], "{}").await.0, 401);
}

#[tokio::test]
async fn a_sentence_is_ready_to_print_in_the_language_that_was_asked_for() {
    let (server, _tabs) = three_users().await;
    let text = async |query: &str| {
        let answer = get(&server, &format!("/api/v1/rooms?room={ROOM}&room=shop.example/empty&{query}")).await;
        answer["rooms"].as_array().unwrap().iter().map(|room| room["text"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(text("").await, [Value::Null, Value::Null]);
    assert_eq!(text("lang=en").await, ["3 people are looking at this", "0 people are looking at this"]);
    assert_eq!(text("lang=gsw,de-AT;q=0.9&show=others").await, ["2 weitere Personen", "0 weitere Personen"]);
    assert_eq!(text("lang=ru&show=tabs").await, ["4 открытые вкладки", "0 открытых вкладок"]);
    assert_eq!(text("show=people&lang=tlh").await, ["3 people", "0 people"]);
    assert_eq!(text("show=users").await, ["3 people", "0 people"], "English without lang");
    let twice = server.get_with(&format!("/api/v1/rooms?room={ROOM}&lang=en&lang=de"), &[]).await;
    assert_eq!(twice.status(), 400);
}

#[tokio::test]
async fn a_name_with_slashes_in_the_path_is_told_its_form() {
    let server = TestServer::start("--site https://shop.example").await;
    let answer = server.get("/api/v1/rooms/shop.example/lamps/7").await;
    assert_eq!(answer.status(), 404);
    let said = answer.text().await.unwrap();
    assert!(said.contains("/api/v1/rooms?room=shop.example/lamps/7."), "{said}");
    let named = get(&server, "/api/v1/rooms?room=shop.example/lamps/7").await;
    assert_eq!(named["rooms"][0]["room"], "shop.example/lamps/7");
    let marked = server.get("/api/v1/rooms/shop.example/a&b+c").await.text().await.unwrap();
    assert!(marked.contains("?room=shop.example/a%26b%2Bc."), "{marked}");
}
