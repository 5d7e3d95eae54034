//! Pages of sites: which may open a socket, their visitors, their rooms, and what they are sent.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::common::embed::{Embed, SHOP, users};
use crate::common::{TestServer, config, within};

#[tokio::test]
async fn only_pages_of_sites_and_the_servers_own_open_sockets() {
    let server = TestServer::start("--site https://shop.example --site https://*.wide.example").await;
    let own = format!("http://{}", server.address);
    for origin in [SHOP, "https://a.wide.example", "https://a.b.wide.example", &own] {
        Embed::open(&server, origin, "").await;
    }
    for origin in
        ["https://evil.example", "http://shop.example", "https://wide.example", "https://evilwide.example", "null"]
    {
        let headers = [("origin", origin), ("sec-websocket-protocol", "presence-v1")];
        let (status, body) = server.refused_at("/presence", &headers).await;
        assert!(status == 403 && body.contains("--site"), "{origin}: {status} {body}");
    }
    let (status, body) = server.refused_at("/presence", &[("origin", "")]).await;
    assert!(status == 403 && body.contains("Origin"), "{status} {body}");
    let (status, body) = server.refused_at("/presence", &[("origin", SHOP)]).await;
    assert!(status == 400 && body.contains("presence-v1"), "{status} {body}");
    assert_eq!(server.get("/presence").await.status(), 426);
    let everybody = TestServer::start("--site *").await;
    Embed::open(&everybody, "http://anything.example:81", "").await;
}

#[tokio::test]
async fn a_page_is_sent_the_present_counts_and_then_every_change() {
    let server = TestServer::start("--site https://shop.example").await;
    let mut first = Embed::begin(&server, SHOP).await;
    first.join("lamp", None).await;
    assert_eq!(
        first.counts("lamp").await,
        json!({"type": "counts", "room": "lamp", "users": 0, "looking": 0, "tabs": 0, "unsure": 0, "unproven": 0,
            "regions": [{"region": "ams", "name": "Amsterdam, Netherlands", "users": 0, "state": "live"}], "stale": false})
    );
    let one = first.users("lamp", 1).await;
    assert_eq!((&one["looking"], &one["tabs"], &one["regions"][0]["users"]), (&json!(1), &json!(1), &json!(1)));
    let mut second = Embed::begin(&server, SHOP).await;
    // Another name of the same room.
    second.join("shop.example/lamp/", None).await;
    assert_eq!(second.counts("shop.example/lamp/").await["users"], 1);
    second.users("shop.example/lamp/", 2).await;
    first.users("lamp", 2).await;
    assert_eq!(users(&server, "shop.example/lamp").await, 2);
    second.say(json!({"type": "leave", "room": "shop.example/lamp/"})).await;
    first.users("lamp", 1).await;
    first.stream.close(None).await.unwrap();
    within(async || (users(&server, "shop.example/lamp").await == 0).then_some(())).await;
}

#[tokio::test]
async fn a_hidden_page_counts_as_open_but_not_as_looking() {
    let server = TestServer::start("--site https://shop.example").await;
    let mut first = Embed::joined(&server, SHOP, "lamp").await;
    let mut hidden = Embed::open(&server, SHOP, "").await;
    hidden.say(json!({"type": "hello", "visible": false})).await;
    hidden.join("lamp", None).await;
    assert_eq!(first.users("lamp", 2).await["looking"], 1);
    let looking = |count: u64| move |message: &Value| (message["looking"] == count).then_some(());
    hidden.say(json!({"type": "visible", "visible": true})).await;
    first.wanted(looking(2)).await;
    first.say(json!({"type": "visible", "visible": false})).await;
    hidden.wanted(looking(1)).await;
    assert_eq!(users(&server, "shop.example/lamp").await, 2);
}

#[tokio::test]
async fn two_sites_share_no_room_with_each_other_or_with_the_servers_page() {
    let server = TestServer::start("--site *").await;
    let mut shop = Embed::joined(&server, SHOP, "lamp").await;
    let mut other = Embed::begin(&server, "https://other.example").await;
    for name in ["lamp", "shop.example/lamp", "demo", "/demo/"] {
        other.join(name, None).await;
        other.users(name, 1).await;
    }
    shop.users("lamp", 1).await;
    assert_eq!((users(&server, "shop.example/lamp").await, users(&server, "other.example/lamp").await), (1, 1));
    assert_eq!((users(&server, "demo").await, users(&server, "lamp").await), (0, 0));
    // A host with the name of the own page's room is refused too.
    let mut demo = Embed::begin(&server, "http://demo").await;
    demo.join("", None).await;
    assert_eq!(demo.error().await.1, 403);
    assert_eq!(users(&server, "demo").await, 0);
}

