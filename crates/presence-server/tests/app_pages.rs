//! What an app answers to a request: pages, redirects, refusals, error pages, routes and files of its own; who has signed in; and
//! that no one listens to a page that its route refuses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use axum::http::header::SET_COOKIE;
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use futures_util::{SinkExt as _, StreamExt as _};
use presence_core::{
    App, Change, Click, Fragment, PageError, PageRequest, Refusal, Room, RoomView, Route, SignedUser, Visit, Write,
};
use presence_server::{Asset, Policy, RoomViews, Server, SignIn, Site};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::common::{SOON, TestServer, config, said, within};

/// `/cave` is for those who have signed in, while it is open. `/breaks` panics. A header names users, too.
struct Cave {
    open: Arc<AtomicBool>,
}

impl App for Cave {
    fn route(&self, request: &PageRequest<'_>) -> Route {
        match (request.path, request.signed) {
            ("/" | "/login", _) => Route::Page(request.site.clone()),
            ("/cave", None) => Route::Redirect("/login?to=%2Fcave".to_owned()),
            ("/cave", Some(_)) if self.open.load(Relaxed) => request.site.below("cave").into(),
            ("/cave", Some(_)) => Route::Forbidden,
            ("/split", _) => Route::Redirect("/a\r\nset-cookie: b".to_owned()),
            ("/breaks", _) => panic!("this app breaks here"),
            _ => Route::NotFound,
        }
    }

    fn signed_user(&self, request: &PageRequest<'_>) -> Option<SignedUser> {
        request.signed.cloned().or_else(|| request.header("x-employee").map(SignedUser::new))
    }

    fn error_page(&self, error: PageError, request: &PageRequest<'_>) -> Option<String> {
        (error == PageError::Forbidden).then(|| format!("<!doctype html>The rock at {} does not move.", request.path))
    }

    fn page(&self, _: &RoomView, visit: &Visit<'_>) -> String {
        let (name, to) = (visit.signed.map_or("", |user| &user.id), visit.query.get("to").unwrap_or_default());
        let Visit { origin, room_stream, user_stream, .. } = visit;
        let user = visit.user.long();
        format!(
            "<!doctype html>\nname {name}\nto {to}\norigin {origin}\nuser {user}\nroom {room_stream}\nown {user_stream}\n"
        )
    }

    fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
        let words: Vec<&str> = click.form.all("word").collect();
        let name = click.signed.as_ref().map_or("no one", |user| &user.id);
        let said = format!("{} by {name} in {} at {}", words.join(" "), click.region, click.now_ms > 1_700_000_000_000);
        assert_ne!(click.user.0, click.public.0);
        Err(Refusal::Because(said))
    }

    fn render(&self, _: &Change, _: &RoomView) -> Vec<Fragment> {
        Vec::new()
    }
}

async fn login(sign_in: SignIn, name: String) -> Response {
    let user = SignedUser::new(name).with_info(r#"{"age":7}"#);
    ([(SET_COOKIE, sign_in.cookie(&user, Duration::from_secs(60)))], Redirect::to("/cave")).into_response()
}

async fn who(sign_in: SignIn) -> Html<String> {
    Html(sign_in.user().map_or("no one".to_owned(), |user| format!("{} {:?}", user.id, user.info)))
}

async fn counts(rooms: RoomViews) -> String {
    let users = |room| rooms.view(&Room::new(room).unwrap()).users;
    format!("{} and {}", users("demo"), users("demo/cave"))
}

async fn start(line: &str) -> (TestServer, Arc<AtomicBool>) {
    let open = Arc::new(AtomicBool::new(true));
    let router = axum::Router::new().route("/login", post(login)).route("/who", get(who)).route("/counts", get(counts));
    let assets = vec![Asset::at("/robots.txt", b"User-agent: *\n"), Asset::at("/favicon.ico", b"\0\0\x01\0")];
    let policy = Policy::new().img("https://images.example");
    let site = Site { assets, router, policy, ..Site::new("demo") };
    let running = Server::new(config(line), Cave { open: Arc::clone(&open) }, site).start().await.unwrap();
    let address = running.address();
    (TestServer { running, address }, open)
}

fn header<'a>(response: &'a reqwest::Response, name: &str) -> &'a str {
    response.headers().get(name).unwrap_or_else(|| panic!("no {name}")).to_str().unwrap()
}

/// Answers as they are, redirects included.
async fn ask(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let request = client.get(server.url(path)).timeout(SOON);
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

/// The cookie of a user who signs in by the app's own route.
async fn sign_in(server: &TestServer, name: &str) -> String {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = client.post(server.url("/login")).body(name.to_owned()).timeout(SOON).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/cave"));
    let cookie = header(&answer, "set-cookie");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("Max-Age=60") && cookie.contains("SameSite=Lax"),
        "{cookie}"
    );
    cookie.split(';').next().unwrap().to_owned()
}

