//! How many users rooms had, and what the pages of sites use.

use futures_util::SinkExt as _;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{keyed, read};
use crate::common::embed::{Embed, SHOP};
use crate::common::{TestServer, within};

async fn history(server: &TestServer, room: &str) -> Value {
    read(server.get(&format!("/api/v1/rooms/history?room={room}")).await).await
}

#[tokio::test]
async fn the_history_of_a_room_ends_with_its_present_users() {
    let (server, key) = keyed("--site https://shop.example").await;
    let empty = history(&server, "shop.example/lamp").await;
    assert_eq!((&empty["users"], &empty["peak"], &empty["regions_heard"]), (&json!([]), &Value::Null, &json!(1)));
    let mut first = Embed::joined(&server, SHOP, "lamp").await;
    let mut second = Embed::joined(&server, SHOP, "lamp").await;
    first.users("lamp", 2).await;
    let two = history(&server, "shop.example/lamp").await;
    assert_eq!(two["users"].as_array().unwrap().last(), Some(&json!(2)), "{two}");
    assert_eq!(
        (&two["peak"]["users"], &two["seconds"], &two["room"]),
        (&json!(2), &json!(60), &json!("shop.example/lamp"))
    );
    let time = |field: &Value| field.as_str().unwrap().to_owned();
    assert!(time(&two["from"]) <= time(&two["peak"]["at"]) && time(&two["peak"]["at"]) <= time(&two["as_of"]), "{two}");
    second.say(json!({"type": "leave", "room": "lamp"})).await;
    first.users("lamp", 1).await;
    assert_eq!(history(&server, "shop.example/lamp").await["peak"]["users"], 2, "a minute keeps the highest number");
    let status = async |path: &str, key: &[(&str, &str)]| server.get_with(path, key).await.status().as_u16();
    assert_eq!(status("/api/v1/rooms/history?room=shop.example/", &[]).await, 400);
    let private = "/api/v1/rooms/history?room=shop.example/private/7";
    assert_eq!((status(private, &[]).await, status(private, &key).await), (403, 200));
}

#[tokio::test]
async fn what_the_pages_of_a_site_use_is_counted_by_site() {
    let (server, key) = keyed("--site https://shop.example --site https://*.wide.example --rooms-per-site 1").await;
    assert_eq!(server.get("/metrics/sites").await.status(), 401);
    let figure = async |line: String| {
        let text = server.get_with("/metrics/sites", &key).await.text().await.unwrap();
        let found = text.lines().find_map(|other| other.strip_prefix(&line)?.trim().parse::<f64>().ok());
        found.unwrap_or_default()
    };
    let shop = |name: &str| format!("presence_site_{name}{{site=\"{SHOP}\"}}");
    let mut first = Embed::joined(&server, SHOP, "lamp").await;
    first.users("lamp", 1).await;
    let wide = Embed::joined(&server, "https://a.wide.example", "lamp").await;
    first.join("private/7", None).await;
    assert_eq!(first.error().await.1, 403);
    first.join("another", None).await;
    assert_eq!(first.error().await.1, 429);
    // Numbers that were taken a moment ago are not taken again.
    within(async || (figure(shop("users")).await == 1.0).then_some(())).await;
    assert_eq!(figure(shop("users_peak")).await, 1.0);
    assert_eq!((figure(shop("connections")).await, figure(shop("joins_total")).await), (1.0, 1.0));
    assert_eq!(figure(shop("messages_total")).await, 4.0);
    let labelled = |name: &str, label: &str| format!("presence_site_{name}_total{{site=\"{SHOP}\",{label}}}");
    assert_eq!(figure(labelled("refusals", "reason=\"token\"")).await, 1.0);
    assert_eq!(figure(labelled("refusals", "reason=\"rooms_per_site\"")).await, 1.0);
    assert!(figure(labelled("bytes", "direction=\"received\"")).await > 100.0);
    assert_eq!(figure("presence_site_joins_total{site=\"https://*.wide.example\"}".to_owned()).await, 1.0);
    drop(wide);
    first.stream.send(Message::Close(None)).await.unwrap();
    within(async || (figure(labelled("bytes", "direction=\"sent\"")).await > 100.0).then_some(())).await;
    within(async || (figure(shop("connections")).await == 0.0).then_some(())).await;
    assert!(figure(shop("connection_seconds_total")).await > 0.0);
}
