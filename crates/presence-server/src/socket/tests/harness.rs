//! A hub without a node, and browsers on its sockets.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use clap::Parser;
use futures_util::{SinkExt as _, StreamExt as _};
use presence_cable::Encoder;
use presence_cable::action_cable::Version;
use presence_core::{
    Fragment, Message as Published, MessageId, NodeHash, Output, Place, PublicId, Region, Room, StreamName, UserId,
};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use super::super::*;
use super::lamp::Lamp;
use crate::config::{Limits, Secrets};
use crate::contained_app::ContainedApp;
use crate::identity::{MemberIds, SealedGuests, SignedNames};
use crate::queries::Queries;
use crate::secret::{RotatingKeys, Secret};
use crate::sites::Grant;
use crate::streams::StreamAccess;
use crate::traces::Traces;
use crate::views::Views;

#[derive(Parser)]
pub(super) struct LimitsLine {
    #[command(flatten)]
    limits: Limits,
}

/// A hub, and the driver's end of its sockets' inputs.
pub(super) struct TestHub {
    pub(super) hub: Arc<Hub>,
    pub(super) names: Arc<SignedNames>,
    pub(super) context: Arc<ActionCableContext>,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) happened: mpsc::Receiver<Input>,
    pub(super) next: u64,
}

/// A connection, and the browser's end of it.
pub(super) async fn transport() -> (Transport, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // A browser that stops reading is noticed after kilobytes, not after what a loopback connection can hold.
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let stream = socket.connect(listener.local_addr().unwrap()).await.unwrap();
    (Transport::Bare(listener.accept().await.unwrap().0), stream)
}

/// One browser's end.
pub(super) struct Browser {
    pub(super) stream: WebSocketStream<TcpStream>,
    pub(super) served: JoinHandle<CloseReason>,
}

impl TestHub {
    pub(super) fn new(limits: &str) -> Self {
        Self::with_encoders(limits, ENCODERS)
    }

    pub(super) fn with_encoders(limits: &str, encoders: &'static [&'static dyn Encoder]) -> Self {
        let limits = LimitsLine::parse_from(["node"].into_iter().chain(limits.split_whitespace())).limits;
        let (inputs, happened) = mpsc::channel(64);
        let keys = RotatingKeys { signing: [1; 32], accepted: vec![[1; 32]] };
        let names = Arc::new(SignedNames::new(keys.clone(), "demo"));
        let secrets =
            Secrets { secret: Some("a secret of at least thirty-two bytes".to_owned()), ..Secrets::default() };
        let public = ["bench", "chat/*"].map(|pattern| pattern.parse().unwrap()).to_vec();
        let context = ActionCableContext {
            names: Arc::clone(&names),
            members: MemberIds::new([1; 32]),
            guests: SealedGuests::new(keys.clone()),
            streams: StreamAccess::new(public, &Secret::find(&secrets, None).0),
            queries: Queries::new(inputs.clone()),
            app: Arc::new(ContainedApp::new(Arc::new(Lamp))),
            site: room("demo"),
            views: Arc::new(Views::new(Region::new("ams").unwrap(), Place::default(), 0)),
            resumable: ResumableSessions::default(),
            fetch_locks: Arc::default(),
            traces: Traces::default(),
        };
        let hub = Hub::start(limits, 7, encoders, &crate::supervision::supervision().0);
        hub.history.set_complete(Some(u64::MAX));
        Self { hub, names, context: Arc::new(context), inputs, happened, next: 7 }
    }

    pub(super) async fn open(&mut self, user: Option<UserId>) -> Browser {
        let visitor =
            Visitor { signed: None, user, version: Version::Plain, sid: None, grant: None, tab: None, trace: None };
        let mut browser = self.connect_as(visitor).await;
        let mut welcome = browser.next().await;
        // Guests are told an id, as AnyCable tells everybody.
        assert_eq!(welcome.as_object_mut().unwrap().remove("sid").is_some(), user.is_none());
        assert_eq!(welcome, json!({"type": "welcome"}));
        browser
    }

    pub(super) async fn connect_as(&mut self, visitor: Visitor) -> Browser {
        self.connect(self.context.session(visitor)).await
    }

    pub(super) async fn connect(&mut self, start: SessionStart) -> Browser {
        let (transport, stream) = transport().await;
        self.next += 1;
        let id = ConnectionId(self.next);
        let (socket, hub) = (UpgradedSocket { transport, unread: Bytes::new(), id }, Arc::clone(&self.hub));
        let served = tokio::spawn(serve(socket, start, hub, self.inputs.clone(), ()));
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Browser { stream, served }
    }

    /// The next input that is not about a round trip.
    pub(super) async fn input(&mut self) -> Input {
        let next = async {
            loop {
                match self.happened.recv().await.expect("the hub is there") {
                    Input::Ponged { .. } => {}
                    input => return input,
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), next).await.expect("something happens")
    }

    /// A browser of the extended protocol, and its session's name.
    pub(super) async fn extended(&mut self, user: Option<UserId>) -> (Browser, String) {
        let mut browser = self.resume(user, None).await;
        let welcome = browser.next().await;
        let sid = welcome["sid"].as_str().unwrap().to_owned();
        assert_eq!(welcome, json!({"type": "welcome", "sid": sid}));
        (browser, sid)
    }

    pub(super) async fn resume(&mut self, user: Option<UserId>, sid: Option<String>) -> Browser {
        self.connect_as(Visitor {
            signed: None,
            user,
            version: Version::Extended,
            sid,
            grant: None,
            tab: None,
            trace: None,
        })
        .await
    }

    pub(super) async fn connect_with(&mut self, user: Option<UserId>, grant: Option<Grant>) -> Browser {
        self.connect_as(Visitor {
            signed: None,
            user,
            version: Version::Extended,
            sid: None,
            grant,
            tab: None,
            trace: None,
        })
        .await
    }

    pub(super) fn publish(&self, stream: &str, body: &Value) {
        self.hub.carry_out(message(stream, &body.to_string(), true));
    }

    pub(super) fn signed(&self, channel: &str, stream: &str) -> String {
        json!({"channel": channel, "signed_stream_name": self.context.streams.sign(stream).unwrap()}).to_string()
    }

    pub(super) async fn joined(&mut self) -> (UserId, Value) {
        let Input::Joined { room, user, tab, .. } = self.input().await else { panic!("a join") };
        assert!(!tab.draws && tab.visible && tab.proven && room.as_str() == "_public/bench");
        (user, serde_json::from_slice(&tab.info).unwrap())
    }

    pub(super) fn room_key(&self, name: &str) -> String {
        json!({"channel": "CableReady::Stream", "identifier": self.names.room(&room(name), None)}).to_string()
    }

    pub(super) fn user_key(&self, name: &str) -> String {
        let signed = self.names.user(&room(name), &PublicId([9; 32]), None);
        json!({"channel": "CableReady::Stream", "identifier": signed}).to_string()
    }

    pub(super) fn reflex_key(&self, name: &str) -> String {
        json!({"channel": "StimulusReflex::Channel", "room": self.names.room(&room(name), None)}).to_string()
    }
}

