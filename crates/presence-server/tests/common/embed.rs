//! A page of a site: a socket that speaks `presence-v1`.

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::{SOON, TestServer};

pub(crate) const SHOP: &str = "https://shop.example";

/// A page.
pub(crate) struct Embed {
    pub(crate) stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The `Set-Cookie` header of the answer that opened the socket.
    pub(crate) cookie: String,
}

impl Embed {
    /// A page of this origin, perhaps with a cookie, before its hello.
    pub(crate) async fn open(server: &TestServer, origin: &str, cookie: &str) -> Self {
        let headers = [("origin", origin), ("sec-websocket-protocol", "presence-v1"), ("cookie", cookie)];
        let socket = server.socket_at("/presence", &headers).await.unwrap();
        assert_eq!(socket.response.headers()["sec-websocket-protocol"], "presence-v1");
        let cookie = socket.response.headers()["set-cookie"].to_str().unwrap().to_owned();
        Self { stream: socket.stream, cookie }
    }

    /// A page after its hello.
    pub(crate) async fn begin(server: &TestServer, origin: &str) -> Self {
        let mut embed = Self::open(server, origin, "").await;
        embed.hello(None).await;
        embed
    }

    /// A page in a room.
    pub(crate) async fn joined(server: &TestServer, origin: &str, room: &str) -> Self {
        let mut embed = Self::begin(server, origin).await;
        embed.join(room, None).await;
        embed
    }

    /// The part of the cookie that a browser sends back.
    pub(crate) fn pair(&self) -> &str {
        self.cookie.split(';').next().unwrap()
    }

    pub(crate) async fn say(&mut self, message: Value) {
        self.text(message.to_string()).await;
    }

    pub(crate) async fn text(&mut self, text: impl Into<String>) {
        self.stream.send(Message::Text(text.into().into())).await.unwrap();
    }

    /// Says hello and returns the answer.
    pub(crate) async fn hello(&mut self, id: Option<&str>) -> Value {
        self.say(json!({"type": "hello", "id": id})).await;
        self.wanted(|message| (message["type"] == "welcome").then(|| message.clone())).await
    }

    pub(crate) async fn join(&mut self, room: &str, token: Option<&str>) {
        self.say(json!({"type": "join", "room": room, "token": token})).await;
    }

    /// The first value that can be made of the next messages.
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

    /// The next counts of a room, by the name that was asked for.
    pub(crate) async fn counts(&mut self, room: &str) -> Value {
        self.wanted(|message| (message["type"] == "counts" && message["room"] == room).then(|| message.clone())).await
    }

    /// The first counts of a room with this number of users.
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

/// A room's users, from the API.
pub(crate) async fn users(server: &TestServer, room: &str) -> u64 {
    let answer: Value = server.get(&format!("/api/v1/rooms?room={room}")).await.json().await.unwrap();
    answer["rooms"][0]["users"].as_u64().unwrap()
}
