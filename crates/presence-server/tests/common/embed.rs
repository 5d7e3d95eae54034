//! A page of a site, as far as a server sees it: a socket that speaks `presence-v1`.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{SOON, TestServer};

pub(crate) const SHOP: &str = "https://shop.example";

/// One page.
pub(crate) struct Embed {
    pub(crate) stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The `Set-Cookie` header of the answer that opened the socket.
    pub(crate) cookie: String,
}

impl Embed {
    /// A page of this origin, with its cookie where it has one, that has said nothing yet.
    pub(crate) async fn open(server: &TestServer, origin: &str, cookie: &str) -> Self {
        let headers = [("origin", origin), ("sec-websocket-protocol", "presence-v1"), ("cookie", cookie)];
        let socket = server.socket_at("/presence", &headers).await.unwrap();
        assert_eq!(socket.response.headers()["sec-websocket-protocol"], "presence-v1");
        let cookie = socket.response.headers()["set-cookie"].to_str().unwrap().to_owned();
        Self { stream: socket.stream, cookie }
    }

    /// The same, which has said hello and is welcome.
    pub(crate) async fn begin(server: &TestServer, origin: &str) -> Self {
        let mut embed = Self::open(server, origin, "").await;
        embed.hello(None).await;
        embed
    }

    /// The same, in a room.
    pub(crate) async fn joined(server: &TestServer, origin: &str, room: &str) -> Self {
        let mut embed = Self::begin(server, origin).await;
        embed.join(room, None).await;
        embed
    }

    /// What a browser would send back of the cookie.
    pub(crate) fn pair(&self) -> &str {
        self.cookie.split(';').next().unwrap()
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.text(message.to_string()).await;
    }

    pub(crate) async fn text(&mut self, text: impl Into<String>) {
        self.stream.send(Message::Text(text.into().into())).await.unwrap();
    }

    /// Says hello; the answer.
    pub(crate) async fn hello(&mut self, id: Option<&str>) -> Value {
        self.say(json!({"type": "hello", "id": id})).await;
        self.wanted(|message| (message["type"] == "welcome").then(|| message.clone())).await
    }

    pub(crate) async fn join(&mut self, room: &str, token: Option<&str>) {
        self.say(json!({"type": "join", "room": room, "token": token})).await;
    }

    /// The next message of which that can be made.
    pub(crate) async fn wanted<T>(&mut self, of: impl Fn(&Value) -> Option<T>) -> T {
        let next = async {
            loop {
                let message = self.stream.next().await.expect("the socket is open").expect("the frame is right");
                if let Message::Text(text) = message
                    && let Some(wanted) = of(&serde_json::from_str(&text).expect("every message is JSON"))
                {
                    return wanted;
                }
            }
        };
        tokio::time::timeout(SOON, next).await.expect("what is wanted comes")
    }

    /// The next counts of a room, as it was asked for.
    pub(crate) async fn counts(&mut self, room: &str) -> Value {
        self.wanted(|message| (message["type"] == "counts" && message["room"] == room).then(|| message.clone())).await
    }

    /// Reads until a room has so many users; those counts.
    pub(crate) async fn users(&mut self, room: &str, users: u64) -> Value {
        let right =
            |message: &Value| message["type"] == "counts" && message["room"] == room && message["users"] == users;
        self.wanted(|message| right(message).then(|| message.clone())).await
    }

    /// The next error: its room, status and sentence.
    pub(crate) async fn error(&mut self) -> (Value, u64, String) {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        self.wanted(|message| {
            (message["type"] == "error")
                .then(|| (message["room"].clone(), message["status"].as_u64().unwrap(), text(&message["detail"])))
        })
        .await
    }
}

/// How many users a room has by the API.
pub(crate) async fn users(server: &TestServer, room: &str) -> u64 {
    let answer: Value = server.get(&format!("/api/v1/rooms?room={room}")).await.json().await.unwrap();
    answer["rooms"][0]["users"].as_u64().unwrap()
}