/// Whether a socket with these headers may subscribe to this signed name.
async fn may_join(server: &TestServer, name: &str, headers: &[(&str, &str)]) -> bool {
    let mut socket = server.socket(headers).await.unwrap().stream;
    let identifier = json!({"channel": "CableReady::Stream", "identifier": name}).to_string();
    socket.send(Message::text(json!({"command": "subscribe", "identifier": identifier}).to_string())).await.unwrap();
    let answer = async {
        while let Some(frame) = socket.next().await {
            let frame: Value = serde_json::from_str(frame.unwrap().to_text().unwrap()).unwrap_or_default();
            match frame["type"].as_str() {
                Some("confirm_subscription") => return true,
                Some("reject_subscription") => return false,
                _ => {}
            }
        }
        panic!("the socket was closed without an answer");
    };
    tokio::time::timeout(SOON, answer).await.expect("it is answered soon")
}

#[tokio::test]
async fn a_request_is_answered_as_the_app_routes_it() {
    let (server, open) = start("").await;
    let page = ask(&server, "/login?to=%2Fcave&x", &[]).await;
    let policy = header(&page, "content-security-policy").to_owned();
    assert!(policy.contains("img-src 'self' data: https://images.example;"), "{policy}");
    assert!(policy.contains("form-action 'self';"), "forms may be sent to the app's own routes: {policy}");
    assert_eq!(said(&page.text().await.unwrap(), "to"), "/cave");

    let away = ask(&server, "/cave", &[]).await;
    assert_eq!((away.status().as_u16(), header(&away, "location")), (303, "/login?to=%2Fcave"));
    assert_eq!(header(&away, "cache-control"), "no-store");
    assert_eq!(ask(&server, "/split", &[]).await.status(), 500);

    let cookie = sign_in(&server, "ali").await;
    let inside = ask(&server, "/cave", &[("cookie", &cookie)]).await.text().await.unwrap();
    assert_eq!(said(&inside, "name"), "ali");
    open.store(false, Relaxed);
    assert_eq!(ask(&server, "/cave", &[("cookie", &cookie)]).await.status(), 403);
    assert_eq!(ask(&server, "/nowhere", &[]).await.status(), 404);
    let posted = reqwest::Client::new().post(server.url("/")).timeout(SOON).send().await.unwrap();
    assert_eq!((posted.status().as_u16(), header(&posted, "allow")), (405, "GET, HEAD"));
}

#[tokio::test]
async fn people_read_an_error_page_and_programs_a_sentence() {
    let (server, open) = start("").await;
    open.store(false, Relaxed);
    let browser = ("accept", "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8");
    for (path, status, words) in [
        ("/nowhere", 404, "This address leads nowhere."),
        ("/breaks", 500, "It is our mistake, not yours"),
        ("/cave", 403, "The rock at /cave does not move."),
    ] {
        let headers = [("x-employee", "kasim"), browser];
        let page = ask(&server, path, &headers).await;
        assert_eq!((page.status().as_u16(), header(&page, "content-type")), (status, "text/html; charset=utf-8"));
        assert!(header(&page, "content-security-policy").contains("style-src 'self'"));
        let page = page.text().await.unwrap();
        assert!(page.starts_with("<!doctype html>") && page.contains(words), "{page}");
        if let Some((_, style)) = page.split_once("stylesheet\" href=\"") {
            let style = ask(&server, style.split('"').next().unwrap(), &[]).await;
            assert_eq!((style.status().as_u16(), header(&style, "content-type")), (200, "text/css; charset=utf-8"));
        }
        let problem = ask(&server, path, &headers[..1]).await;
        assert_eq!((problem.status().as_u16(), header(&problem, "content-type")), (status, "application/problem+json"));
    }
}

