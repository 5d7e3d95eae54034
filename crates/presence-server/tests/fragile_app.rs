//! An app that panics, or does not return: it costs its own answer, and nothing else.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use presence_core::{App, Change, Click, Fragment, PageRequest, Refusal, RoomView, Route, Visit, Write};
use presence_server::{Config, Secrets};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::common::{Lamp, SOON, Socket, TestServer, config, said, within};

/// Longer than a node without heartbeats is believed to be live.
const LEASE: Duration = Duration::from_millis(4_500);

/// The lamp, with values that it can't draw: `panic`, and `stuck` until it is released. Its page is the same.
struct Fragile {
    released: Arc<AtomicBool>,
}

impl Fragile {
    fn break_at(&self, what: &str) {
        assert_ne!(what, "panic", "this app breaks here");
        while what == "stuck" && !self.released.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn lamp(view: &RoomView) -> &str {
        view.registers.get("lamp").map_or("", |entry| std::str::from_utf8(&entry.value).expect("it was text"))
    }
}

impl App for Fragile {
    fn route(&self, request: &PageRequest<'_>) -> Route {
        assert_ne!(request.path, "/panic", "this app breaks here");
        Lamp.route(request)
    }

    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        self.break_at(Self::lamp(view));
        Lamp.page(view, visit)
    }

    fn reflex(&self, click: &Click, view: &RoomView) -> Result<Vec<Write>, Refusal> {
        self.break_at(click.target.strip_prefix("Lamp#").unwrap_or_default());
        Lamp.reflex(click, view)
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        if matches!(change, Change::Set(_) | Change::Everything) {
            self.break_at(Self::lamp(view));
        }
        Lamp.render(change, view)
    }
}

/// One browser's page of a room.
struct Page {
    socket: Socket,
    room: String,
    reflexes: String,
}

impl Page {
    async fn open(server: &TestServer, path: &str) -> Self {
        let html = server.get(path).await.text().await.unwrap();
        let room = json!({"channel": "CableReady::Stream", "identifier": said(&html, "room")}).to_string();
        let reflexes = json!({"channel": "StimulusReflex::Channel", "room": said(&html, "room")}).to_string();
        let mut page = Self { socket: server.socket(&[]).await.unwrap(), room, reflexes };
        for key in [page.room.clone(), page.reflexes.clone()] {
            page.say(json!({"command": "subscribe", "identifier": key})).await;
        }
        page
    }

    async fn say(&mut self, command: Value) {
        self.socket.stream.send(Message::text(command.to_string())).await.unwrap();
    }

    async fn click(&mut self, target: &str, value: &str) {
        let attrs = json!({"data-value": value});
        let data = json!({"id": "1", "target": target, "attrs": attrs, "url": "", "tabId": "1", "version": "3.5.5"});
        self.say(json!({"command": "message", "identifier": self.reflexes, "data": data.to_string()})).await;
    }

    /// Waits until a message holds this text.
    async fn sees(&mut self, text: &str) {
        let seen = async {
            while let Some(message) = self.socket.stream.next().await {
                if message.unwrap().to_string().contains(text) {
                    return;
                }
            }
            panic!("the socket was closed before {text} was seen");
        };
        tokio::time::timeout(SOON, seen).await.unwrap_or_else(|_| panic!("{text} is seen soon"));
    }
}