#[tokio::test]
async fn a_cookie_makes_a_browser_one_user_and_another_one_on_each_site() {
    let server = TestServer::with(config("--site * --trusted-proxy 127.0.0.1")).await;
    let mut first = Embed::open(&server, SHOP, "").await;
    let welcome = first.hello(None).await;
    assert_eq!(welcome["identity"], "new");
    assert_eq!(first.pair(), format!("presence-embed={}", welcome["id"].as_str().unwrap()));
    first.join("lamp", None).await;
    let mut again = Embed::open(&server, SHOP, first.pair()).await;
    assert_eq!(again.pair(), first.pair(), "the cookie is set again and stays the same");
    let welcomed = again.hello(None).await;
    assert_eq!((&welcomed["identity"], &welcomed["id"]), (&json!("cookie"), &welcome["id"]));
    again.join("lamp", None).await;
    let both = again.wanted(|message| (message["tabs"] == 2).then(|| message.clone())).await;
    assert_eq!(both["users"], 1);
    // A cookie wins over the page's id, unless it was changed.
    let stranger = Embed::open(&server, SHOP, "").await;
    let mut known = Embed::open(&server, SHOP, first.pair()).await;
    let (_, kept) = stranger.pair().split_once('=').unwrap();
    assert_eq!(known.hello(Some(kept)).await["id"], welcome["id"]);
    let forged = format!("{}x", first.pair());
    assert_eq!(Embed::open(&server, SHOP, &forged).await.hello(None).await["identity"], "new");
    let tls = [("origin", SHOP), ("sec-websocket-protocol", "presence-v1"), ("x-forwarded-proto", "https")];
    let secure = server.socket_at("/presence", &tls).await.unwrap();
    let cookie = secure.response.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.starts_with("__Host-presence-embed=") && cookie.ends_with("SameSite=None; Secure; Partitioned"));
}

#[tokio::test]
async fn a_signed_id_is_accepted_and_a_forged_one_is_not() {
    let server = TestServer::start("--site *").await;
    let mut first = Embed::open(&server, SHOP, "").await;
    let id = first.hello(None).await["id"].as_str().unwrap().to_owned();
    first.join("lamp", None).await;
    // A browser that keeps no cookie.
    let mut again = Embed::open(&server, SHOP, "").await;
    let welcomed = again.hello(Some(&id)).await;
    assert_eq!((welcomed["identity"].as_str(), welcomed["id"].as_str()), (Some("given"), Some(&*id)));
    again.join("lamp", None).await;
    again.wanted(|message| (message["tabs"] == 2 && message["users"] == 1).then_some(())).await;
    let (drawn, tag) = id.split_once('.').unwrap();
    for forged in ["", "me", &format!("{drawn}."), &format!("AAAAAAAAAAAAAAAAAAAAAA.{tag}"), &"x".repeat(9_000)] {
        let mut stranger = Embed::open(&server, SHOP, "").await;
        let welcomed = stranger.hello(Some(forged)).await;
        assert!(welcomed["identity"] == "new" && welcomed["id"] != *id, "{forged}");
    }
    // A second hello with another id is refused, with the same id answered.
    let mut late = Embed::open(&server, SHOP, "").await;
    let own = late.hello(None).await;
    assert_eq!(late.hello(None).await, own);
    late.say(json!({"type": "hello", "id": id})).await;
    assert_eq!(late.error().await.1, 409);
}

