//! A third client protocol, complete: an encoder, a session, and one line in the list that the hub is given.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use presence_cable::{Encoder, PingAfter, Position, action_cable};
use presence_core::{Message as Published, StreamName};

use super::harness::message_id;
use super::*;
use crate::socket::session::{SessionBase, Subscription};

/// A protocol with one command: the name of a stream to listen to.
#[derive(Debug)]
struct Shout;

static WITH_SHOUT: &[&dyn Encoder] = &[&action_cable::PLAIN, &Shout];
static ENCODED: AtomicUsize = AtomicUsize::new(0);

impl Encoder for Shout {
    fn name(&self) -> &'static str {
        "shout"
    }

    fn ping(&self, _unix_seconds: u64) -> String {
        "?".to_owned()
    }

    fn ping_after(&self) -> PingAfter {
        PingAfter::ProbeEvery
    }

    fn dismissed(&self, prefix: &str) -> String {
        format!("{prefix}gone")
    }

    fn message(&self, message: &Published, _position: Option<&Position>) -> Option<String> {
        ENCODED.fetch_add(1, Relaxed);
        Some(std::str::from_utf8(&message.body).ok()?.to_uppercase())
    }
}

struct ShoutSession(SessionBase<StreamName>);

impl Protocol for ShoutSession {
    fn text(&mut self, text: &str) -> Option<Duration> {
        let to = StreamName::new(text)?;
        let (id, prefix) = (self.0.number(), self.0.hub.prefix(&Shout, format!("{text}: ")));
        let new = Subscription { id, prefix, to };
        self.0.connection.subscribe(id, new.prefix.clone());
        let listens = self.0.hub.listen_named(&new.to, &new.subscriber(&self.0.connection), None, None);
        assert_eq!(listens, Ok(()));
        let index = self.0.add(new);
        self.0.send_to(index, "listening".to_owned());
        self.0.spend_request()
    }

    fn take_inputs(&mut self) -> Vec<Input> {
        self.0.take_inputs()
    }

    fn end(&mut self) {
        for Subscription { prefix, to, .. } in std::mem::take(&mut self.0.subscriptions) {
            self.0.hub.ignore_named(&to, &prefix, self.0.connection.id);
        }
    }
}

async fn next_text(browser: &mut Browser) -> String {
    loop {
        if let Message::Text(text) = browser.stream.next().await.unwrap().unwrap() {
            return text.as_str().to_owned();
        }
    }
}

#[tokio::test]
async fn a_third_protocol_is_an_encoder_and_a_session_and_its_bodies_are_encoded_once() {
    let mut test = TestHub::with_encoders("", WITH_SHOUT);
    let mut cable = test.open(Some(user(1))).await;
    let key = json!({"channel": "$pubsub", "stream_name": "bench"}).to_string();
    cable.confirmed(&key).await;
    let mut shouting = Vec::new();
    for _ in 0..20 {
        let begin: protocol::Begin =
            Box::new(|connection, hub| Box::new(ShoutSession(SessionBase::new(connection, hub))));
        let mut browser = test.connect(SessionStart { encoder: &Shout, begin }).await;
        browser.say("bench").await;
        assert_eq!(next_text(&mut browser).await, "bench: listening");
        shouting.push(browser);
    }
    let (stream, body) = (StreamName::new("bench").unwrap(), b"\"hi\"".to_vec());
    let message = Published { stream, body, kept: false, whispered: false, from: None };
    test.hub.carry_out(Output::Deliver { message: Arc::new(message), id: message_id() });
    cable.next_is(&json!({"identifier": key, "message": "hi"})).await;
    for browser in &mut shouting {
        assert_eq!(next_text(browser).await, "bench: \"HI\"");
    }
    assert_eq!(ENCODED.load(Relaxed), 1);
    // The user of one is made to leave; its socket stays.
    let (connection, subscription) = (ConnectionId(9), SubscriptionId(0));
    test.hub.carry_out(Output::Dismiss { connection, subscription });
    assert_eq!(next_text(&mut shouting[0]).await, "bench: gone");
}
