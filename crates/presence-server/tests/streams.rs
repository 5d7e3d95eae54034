//! Visitors without a socket: event streams and frames where no script runs; and the badge.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::embed::{Embed, SHOP, users};
use crate::common::{SOON, TestServer, within};

const SITE: &str = "--site https://shop.example";

/// An answer that stays open.
struct Open {
    response: reqwest::Response,
    read: String,
}

impl Open {
    async fn get(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut request = reqwest::Client::new().get(server.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = tokio::time::timeout(SOON, request.send()).await.expect("the node answers").unwrap();
        assert_eq!(response.status(), 200, "{path}");
        Self { response, read: String::new() }
    }

    fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
    }

    /// Reads until a value can be made of what was read.
    async fn wanted<T>(&mut self, of: impl Fn(&str) -> Option<T>) -> T {
        let reading = async {
            loop {
                if let Some(wanted) = of(&self.read) {
                    return wanted;
                }
                let piece = self.response.chunk().await.unwrap().unwrap_or_else(|| panic!("it ended: {}", self.read));
                self.read.push_str(std::str::from_utf8(&piece).unwrap());
            }
        };
        tokio::time::timeout(SOON, reading).await.expect("what is wanted comes")
    }

    /// The first message that matches.
    async fn message(&mut self, right: impl Fn(&Value) -> bool) -> Value {
        self.wanted(|read| {
            let data = read.lines().filter_map(|line| line.strip_prefix("data: "));
            data.filter_map(|data| serde_json::from_str::<Value>(data).ok()).find(|message| right(message))
        })
        .await
    }

    async fn rest(mut self) -> String {
        let reading = async {
            while let Some(piece) = self.response.chunk().await.unwrap() {
                self.read.push_str(std::str::from_utf8(&piece).unwrap());
            }
        };
        tokio::time::timeout(SOON, reading).await.expect("it ends");
        self.read
    }
}

fn counts(room: &str, users: u64) -> impl Fn(&Value) -> bool {
    move |message| message["type"] == "counts" && message["room"] == room && message["users"] == users
}

#[tokio::test]
async fn a_stream_counts_its_visitor_as_unproven_and_sends_what_a_socket_sends() {
    let server = TestServer::start(SITE).await;
    let path = "/presence/events?room=lamp&room=/chair/&visible=false";
    let mut stream = Open::get(&server, path, &[("origin", SHOP)]).await;
    assert_eq!(stream.header("content-type"), "text/event-stream");
    assert_eq!(stream.header("access-control-allow-origin"), SHOP);
    assert_eq!(stream.header("access-control-allow-credentials"), "true");
    let cookie = stream.header("set-cookie").split(';').next().unwrap().to_owned();
    let welcome = stream.message(|message| message["type"] == "welcome").await;
    assert_eq!(welcome["identity"], "new");
    let one = stream.message(counts("lamp", 1)).await;
    assert_eq!((&one["looking"], &one["unproven"], &one["tabs"]), (&json!(0), &json!(1), &json!(1)));
    stream.message(counts("/chair/", 1)).await;

    // The cookie and the id make the same user.
    let id = welcome["id"].as_str().unwrap();
    let mut again = Open::get(&server, "/presence/events?room=lamp", &[("origin", SHOP), ("cookie", &cookie)]).await;
    assert_eq!(again.message(|message| message["type"] == "welcome").await["identity"], "cookie");
    let given = format!("/presence/events?room=lamp&id={id}");
    let mut third = Open::get(&server, &given, &[("origin", SHOP)]).await;
    assert_eq!(third.message(|message| message["type"] == "welcome").await["identity"], "given");
    third.message(|message| message["tabs"] == 3 && message["users"] == 1).await;

    let mut page = Embed::joined(&server, SHOP, "lamp").await;
    page.users("lamp", 2).await;
    stream.message(counts("lamp", 2)).await;
    drop((stream, again, third));
    page.users("lamp", 1).await;
    within(async || (users(&server, "shop.example/chair").await == 0).then_some(())).await;
}

#[tokio::test]
async fn the_fourth_open_stream_of_a_browser_is_answered_briefly_and_counts_until_it_returns() {
    let server = TestServer::start(SITE).await;
    let mut first = Open::get(&server, "/presence/events?room=lamp", &[("origin", SHOP)]).await;
    let id = first.message(|message| message["type"] == "welcome").await["id"].as_str().unwrap().to_owned();
    let path = format!("/presence/events?room=lamp&id={id}");
    let second = Open::get(&server, &path, &[("origin", SHOP)]).await;
    let third = Open::get(&server, &path, &[("origin", SHOP)]).await;
    let brief = Open::get(&server, &path, &[("origin", SHOP)]).await.rest().await;
    assert!(brief.contains("\"users\":1") && brief.ends_with("event: again\ndata: 12000\n\n"), "{brief}");
    first.message(|message| message["tabs"] == 4 && message["users"] == 1).await;
    // Over HTTP/2, which a proxy tells of, streams share a connection. Another browser has streams of its own.
    let stays = async |headers: &[(&str, &str)], path: &str| {
        let stream = Open::get(&server, path, headers).await;
        tokio::time::timeout(Duration::from_secs(2), stream.rest()).await.is_err()
    };
    assert!(stays(&[("origin", SHOP), ("via", "2 edge")], &path).await);
    assert!(stays(&[("origin", SHOP)], "/presence/events?room=lamp").await);
    assert!(!stays(&[("origin", SHOP)], &path).await);
    drop(third);
    within(async || stays(&[("origin", SHOP)], &path).await.then_some(())).await;
    drop((first, second));
}