#[tokio::test]
async fn junk_is_answered_with_an_error_and_the_socket_stays_open() {
    let server = TestServer::start("--site https://shop.example --message-burst 1000").await;
    let mut page = Embed::open(&server, SHOP, "").await;
    page.join("lamp", None).await;
    let (room, status, detail) = page.error().await;
    assert!(room == "lamp" && status == 400 && detail.contains("hello"), "{room} {status} {detail}");
    for junk in ["", "junk", "[]", "{}", "null", r#"{"type":"join"}"#, r#"{"type":"bogus"}"#, &"[".repeat(16_000)] {
        page.text(junk).await;
        assert_eq!(page.error().await.1, 400, "{junk}");
    }
    page.hello(None).await;
    page.join(&"x".repeat(1_024), None).await;
    assert_eq!(page.error().await.1, 400);
    page.say(json!({"type": "leave", "room": "never joined"})).await;
    for name in ["\u{0}", "a\"b\\", "ü\u{2028}</script>"] {
        page.join(name, None).await;
        page.users(name, 1).await;
    }
    // A linear congruential generator, which makes the same junk in every run.
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let pieces = [
        "{",
        "}",
        "\"type\"",
        ":",
        "\"join\"",
        ",",
        "\"room\"",
        "\"a\"",
        "\\",
        "[",
        "7",
        "null",
        "\u{fffd}",
        "\"leave\"",
    ];
    for _ in 0..500 {
        let text: String = (0..next() % 12).map(|_| pieces[next() as usize % pieces.len()]).collect();
        page.text(text).await;
    }
    page.join("lamp", None).await;
    page.users("lamp", 1).await;
    page.stream.send(Message::Binary(vec![1, 2, 3].into())).await.unwrap();
    let code = loop {
        if let Message::Close(frame) = page.stream.next().await.expect("a goodbye").unwrap() {
            break u16::from(frame.unwrap().code);
        }
    };
    assert_eq!(code, 1003);
}

#[tokio::test]
async fn a_quiet_socket_is_sent_pings() {
    let server = TestServer::start("--site https://shop.example --probe-every 300ms --pong-within 5s").await;
    let mut page = Embed::joined(&server, SHOP, "lamp").await;
    page.users("lamp", 1).await;
    page.wanted(|message| (*message == json!({"type": "ping"})).then_some(())).await;
}

#[tokio::test]
async fn a_dismissed_page_is_told_so_and_counts_again_only_after_another_join() {
    let mut settings = config("--site https://shop.example");
    settings.secrets.api_key = Some("a key for the tests".to_owned());
    let server = TestServer::with(settings).await;
    let mut page = Embed::joined(&server, SHOP, "lamp").await;
    let mut other = Embed::joined(&server, SHOP, "lamp").await;
    page.users("lamp", 2).await;
    other.users("lamp", 2).await;
    let request = |path: &str| reqwest::Client::new().post(server.url(path)).bearer_auth("a key for the tests");
    let members = reqwest::Client::new()
        .get(server.url("/api/v1/rooms/members?room=shop.example/lamp"))
        .bearer_auth("a key for the tests")
        .send()
        .await
        .unwrap();
    let members: Value = members.json().await.unwrap();
    let member = members["members"][0]["id"].as_str().unwrap().to_owned();
    let dismissal = json!({"room": "shop.example/lamp", "member": member});
    assert_eq!(request("/api/v1/rooms/dismiss").json(&dismissal).send().await.unwrap().status(), 202);
    let left = |message: &Value| (*message == json!({"type": "left", "room": "lamp"})).then_some(());
    // One of the two is dismissed; the other sees one user less.
    let (gone, stays) = tokio::select! {
        () = page.wanted(left) => (&mut page, &mut other),
        () = other.wanted(left) => (&mut other, &mut page),
    };
    stays.users("lamp", 1).await;
    gone.join("lamp", None).await;
    gone.users("lamp", 2).await;
    stays.users("lamp", 2).await;
}

#[tokio::test]
async fn only_pages_of_sites_may_read_counts() {
    let server = TestServer::start("--site https://shop.example").await;
    for path in ["/api/v1/rooms?room=a", "/api/v1/rooms/a"] {
        let read = server.get_with(path, &[("origin", SHOP)]).await;
        let header = |name: &str| read.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("access-control-allow-origin").as_deref(), Some(SHOP));
        assert_eq!(header("access-control-allow-credentials"), None);
        assert_eq!(header("cross-origin-resource-policy").as_deref(), Some("cross-origin"));
        assert_eq!(header("cache-control").as_deref(), Some("public, max-age=1"));
        let varies = read.headers().get_all("vary").iter().any(|value| value.to_str().unwrap().contains("origin"));
        assert!(varies, "a cache must not give one site's answer to another");
        let foreign = server.get_with(path, &[("origin", "https://evil.example")]).await;
        assert!(foreign.headers().get("access-control-allow-origin").is_none());
        assert_eq!(foreign.headers()["cross-origin-resource-policy"], "same-origin");
    }
    let page = server.get_with("/", &[("origin", SHOP)]).await;
    assert!(page.headers().get("access-control-allow-origin").is_none());
    assert_eq!(page.headers()["cross-origin-resource-policy"], "same-origin");
}