#[tokio::test]
async fn routes_and_files_of_the_app_stand_beside_its_pages() {
    let (server, _) = start("").await;
    let robots = ask(&server, "/robots.txt", &[]).await;
    assert_eq!(header(&robots, "content-type"), "text/plain; charset=utf-8");
    assert_eq!(header(&robots, "cache-control"), "public, max-age=300");
    assert_eq!(robots.text().await.unwrap(), "User-agent: *\n");
    assert_eq!(header(&ask(&server, "/favicon.ico", &[]).await, "content-type"), "image/x-icon");
    let cookie = sign_in(&server, "ali").await;
    let known = ask(&server, "/who", &[("cookie", &cookie)]).await;
    assert!(header(&known, "content-security-policy").contains("img-src 'self' data: https://images.example"));
    assert_eq!(known.text().await.unwrap(), r#"ali Some("{\"age\":7}")"#);
    assert_eq!(ask(&server, "/who", &[]).await.text().await.unwrap(), "no one");
    let (_, token) = cookie.split_once('=').unwrap();
    let bearer = format!("Bearer {token}");
    assert!(ask(&server, "/who", &[("authorization", &bearer)]).await.text().await.unwrap().starts_with("ali"));
    assert_eq!(ask(&server, "/who", &[("x-employee", "kasim")]).await.text().await.unwrap(), "kasim None");
    assert_eq!(ask(&server, "/who", &[("cookie", &cookie[..cookie.len() - 1])]).await.text().await.unwrap(), "no one");
    assert_eq!(ask(&server, "/healthz", &[]).await.status(), 200);
    let from = async |origin: &str| {
        let login = reqwest::Client::new().post(server.url("/login")).header("origin", origin).body("eve");
        login.timeout(SOON).send().await.unwrap().status().as_u16()
    };
    assert_eq!(from("https://evil.example").await, 403, "another site's form signs no one in");
    assert_eq!(from("null").await, 403);
    assert_eq!(from(&format!("http://{}", server.address)).await, 200);
}

#[tokio::test]
async fn a_route_of_the_app_reads_rooms_as_they_are_now() {
    let (server, _) = start("").await;
    let page = ask(&server, "/", &[]).await.text().await.unwrap();
    assert_eq!(said(&page, "origin"), format!("http://{}", server.address));
    let counts = async || ask(&server, "/counts", &[]).await.text().await.unwrap();
    assert_eq!(counts().await, "0 and 0");
    let mut socket = server.socket(&[]).await.unwrap().stream;
    let identifier = json!({"channel": "CableReady::Stream", "identifier": said(&page, "room")}).to_string();
    socket.send(Message::text(json!({"command": "subscribe", "identifier": identifier}).to_string())).await.unwrap();
    within(async || (counts().await == "1 and 0").then_some(())).await;
}

#[tokio::test]
async fn a_user_who_has_signed_in_is_one_user_in_all_browsers_and_another_than_a_guest() {
    let (server, _) = start("").await;
    let user = async |cookie: &str| {
        let page = ask(&server, "/", &[("cookie", cookie)]).await.text().await.unwrap();
        said(&page, "user").to_owned()
    };
    let (ali, again, kasim) =
        (sign_in(&server, "ali").await, sign_in(&server, "ali").await, sign_in(&server, "kasim").await);
    assert_eq!(user(&ali).await, user(&again).await);
    assert_ne!(user(&ali).await, user(&kasim).await);
    assert_ne!(user("").await, user("").await);
}

#[tokio::test]
async fn no_one_joins_a_page_that_its_route_refuses() {
    let (server, open) = start("").await;
    let (ali, kasim) = (sign_in(&server, "ali").await, sign_in(&server, "kasim").await);
    let page = ask(&server, "/cave", &[("cookie", &ali)]).await.text().await.unwrap();
    for name in [said(&page, "room"), said(&page, "own")] {
        assert!(may_join(&server, name, &[("cookie", &ali)]).await);
        assert!(!may_join(&server, name, &[("cookie", &kasim)]).await, "the name is ali's");
        assert!(!may_join(&server, name, &[]).await, "the name is not a guest's");
    }
    open.store(false, Relaxed);
    for name in [said(&page, "room"), said(&page, "own")] {
        assert!(!may_join(&server, name, &[("cookie", &ali)]).await, "the cave is closed now");
    }
    let public = ask(&server, "/", &[]).await.text().await.unwrap();
    assert!(may_join(&server, said(&public, "room"), &[]).await);
}

#[tokio::test]
async fn a_click_says_who_made_it_where_and_with_which_form_and_its_refusal_says_why() {
    let (server, _) = start("").await;
    let ali = sign_in(&server, "ali").await;
    let page = ask(&server, "/cave", &[("cookie", &ali)]).await.text().await.unwrap();
    let mut socket = server.socket(&[("cookie", &ali)]).await.unwrap().stream;
    let identifier = json!({"channel": "StimulusReflex::Channel", "room": said(&page, "room")}).to_string();
    socket.send(Message::text(json!({"command": "subscribe", "identifier": identifier}).to_string())).await.unwrap();
    let data = json!({"id": "1", "target": "Door#say", "xpathElement": "//*[@id='door']", "formData": "word=open&word=se%20same"});
    let click = json!({"command": "message", "identifier": identifier, "data": data.to_string()});
    socket.send(Message::text(click.to_string())).await.unwrap();
    let answer = async {
        while let Some(frame) = socket.next().await {
            let frame: Value = serde_json::from_str(frame.unwrap().to_text().unwrap()).unwrap_or_default();
            if frame["message"]["operations"].is_array() {
                return frame["message"]["operations"].clone();
            }
        }
        panic!("the socket was closed without an answer");
    };
    let operations = tokio::time::timeout(SOON, answer).await.expect("it is answered soon");
    let why = "open se same by ali in ams at true";
    assert_eq!(operations[0]["payload"], json!({"error": why, "code": "refused"}));
    assert_eq!((&operations[1]["operation"], &operations[1]["text"]), (&json!("textContent"), &json!(why)));
}
