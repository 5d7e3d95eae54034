//! Action Cable, plain and extended: its frames, and the bodies of CableReady, StimulusReflex and Turbo Streams.

mod answer;
mod cable_ready;
mod channel;
mod command;
mod extended;
mod reflex;

use presence_core::{Fragment, Message, Outcome};

pub use self::cable_ready::{CABLE_READY_VERSION, renamed};
pub use self::channel::Channel;
pub use self::command::{Command, PresenceRequest};
pub use self::extended::{PRESENCE_ERROR, restored, welcome};
pub use self::reflex::{FormTooLong, ReflexCall, reflex_call};
use crate::encoder::{EarlierAnswer, Encoder, PingAfter, Position, PresenceEvent, ReplayEnd};
use crate::quoted;

/// The plain subprotocol.
pub const PROTOCOL: &str = "actioncable-v1-json";
/// The extended subprotocol: everything of the plain one, and history and presence.
pub const PROTOCOL_EXTENDED: &str = "actioncable-v1-ext-json";
/// What the stock client offers beside it; a server that selects this one tells the client to give up.
pub const PROTOCOL_UNSUPPORTED: &str = "actioncable-unsupported";
/// The first frame on every plain connection.
pub const WELCOME: &str = r#"{"type":"welcome"}"#;

/// Messages of the plain protocol, as data.
pub static PLAIN: ActionCable = ActionCable { name: PROTOCOL, extras: Extras::None, content: MessageContent::Data };
/// The same with positions, for a subscription that asked for its history.
pub static PLACED: ActionCable = ActionCable {
    name: "actioncable-v1-json with positions",
    extras: Extras::Positions,
    content: MessageContent::Data,
};
/// Messages of the extended protocol, as data.
pub static EXTENDED: ActionCable =
    ActionCable { name: PROTOCOL_EXTENDED, extras: Extras::Presence, content: MessageContent::Data };
/// Turbo Streams by the plain protocol.
pub static TURBO: ActionCable =
    ActionCable { name: "actioncable-v1-json with HTML", extras: Extras::None, content: MessageContent::Html };
/// Turbo Streams by the extended protocol.
pub static TURBO_EXTENDED: ActionCable =
    ActionCable { name: "actioncable-v1-ext-json with HTML", extras: Extras::Positions, content: MessageContent::Html };
/// Turbo Streams, with presence events, for a subscription that has asked for presence.
pub static TURBO_PRESENCE: ActionCable = ActionCable {
    name: "actioncable-v1-ext-json with HTML and presence",
    extras: Extras::Presence,
    content: MessageContent::Html,
};

/// The encoder of messages with this content and these extras.
pub fn encoder(extras: Extras, content: MessageContent) -> &'static ActionCable {
    match (extras, content) {
        (Extras::None, MessageContent::Data) => &PLAIN,
        (Extras::Positions, MessageContent::Data) => &PLACED,
        (Extras::Presence, MessageContent::Data) => &EXTENDED,
        (Extras::None, MessageContent::Html) => &TURBO,
        (Extras::Positions, MessageContent::Html) => &TURBO_EXTENDED,
        (Extras::Presence, MessageContent::Html) => &TURBO_PRESENCE,
    }
}

/// The encoder of Action Cable.
#[derive(Debug)]
pub struct ActionCable {
    name: &'static str,
    extras: Extras,
    content: MessageContent,
}

/// The version of the protocol that a client chose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    /// [`PROTOCOL`].
    Plain,
    /// [`PROTOCOL_EXTENDED`].
    Extended,
}

impl Version {
    /// What a subscription is sent that has asked for nothing. A client of the plain protocol would take a presence event for
    /// a message, and a Turbo page would perform it.
    pub fn extras(self, content: MessageContent) -> Extras {
        match (self, content) {
            (Self::Plain, _) => Extras::None,
            (Self::Extended, MessageContent::Html) => Extras::Positions,
            (Self::Extended, MessageContent::Data) => Extras::Presence,
        }
    }
}