impl Browser {
    pub(super) async fn say(&mut self, text: impl Into<Utf8Bytes>) {
        self.stream.send(Message::Text(text.into())).await.unwrap();
    }

    pub(super) async fn command(&mut self, command: &str, key: &str) {
        self.say(json!({"command": command, "identifier": key}).to_string()).await;
    }

    pub(super) async fn click(&mut self, key: &str, id: &str) {
        let data = json!({"id": id, "target": "Lamp#set"}).to_string();
        self.say(json!({"command": "message", "identifier": key, "data": data}).to_string()).await;
    }

    /// The next frame with text, pings excepted.
    pub(super) async fn next(&mut self) -> Value {
        let next = async {
            loop {
                if let Message::Text(text) = self.stream.next().await.expect("the socket is open").unwrap() {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if frame["type"] != "ping" {
                        return frame;
                    }
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), next).await.expect("a frame comes")
    }

    /// Reads up to the next pong, which echoes these bytes; before it only the node's own pings may come.
    pub(super) async fn ponged(&mut self, echoed: &'static [u8]) {
        let pong = Message::Pong(Bytes::from_static(echoed));
        loop {
            match self.stream.next().await.expect("the socket is open").unwrap() {
                Message::Text(text) if text.contains(r#""type":"ping""#) => {}
                Message::Ping(_) => {}
                frame => return assert_eq!(frame, pong),
            }
        }
    }

    pub(super) async fn next_is(&mut self, frame: &Value) {
        assert_eq!(self.next().await, *frame);
    }

    pub(super) async fn ask(&mut self, command: &str, key: &str, name: &str, value: Value) {
        self.say(json!({"command": command, "identifier": key, name: value}).to_string()).await;
    }

    pub(super) async fn rejected(&mut self, key: &str) {
        self.command("subscribe", key).await;
        assert_eq!(self.next().await, json!({"identifier": key, "type": "reject_subscription"}));
    }

    pub(super) async fn answers(&mut self, frames: &[Value]) {
        for frame in frames {
            assert_eq!(self.next().await, *frame);
        }
    }

    pub(super) async fn confirmed(&mut self, key: &str) {
        self.command("subscribe", key).await;
        assert_eq!(self.next().await, json!({"identifier": key, "type": "confirm_subscription"}));
    }
}

pub(super) fn room(name: &str) -> Room {
    Room::new(name).unwrap()
}

pub(super) fn user(byte: u8) -> UserId {
    UserId([byte; 32])
}

pub(super) fn drawn(id: &str) -> Arc<[Fragment]> {
    [Fragment { id: id.to_owned(), html: format!("<p id=\"{id}\"></p>"), within: None }].into()
}

pub(super) fn drawing(key: &str, id: &str) -> Value {
    let operation = json!({"operation": "morph", "selector": format!("#{id}"), "html": format!("<p id=\"{id}\"></p>")});
    json!({"identifier": key, "message": {"cableReady": true, "version": "5.0.6", "operations": [operation]}})
}

pub(super) fn message(stream: &str, body: &str, kept: bool) -> Output {
    let (stream, body) = (StreamName::new(stream).unwrap(), body.as_bytes().to_vec());
    let message = Arc::new(Published { stream, body, kept, whispered: false, from: None });
    Output::Deliver { message, id: message_id() }
}

/// Another one each time.
pub(super) fn message_id() -> MessageId {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    MessageId { author: NodeHash(1), incarnation: 7, number: NUMBERS.fetch_add(1, Relaxed) + 1 }
}
