//! Replays what a recorded client said, and compares what it is answered with what was recorded.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use futures_util::{SinkExt as _, StreamExt as _};
use presence_cable::EarlierAnswer;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use super::{
    CHANNELS, Lightbulb, MORE, REFLEXES, SUBSCRIBED, answered, click, described, is_drawn_like, is_refused, operations,
    recorded, refused, shape,
};
use crate::common::{SOON, Socket, TestServer, config, said};

/// A server, and the signed names that its page gave.
pub(super) struct Replay {
    pub(super) server: TestServer,
    room: String,
    user: String,
}

/// One socket of a replay, with all that it received but pings.
pub(super) struct Tab {
    socket: Socket,
    received: Vec<Value>,
}

impl Replay {
    pub(super) async fn start() -> Self {
        let server = TestServer::of(config(""), Lightbulb).await;
        let page = server.get("/").await.text().await.unwrap();
        let (room, user) = (said(&page, "room").to_owned(), said(&page, "own").to_owned());
        Self { server, room, user }
    }

    pub(super) fn ours(&self, recorded: &str) -> String {
        let mapped = CHANNELS.iter().find(|(from, _)| recorded.contains(from));
        let mapped = mapped.map_or_else(|| recorded.to_owned(), |(from, to)| recorded.replacen(from, to, 1));
        mapped.replace("ROOM", &self.room).replace("USER", &self.user)
    }

    pub(super) async fn open(&self) -> Tab {
        let mut tab = Tab { socket: self.server.socket(&[]).await.unwrap(), received: Vec::new() };
        tab.until(|frame| frame["type"] == "welcome").await;
        tab
    }

    pub(super) async fn replay(&self, file: &str) {
        let mut tabs: BTreeMap<u64, Tab> = BTreeMap::new();
        let events = recorded(file);
        for event in &events {
            let number = event["sock"].as_u64().unwrap_or_default();
            match event["dir"].as_str().unwrap() {
                "handshake_request" if refused(&events, number) => self.is_refused(event).await,
                "handshake_request" => drop(tabs.insert(number, self.open().await)),
                "c2s" => {
                    let tab = match tabs.entry(number) {
                        Entry::Occupied(tab) => tab.into_mut(),
                        Entry::Vacant(place) => place.insert(self.subscribed().await),
                    };
                    self.say(tab, &event["frame"]).await;
                }
                _ => {}
            }
        }
        for (number, mut tab) in tabs {
            tab.say(&json!({"command": "subscribe", "identifier": "the end"})).await;
            tab.until(|frame| frame["identifier"] == "the end").await;
            tab.received.pop();
            self.compare(file, number, &events, &tab.received);
        }
    }

    /// A tab whose beginning was not recorded.
    pub(super) async fn subscribed(&self) -> Tab {
        let mut tab = self.open().await;
        for key in SUBSCRIBED {
            let key = self.ours(key);
            tab.say(&json!({"command": "subscribe", "identifier": key})).await;
            tab.until(|frame| frame["identifier"] == *key && frame["type"] == "confirm_subscription").await;
        }
        tab.received.clear();
        tab
    }

    pub(super) async fn say(&self, tab: &mut Tab, frame: &Value) {
        let mut frame = frame.clone();
        if let Some(key) = frame["identifier"].as_str().map(|key| self.ours(key)) {
            frame["identifier"] = key.into();
        }
        tab.say(&frame).await;
        let answered = self.ours(REFLEXES);
        if frame["command"] == "message" && frame["identifier"] == *answered {
            tab.until(|frame| frame["identifier"] == *answered && frame["message"].is_object()).await;
        }
    }

    pub(super) async fn is_refused(&self, event: &Value) {
        let protocol = event["headers"]["Sec-WebSocket-Protocol"].as_str().unwrap();
        if protocol.contains("actioncable-v1-json") {
            assert_eq!(self.server.refused(&[("origin", "https://elsewhere.example")]).await.0, 403);
        } else {
            assert_eq!(self.server.refused(&[("sec-websocket-protocol", protocol)]).await.0, 400);
        }
    }

    pub(super) fn compare(&self, file: &str, number: u64, events: &[Value], received: &[Value]) {
        let of = |dir: &str| -> Vec<&Value> {
            events
                .iter()
                .filter(|event| event["dir"] == dir && event["sock"] == number)
                .map(|event| &event["frame"])
                .collect()
        };
        let (said, heard) = (of("c2s"), of("s2c"));
        let mut expected: Vec<String> = heard.iter().filter_map(|frame| self.control(frame)).collect();
        for (_, _, kind, key, times) in MORE.iter().filter(|(of, at, ..)| file.starts_with(of) && *at == number) {
            expected.extend(vec![format!("{kind} {}", self.ours(key)); *times]);
        }
        let mut control: Vec<String> = received.iter().filter_map(described).collect();
        expected.sort();
        control.sort();
        assert_eq!(control, expected, "{file}, socket {number}");

        let key = self.ours(REFLEXES);
        let answers: Vec<&Value> =
            received.iter().filter(|frame| frame["identifier"] == *key && frame["type"].is_null()).collect();
        let clicks: Vec<Value> = said.iter().filter_map(|frame| click(frame)).collect();
        assert_eq!(answers.len(), clicks.len(), "{file}, socket {number}");
        let mut earlier = EarlierAnswer::Success;
        for (click, answer) in clicks.iter().zip(answers) {
            let theirs = heard
                .iter()
                .flat_map(|frame| operations(frame))
                .find(|operation| operation["stimulusReflex"].is_object() && operation["reflexId"] == click["id"]);
            assert_eq!(*answer, json!({"identifier": key, "message": answered(click, theirs, earlier)}), "{file}");
            earlier = if is_refused(theirs) { EarlierAnswer::Failure } else { EarlierAnswer::Success };
        }
        for drawn in received.iter().filter(|frame| frame["type"].is_null() && frame["identifier"] != *key) {
            is_drawn_like(drawn, &shape());
        }
    }

    /// A frame with a type, in a word, as it should come from us.
    pub(super) fn control(&self, recorded: &Value) -> Option<String> {
        let mut ours = recorded.clone();
        if let Some(key) = recorded["identifier"].as_str() {
            ours["identifier"] = self.ours(key).into();
        }
        described(&ours)
    }
}

impl Tab {
    pub(super) async fn say(&mut self, frame: &Value) {
        let text = frame.as_str().map_or_else(|| frame.to_string(), str::to_owned);
        self.socket.stream.send(Message::Text(text.into())).await.unwrap();
    }

    /// Receives up to and with the frame that is waited for.
    pub(super) async fn until(&mut self, mut found: impl FnMut(&Value) -> bool) {
        let last = async {
            loop {
                let message = self.socket.stream.next().await.expect("the socket is open").unwrap();
                let Message::Text(text) = message else { continue };
                let frame: Value = serde_json::from_str(&text).unwrap();
                if frame["type"] == "ping" {
                    continue;
                }
                let last = found(&frame);
                self.received.push(frame);
                if last {
                    return;
                }
            }
        };
        tokio::time::timeout(SOON, last).await.expect("the frame comes");
    }
}