/// What a subscription is sent besides the content of messages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Extras {
    /// Nothing.
    #[default]
    None,
    /// The place of each message in its stream's history.
    Positions,
    /// That, and who joins and leaves.
    Presence,
}

/// What the client does with a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageContent {
    /// It hands the message to the page's script.
    Data,
    /// It performs the message: never what another visitor whispers.
    Html,
}

impl Encoder for ActionCable {
    fn name(&self) -> &'static str {
        self.name
    }

    fn ping(&self, unix_seconds: u64) -> String {
        ping(unix_seconds)
    }

    fn ping_after(&self) -> PingAfter {
        PingAfter::PingEvery
    }

    fn dismissed(&self, prefix: &str) -> String {
        reject(prefix)
    }

    fn fragments(&self, fragments: &[Fragment]) -> Option<String> {
        Some(cable_ready::morphs(fragments))
    }

    fn answer(&self, outcome: &Outcome, echo: &str, earlier: EarlierAnswer) -> Option<String> {
        Some(answer::answer(outcome, echo, earlier))
    }

    fn message(&self, message: &Message, position: Option<&Position>) -> Option<String> {
        if message.whispered && self.content == MessageContent::Html {
            return None;
        }
        let json = std::str::from_utf8(&message.body).ok()?;
        let position = position.filter(|_| self.extras >= Extras::Positions);
        Some(extended::message(json, message.stream.as_str(), position))
    }

    fn hears_presence(&self) -> bool {
        self.extras == Extras::Presence
    }

    fn presence(&self, event: &PresenceEvent) -> Option<String> {
        self.hears_presence().then(|| extended::presence(event))
    }

    fn replayed(&self, prefix: &str, replay: ReplayEnd) -> Option<String> {
        Some(replayed(prefix, replay))
    }
}

/// The prefix of every frame to the subscription with this key. Equal keys have equal prefixes.
pub fn prefix(identifier: &str) -> String {
    format!("{{\"identifier\":{}", quoted(identifier))
}

/// The frame that says that a subscription is live.
pub fn confirm(prefix: &str) -> String {
    format!("{prefix},\"type\":\"confirm_subscription\"}}")
}

/// The frame that says that there is no such subscription, and that asking again is useless.
pub fn reject(prefix: &str) -> String {
    format!("{prefix},\"type\":\"reject_subscription\"}}")
}

/// The frame that ends a replay of missed messages (extended protocol).
pub fn replayed(prefix: &str, replay: ReplayEnd) -> String {
    let word = match replay {
        ReplayEnd::Complete => "confirm_history",
        ReplayEnd::Unknown => "reject_history",
    };
    format!("{prefix},\"type\":\"{word}\"}}")
}

/// The frame that shows that the server is there; the client reconnects after 6 s without any frame.
pub fn ping(unix_seconds: u64) -> String {
    format!(r#"{{"type":"ping","message":{unix_seconds}}}"#)
}

/// The frame that tells the client why it is about to be closed. With `reconnect` false it stays away.
pub fn disconnect(reason: &str, reconnect: bool) -> String {
    format!(r#"{{"type":"disconnect","reason":{},"reconnect":{reconnect}}}"#, quoted(reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_echoed_byte_for_byte() {
        for key in ["{\"channel\":\"Aé☃\",\"b\":1,  \"a\":\"\\\"\"}", "", "\u{0}\u{7f}\u{2028}\\", "</script>"] {
            for frame in [confirm(&prefix(key)), reject(&prefix(key))] {
                let back: serde_json::Value = serde_json::from_str(&frame).unwrap();
                assert_eq!(back["identifier"], key);
            }
        }
    }

    #[test]
    fn control_frames_are_as_recorded() {
        assert_eq!(ping(1_795_495_953), r#"{"type":"ping","message":1795495953}"#);
        assert_eq!(
            disconnect("unauthorized", false),
            r#"{"type":"disconnect","reason":"unauthorized","reconnect":false}"#
        );
    }
}