/// Lets the calls that are stuck return when it is dropped, so that a test that fails ends.
struct Release(Arc<AtomicBool>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn fragile() -> (Fragile, Release) {
    let released = Arc::new(AtomicBool::new(false));
    (Fragile { released: Arc::clone(&released) }, Release(released))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_costs_its_answer_and_the_next_fact_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("--data-dir {}", folder.path().display());
    let server = TestServer::of(with_secret(&line), fragile().0).await;
    assert_eq!(server.get("/panic").await.status(), 500);
    let mut page = Page::open(&server, "/").await;
    page.click("Lamp#panic", "").await;
    page.sees("The app failed at this click").await;
    page.click("Lamp#set", "panic").await;
    page.sees("morph-nothing").await;
    // The page can't be drawn, and that the number of visitors has changed can.
    within(async || (server.get("/").await.status() == 500).then_some(())).await;
    let mut other = Page::open(&server, "/rooms/other").await;
    other.sees("users").await;
    server.running.drain().await.unwrap();

    // The fact is still there after a restart, and can be replaced.
    let server = TestServer::of(with_secret(&line), fragile().0).await;
    assert_eq!(server.get("/").await.status(), 500);
    page.socket = server.socket(&[]).await.unwrap();
    for key in [page.room.clone(), page.reflexes.clone()] {
        page.say(json!({"command": "subscribe", "identifier": key})).await;
    }
    page.click("Lamp#set", "mended").await;
    page.sees("mended").await;
    assert_eq!(server.get("/").await.status(), 200);
}

fn with_secret(line: &str) -> Config {
    let mut config = config(line);
    config.secrets =
        Secrets { secret: Some("a secret for tests alone, of thirty-two bytes".to_owned()), ..Secrets::default() };
    config
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_an_app_does_not_return_its_node_is_heard_and_draws_all_other_rooms() {
    let free = || format!("quic/{}", UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let (here, there) = (free(), free());
    let (app, release) = fragile();
    let meshed = |name: &str, at: &str, peer: &str| {
        with_secret(&format!("--node {name} --region {name} --mesh-listen {at} --mesh-peer {peer}"))
    };
    let stuck = TestServer::of(meshed("aaa", &here, &there), app).await;
    let other = TestServer::with(meshed("bbb", &there, &here)).await;
    let healthy = async |server: &TestServer| {
        let report: Value = server.get("/readyz").await.json().await.unwrap();
        (report["ready"] == true && report["degraded"] == json!([])).then_some(())
    };
    within(async || healthy(&other).await).await;

    let mut page = Page::open(&stuck, "/").await;
    let mut room = Page::open(&stuck, "/rooms/fine").await;
    page.sees("users").await;
    // Stuck in render, then in pages and in a reflex.
    page.click("Lamp#set", "stuck").await;
    within(async || (other.get("/").await.text().await.unwrap().contains("stuck")).then_some(())).await;
    let url = stuck.url("/");
    let visits: Vec<_> = (0..4).map(|_| tokio::spawn(reqwest::get(url.clone()))).collect();
    page.click("Lamp#stuck", "").await;

    let began = std::time::Instant::now();
    let mut clicks = 0;
    while began.elapsed() < LEASE + Duration::from_secs(1) {
        clicks += 1;
        room.click("Lamp#set", &format!("lit {clicks}")).await;
        room.sees(&format!("lit {clicks}")).await;
        assert_eq!(healthy(&other).await, Some(()), "a node whose app is stuck is not heard");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    drop(release);
    for visit in visits {
        assert_eq!(visit.await.unwrap().unwrap().status(), 200);
    }
    page.sees("stuck").await;
}

/// Visits of a page that does not return, and of each of four others: in all more than a runtime has threads for.
const VISITS: usize = 300;
const VISITS_OF_OTHERS: usize = 80;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_more_calls_are_stuck_than_there_are_threads_health_checks_and_other_rooms_are_answered() {
    let (app, release) = fragile();
    // Threads of its own: the test needs some for itself.
    let node = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = node.spawn(TestServer::of(with_secret(""), app)).await.unwrap();
    let others: Vec<String> = (0..4).map(|room| format!("/rooms/{room}")).collect();
    for path in others.iter().map(String::as_str).chain(["/"]) {
        let mut page = Page::open(&server, path).await;
        page.click("Lamp#set", "stuck").await;
        page.sees("morph-nothing").await;
    }
    let visit = |path: &str, count| {
        let url = server.url(path);
        (0..count).map(move |_| tokio::spawn(reqwest::get(url.clone()))).collect::<Vec<_>>()
    };
    // While there is room, a probe is a call that does not return, too.
    let probes = std::sync::atomic::AtomicUsize::new(0);
    let refused = async |path: &str| {
        let probe = reqwest::Client::new().get(server.url(path)).timeout(Duration::from_secs(1)).send().await;
        probes.fetch_add(usize::from(probe.is_err()), Ordering::Relaxed);
        probe.is_ok_and(|answer| answer.status() == 503).then_some(())
    };
    let mut visits = visit("/", VISITS);
    // Too many wait for this page; no other is refused for it.
    within(async || refused("/").await).await;
    assert_eq!(server.get("/rooms/fine").await.status(), 200);
    visits.extend(others.iter().flat_map(|path| visit(path, VISITS_OF_OTHERS)));
    within(async || refused("/rooms/fine").await).await;
    for _ in 0..20 {
        let asked = std::time::Instant::now();
        assert_eq!(server.get("/healthz").await.status(), 200);
        assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    }
    drop(release);
    let mut returned = 0;
    for visit in visits {
        let status = visit.await.unwrap().unwrap().status();
        assert!(status == 200 || status == 503, "{status}");
        returned += usize::from(status == 200);
    }
    // One beside 256 for the second worker, less the drawings of five rooms.
    let returned = returned + probes.load(Ordering::Relaxed);
    assert!((252..=257).contains(&returned), "{returned}");
    assert_eq!(server.get("/rooms/fine").await.status(), 200);
    node.shutdown_background();
}
