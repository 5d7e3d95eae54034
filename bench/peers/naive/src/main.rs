//! A server as one writes it with axum in an hour: Action Cable over one `tokio::broadcast`, a timer for each connection,
//! and the new count to all clients on each join. Beside it one sees what more work is worth.
//!
//! `naive PORT`; `POST /broadcast` sends its JSON to all clients; clients that subscribe to `PresenceChannel` are counted.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{any, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, error::RecvError};

struct Room {
    messages: broadcast::Sender<Value>,
    members: AtomicI64,
}

impl Room {
    fn count(&self, by: i64) {
        let count = self.members.fetch_add(by, Ordering::SeqCst) + by;
        // An error means that there is no client.
        let _ = self.messages.send(json!({ "count": count }));
    }
}

/// One connection.
struct Client {
    socket: WebSocket,
    room: Arc<Room>,
    subscriptions: Vec<String>,
    member: bool,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).ok_or("usage: naive PORT")?.parse::<u16>()?;
    let room = Arc::new(Room { messages: broadcast::channel(1_024).0, members: AtomicI64::new(0) });
    let routes = Router::new().route("/cable", any(cable)).route("/broadcast", post(publish)).with_state(room);
    axum::serve(tokio::net::TcpListener::bind(("127.0.0.1", port)).await?, routes).await?;
    Ok(())
}

async fn publish(State(room): State<Arc<Room>>, Json(message): Json<Value>) {
    let _ = room.messages.send(message);
}

async fn cable(State(room): State<Arc<Room>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.protocols(["actioncable-v1-json"]).on_upgrade(async move |socket| {
        let mut client = Client { socket, room, subscriptions: Vec::new(), member: false };
        // An error ends the connection like a close does.
        let _ = client.run().await;
        if client.member {
            client.room.count(-1);
        }
    })
}

impl Client {
    async fn run(&mut self) -> Result<(), axum::Error> {
        self.send(&json!({"type": "welcome"})).await?;
        let mut messages = self.room.messages.subscribe();
        let mut pings = tokio::time::interval(Duration::from_secs(3));
        loop {
            tokio::select! {
                received = self.socket.recv() => match received {
                    Some(Ok(Message::Text(text))) => self.on_text(&text).await?,
                    Some(Ok(_)) => {}
                    _ => return Ok(()),
                },
                message = messages.recv() => match message {
                    Ok(message) => for identifier in self.subscriptions.clone() {
                        self.send(&json!({"identifier": identifier, "message": message})).await?;
                    },
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(()),
                },
                _ = pings.tick() => {
                    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs());
                    self.send(&json!({"type": "ping", "message": now})).await?;
                }
            }
        }
    }

    async fn on_text(&mut self, text: &str) -> Result<(), axum::Error> {
        let command: Value = serde_json::from_str(text).unwrap_or_default();
        let (Some("subscribe"), Some(identifier)) = (command["command"].as_str(), command["identifier"].as_str())
        else {
            return Ok(());
        };
        self.subscriptions.push(identifier.to_owned());
        self.send(&json!({"identifier": identifier, "type": "confirm_subscription"})).await?;
        if identifier.contains("PresenceChannel") && !std::mem::replace(&mut self.member, true) {
            self.room.count(1);
        }
        Ok(())
    }

    async fn send(&mut self, message: &Value) -> Result<(), axum::Error> {
        self.socket.send(Message::Text(message.to_string().into())).await
    }
}