#[tokio::test]
async fn a_refused_stream_is_told_why_and_not_counted() {
    let mut settings = crate::common::config(SITE);
    settings.secrets.api_key = Some("a key for the tests".to_owned());
    let server = TestServer::with(settings).await;
    for (path, origin, status) in [
        ("/presence/events?room=lamp", "https://evil.example", 403),
        ("/presence/events?room=lamp", "null", 403),
        ("/presence/events", SHOP, 400),
        ("/presence/events?token=x", SHOP, 400),
        ("/presence/events?room=lamp&more=x", SHOP, 400),
    ] {
        let answer = server.get_with(path, &[("origin", origin)]).await;
        assert_eq!(answer.status(), status, "{path} {origin}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    assert_eq!(server.get("/presence/events?room=lamp").await.status(), 403, "without an origin");
    let mut stream = Open::get(&server, "/presence/events?room=private/x&room=y", &[("origin", SHOP)]).await;
    let error = stream.message(|message| message["type"] == "error").await;
    assert_eq!((&error["room"], &error["status"]), (&json!("private/x"), &json!(403)));
    stream.message(counts("y", 1)).await;
    assert_eq!(users(&server, "shop.example/lamp").await, 0);
    let path = "/api/v1/rooms?room=shop.example/private/x";
    let private = server.get_with(path, &[("authorization", "Bearer a key for the tests")]).await;
    assert_eq!(private.json::<Value>().await.unwrap()["rooms"][0]["users"], 0);
}

#[tokio::test]
async fn streams_and_printed_frames_hold_permits_while_they_count() {
    let server = TestServer::start(&format!("{SITE} --sockets-per-address 1")).await;
    let stream = Open::get(&server, "/presence/events?room=lamp", &[("origin", SHOP)]).await;
    let frame = [("referer", "https://shop.example/")];
    assert_eq!(server.get_with("/embed?room=lamp", &frame).await.status(), 200, "it has no visitor yet");
    let full = server.get_with("/embed/printed?room=lamp", &frame).await;
    assert_eq!(full.status(), 429);
    assert_eq!(full.headers()["refresh"], "15", "it has no script that could try again");
    drop(stream);
    within(async || {
        let answer = server.get_with("/embed/printed?room=lamp", &frame).await;
        Some(()).filter(|()| answer.status() == 200)
    })
    .await;
    assert_eq!(server.get_with("/presence/events?room=lamp", &[("origin", SHOP)]).await.status(), 429);
}

/// The address that follows this text in a page.
fn address_after(page: &str, text: &str) -> String {
    let (_, rest) = page.split_once(text).unwrap_or_else(|| panic!("no {text} in {page}"));
    rest.split('"').next().unwrap().replace("&amp;", "&")
}

#[tokio::test]
async fn a_frame_has_the_element_and_without_scripts_a_page_that_is_printed_again() {
    let server = TestServer::start(SITE).await;
    let headers = [("referer", "https://shop.example/lamps?x"), ("accept-language", "de-AT,en;q=0.5")];
    let frame = server.get_with("/embed?room=lamp&theme=dark", &headers).await;
    assert_eq!(frame.headers()["content-type"], "text/html; charset=utf-8");
    let policy = frame.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.ends_with("frame-ancestors 'self' https://shop.example"), "{policy}");
    assert!(frame.headers()["set-cookie"].to_str().unwrap().contains("presence-embed="));
    let frame = frame.text().await.unwrap();
    assert!(frame.contains("<html lang=\"de\">") && frame.contains("content=\"dark\""), "{frame}");
    assert!(frame.contains("<live-presence room=\"lamp\" lang=\"de\"></live-presence>"), "{frame}");
    assert_eq!(
        server.get(&address_after(&frame, " async src=\"")).await.headers()["content-type"],
        "text/javascript; charset=utf-8"
    );
    assert_eq!(users(&server, "shop.example/lamp").await, 0, "the element will count its visitor");

    let own = [("sec-fetch-site", "same-origin")];
    let printed = address_after(&frame, "<iframe src=\"");
    let print = async |path: &str| server.get_with(path, &own).await.text().await.unwrap();
    let first = print(&printed).await;
    assert!(first.contains("<b>1</b> Person sieht sich das gerade an</p>"), "{first}");
    let again = address_after(&first, "http-equiv=\"refresh\" content=\"10;url=");
    assert_eq!(again, printed, "the same visitor in the same frame");
    let mut page = Embed::joined(&server, SHOP, "lamp").await;
    let two = page.users("lamp", 2).await;
    assert_eq!((&two["unproven"], &two["tabs"]), (&json!(1), &json!(2)));
    assert!(print(&again).await.contains("<b>2</b> Personen sehen sich das gerade an</p>"));
    // The page around it, loaded again, goes on with the same frame.
    let loaded = print(&address_after(&frame, "http-equiv=\"refresh\" content=\"45;url=")).await;
    assert_eq!(address_after(&loaded, "<iframe src=\""), printed);
    let tabs = server.get("/api/v1/rooms?room=shop.example/lamp").await.json::<Value>().await.unwrap();
    assert_eq!(tabs["rooms"][0]["tabs"], 2, "{tabs}");
    for headers in [
        vec![],
        vec![("referer", "https://evil.example/")],
        vec![("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "none")],
    ] {
        assert_eq!(server.get_with(&printed, &headers).await.status(), 403, "{headers:?}");
    }
}

#[tokio::test]
async fn a_script_in_a_frame_speaks_for_the_page_around_it_and_no_other_page_does() {
    let server = TestServer::start(SITE).await;
    let own = format!("http://{}", server.address);
    let socket = "/embed/https/shop.example/presence";
    let protocol = ("sec-websocket-protocol", "presence-v1");
    server.socket_at(socket, &[("origin", &*own), protocol]).await.unwrap();
    let path = format!("{socket}/events?room=lamp");
    let mut stream = Open::get(&server, &path, &[("sec-fetch-site", "same-origin")]).await;
    stream.message(counts("lamp", 1)).await;
    assert_eq!(users(&server, "shop.example/lamp").await, 1);
    for origin in [SHOP, "https://evil.example", "null"] {
        assert_eq!(server.refused_at(socket, &[("origin", origin), protocol]).await.0, 403, "{origin}");
        assert_eq!(server.get_with(&path, &[("origin", origin)]).await.status(), 403, "{origin}");
    }
    assert_eq!(server.get(&path).await.status(), 403, "a program that does not say where it is");
    for other in ["https/evil.example", "http/shop.example", "x/y"] {
        let (status, body) =
            server.refused_at(&format!("/embed/{other}/presence"), &[("origin", &*own), protocol]).await;
        assert!(status == 403 && body.contains("--site"), "{other}: {status} {body}");
    }
}

#[tokio::test]
async fn a_drain_ends_open_answers_with_a_last_chunk() {
    let server = TestServer::start(&format!("{SITE} --drain-over 200ms")).await;
    let mut stream = Open::get(&server, "/presence/events?room=lamp", &[("origin", SHOP)]).await;
    stream.message(counts("lamp", 1)).await;
    let (ended, stream) = tokio::join!(server.running.drain(), stream.rest());
    ended.unwrap();
    assert!(stream.ends_with("event: again\ndata: 0\n\n"), "{stream}");
}

#[tokio::test]
async fn a_badge_shows_the_count_without_counting_its_viewer() {
    let server = TestServer::start(SITE).await;
    let _page = Embed::joined(&server, SHOP, "lamp").await;
    within(async || (users(&server, "shop.example/lamp").await == 1).then_some(())).await;
    let badge = server.get("/badge.svg?room=shop.example/lamp&lang=fr").await;
    assert_eq!(badge.headers()["content-type"], "image/svg+xml");
    assert_eq!(badge.headers()["cache-control"], "public, max-age=5");
    assert_eq!(badge.headers()["cross-origin-resource-policy"], "cross-origin");
    let text = badge.text().await.unwrap();
    assert!(text.contains("<title>1 personne regarde cette page</title>"), "{text}");
    assert!(text.contains("prefers-color-scheme:dark"));
    assert_eq!(users(&server, "shop.example/lamp").await, 1);
    for (show, text) in [("others", "0 others"), ("users", "1 person"), ("tabs", "1 open tab")] {
        let badge = server.get(&format!("/badge.svg?room=shop.example/lamp&lang=en&show={show}")).await;
        assert!(badge.text().await.unwrap().contains(&format!("<title>{text}</title>")), "{show}");
    }
    assert_eq!(server.get("/badge.svg").await.status(), 400);
    assert_eq!(server.get("/badge.svg?room=shop.example/private/x").await.status(), 403);
    let hostile = server.get("/badge.svg?room=%3Cscript%3E&lang=%3Cb%3E&theme=%22%3E&show=%3C").await;
    let text = hostile.text().await.unwrap();
    assert!(!text.contains("script") && !text.contains("<b>"), "{text}");
}
