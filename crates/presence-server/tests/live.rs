//! One complete node: visitors are counted, a click is drawn for all of them, and facts outlive the node.

use std::collections::VecDeque;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::common::{SOON, Socket, TestServer, said, within};

/// One open page: its cookie, its signed names, its socket.
pub(crate) struct Tab {
    pub(crate) socket: Socket,
    user: String,
    room: String,
    pub(crate) cookie: String,
    /// Messages before a subscription was confirmed: a room may be sent before the next subscription is.
    unread: VecDeque<Value>,
}

impl Tab {
    /// Opens the page like a browser with this cookie, or like a new one, and joins its room.
    pub(crate) async fn open(server: &TestServer, cookie: Option<&str>) -> Self {
        Self::at(server, "/", cookie).await
    }

    /// Opens the page at this path.
    async fn at(server: &TestServer, path: &str, cookie: Option<&str>) -> Self {
        let sent: Vec<_> = cookie.iter().map(|cookie| ("cookie", *cookie)).collect();
        let page = server.get_with(path, &sent).await;
        let cookie = page.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        let page = page.text().await.unwrap();
        let socket = server.socket(&[("cookie", &cookie)]).await.unwrap();
        let (room, own) = (said(&page, "room").to_owned(), said(&page, "own").to_owned());
        let mut tab =
            Self { socket, user: said(&page, "user").to_owned(), room: room.clone(), cookie, unread: VecDeque::new() };
        tab.subscribe(&json!({"channel": "CableReady::Stream", "identifier": room})).await;
        tab.subscribe(&json!({"channel": "CableReady::Stream", "identifier": own})).await;
        tab
    }

    async fn send(&mut self, command: &Value) {
        self.socket.stream.send(Message::text(command.to_string())).await.unwrap();
    }

    async fn subscribe(&mut self, identifier: &Value) {
        let identifier = identifier.to_string();
        self.send(&json!({"command": "subscribe", "identifier": identifier})).await;
        let confirming = async {
            loop {
                let frame = self.next().await;
                if frame["type"] == "confirm_subscription" && frame["identifier"] == identifier {
                    return;
                }
                self.unread.push_back(frame);
            }
        };
        tokio::time::timeout(SOON, confirming).await.expect("it is confirmed soon");
    }

    /// Clicks, and returns the outcome.
    async fn click(&mut self, target: &str, value: &str) -> String {
        let channel = json!({"channel": "StimulusReflex::Channel", "room": self.room});
        self.subscribe(&channel).await;
        let data = json!({"id": "1", "target": target, "attrs": {"data-value": value}, "url": "", "tabId": "1", "version": "3.5.5"});
        self.send(&json!({"command": "message", "identifier": channel.to_string(), "data": data.to_string()})).await;
        self.read(|frame| {
            let name = &frame["message"]["operations"][0]["name"];
            name.as_str().and_then(|name| name.strip_prefix("stimulus-reflex:")).map(str::to_owned)
        })
        .await
    }

    /// Waits until an element is drawn with this text.
    async fn sees(&mut self, id: &str, text: &str) {
        let html = format!("<p id=\"{id}\">{text}</p>");
        self.read(|frame| {
            let operations = frame["message"]["operations"].as_array()?;
            operations.iter().any(|operation| operation["html"] == html.as_str()).then_some(())
        })
        .await;
    }

    async fn read<T>(&mut self, mut look: impl FnMut(&Value) -> Option<T>) -> T {
        let reading = async {
            loop {
                let frame = match self.unread.pop_front() {
                    Some(frame) => frame,
                    None => self.next().await,
                };
                if let Some(seen) = look(&frame) {
                    return seen;
                }
            }
        };
        tokio::time::timeout(SOON, reading).await.expect("it is sent soon")
    }

    async fn next(&mut self) -> Value {
        loop {
            if let Message::Text(text) = self.socket.stream.next().await.expect("the socket is open").unwrap() {
                return serde_json::from_str(&text).unwrap();
            }
        }
    }
}

async fn counts(server: &TestServer) -> (u64, u64) {
    let room: Value = server.get("/api/v1/rooms/demo").await.json().await.unwrap();
    (room["users"].as_u64().unwrap(), room["tabs"].as_u64().unwrap())
}

#[tokio::test]
async fn a_click_is_drawn_for_all_visitors_and_all_are_counted() {
    let server = TestServer::start("").await;
    let mut first = Tab::open(&server, None).await;
    first.sees("you", &first.user.clone()).await;
    let mut second = Tab::open(&server, None).await;
    first.sees("users", "2").await;
    assert_eq!(first.click("Lamp#set", "on").await, "morph-nothing");
    second.sees("lamp", "on").await;
    assert_eq!(second.click("Lamp#smash", "").await, "morph-error");
    assert_eq!(counts(&server).await, (2, 2));
    let cookie = first.cookie.clone();
    let _third = Tab::open(&server, Some(&cookie)).await;
    first.sees("tabs", "2").await;
    assert_eq!(counts(&server).await, (2, 3));
    let page = server.get_with("/", &[("cookie", &cookie)]).await.text().await.unwrap();
    assert_eq!((said(&page, "users"), said(&page, "tabs"), said(&page, "lamp")), ("2", "2", "Some(\"on\")"));
    second.socket.stream.close(None).await.unwrap();
    within(async || (counts(&server).await == (1, 2)).then_some(())).await;
}

#[tokio::test]
async fn a_fact_is_on_the_page_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let line = format!("--drain-over 10ms --data-dir {}", folder.path().display());
    let server = TestServer::start(&line).await;
    let mut tab = Tab::open(&server, None).await;
    assert_eq!(tab.click("Lamp#set", "blue").await, "morph-nothing");
    server.running.drain().await.unwrap();
    let server = TestServer::start(&line).await;
    let page = server.get("/").await.text().await.unwrap();
    assert_eq!(said(&page, "lamp"), "Some(\"blue\")");
}

#[tokio::test]
async fn each_page_is_a_room_with_its_own_facts() {
    let server = TestServer::start("").await;
    let mut blue = Tab::at(&server, "/rooms/blue", None).await;
    let mut red = Tab::at(&server, "/rooms/red", Some(&blue.cookie.clone())).await;
    blue.sees("users", "1").await;
    red.sees("users", "1").await;
    let mut watching = Tab::at(&server, "/rooms/red", None).await;
    watching.sees("users", "2").await;
    assert_eq!(red.click("Lamp#set", "on").await, "morph-nothing");
    watching.sees("lamp", "on").await;
    let said_of = async |path| said(&server.get(path).await.text().await.unwrap(), "lamp").to_owned();
    assert_eq!(said_of("/rooms/red").await, "Some(\"on\")");
    assert_eq!((said_of("/rooms/blue").await, said_of("/").await), ("None".to_owned(), "None".to_owned()));
}
