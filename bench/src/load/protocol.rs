//! Protocols of the measured servers, up to the confirmed subscription.

use memchr::memmem::find;
use serde_json::{Value, json};

/// Protocols of the measured servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum ClientProtocol {
    /// Action Cable, in JSON
    Actioncable,
    /// Socket.IO over a WebSocket
    Socketio,
    /// None: a connection is a subscription
    Raw,
}

/// Progress of a connection.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Phase {
    /// Waits for the response to the upgrade.
    Upgrading,
    /// Waits for the server's welcome.
    Opened,
    /// May subscribe.
    Ready,
    /// Waits for this many confirmations.
    Subscribing(usize),
    Subscribed,
    /// Has sent its close frame and waits for the server to close, as browsers do: a client that closes with unread bytes
    /// counts as lost.
    Leaving,
}

/// What one connection does.
#[derive(Clone, Default)]
pub(crate) struct ClientPlan {
    pub(crate) cookie: Option<String>,
    /// Messages to send once the server is ready.
    pub(crate) subscribe: Vec<String>,
}

/// Meaning of a text on the way to the subscription.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum ServerMessage {
    Other,
    Ready,
    Confirmed,
    Rejected,
    Heartbeat,
    /// The server waits for this answer.
    Asks(&'static str),
}

impl ClientProtocol {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Actioncable => "/cable",
            Self::Socketio => "/socket.io/?EIO=4&transport=websocket",
            Self::Raw => "/",
        }
    }

    /// Returns the header that offers the protocol.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Actioncable => "Sec-WebSocket-Protocol: actioncable-v1-json\r\n",
            Self::Socketio | Self::Raw => "",
        }
    }

    /// Returns whether the server sends the first message.
    pub(crate) fn welcomes(self) -> bool {
        self != Self::Raw
    }

    /// Returns whether a subscription is confirmed.
    pub(crate) fn confirms(self) -> bool {
        self != Self::Raw
    }

    pub(crate) fn read(self, phase: Phase, text: &[u8]) -> ServerMessage {
        let waits = matches!(phase, Phase::Subscribing(_));
        let has = |word: &str| find(text, word.as_bytes()).is_some();
        match self {
            Self::Actioncable if phase == Phase::Opened && has(r#""welcome""#) => ServerMessage::Ready,
            Self::Actioncable if waits && has(r#""confirm_subscription""#) => ServerMessage::Confirmed,
            Self::Actioncable if waits && has(r#""reject_subscription""#) => ServerMessage::Rejected,
            Self::Actioncable if text.starts_with(br#"{"type":"ping""#) => ServerMessage::Heartbeat,
            Self::Socketio if text == b"2" => ServerMessage::Asks("3"),
            Self::Socketio if phase == Phase::Opened && text.starts_with(b"0") => ServerMessage::Asks("40"),
            Self::Socketio if phase == Phase::Opened && text.starts_with(b"40") => ServerMessage::Ready,
            Self::Socketio if waits && text.starts_with(b"43") => ServerMessage::Confirmed,
            Self::Actioncable | Self::Socketio | Self::Raw => ServerMessage::Other,
        }
    }
}

/// Makes Action Cable's command to subscribe.
pub(crate) fn subscribe(identifier: &str) -> String {
    json!({"command": "subscribe", "identifier": identifier}).to_string()
}

/// Makes the identifier of a stream.
pub(crate) fn stream(name: &str) -> String {
    json!({"channel": "CableReady::Stream", "identifier": name}).to_string()
}

/// Makes the identifier of the channel for clicks.
pub(crate) fn reflexes(room: &str) -> String {
    json!({"channel": "StimulusReflex::Channel", "room": room}).to_string()
}

/// Makes a click on the bulb as StimulusReflex sends it; `on` is what the visitor sees.
pub(crate) fn click(identifier: &str, id: u64, on: bool) -> String {
    let attrs = json!({"aria-pressed": on.to_string(), "id": "lightbulb", "class": "bulb", "tag_name": "BUTTON"});
    let data: Value = json!({
        "attrs": attrs, "dataset": {"dataset": {}, "datasetAll": {}}, "selectors": [], "id": format!("click-{id}"),
        "resolveLate": false, "suppressLogging": false, "xpathController": "//*[@id='lightbulb']",
        "xpathElement": "//*[@id='lightbulb']", "inner_html": "", "text_content": "",
        "reflexController": "stimulus-reflex", "permanentAttributeName": "data-reflex-permanent",
        "target": "Lightbulb#toggle", "args": [], "url": "http://localhost/", "tabId": format!("tab-{id}"),
        "version": "3.5.5", "formData": "",
    });
    json!({"command": "message", "identifier": identifier, "data": data.to_string()}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn action_cable_is_welcomed_then_confirmed() {
        let cable = ClientProtocol::Actioncable;
        assert_eq!(cable.read(Phase::Opened, br#"{"type":"welcome"}"#), ServerMessage::Ready);
        let confirm = br#"{"identifier":"{}","type":"confirm_subscription"}"#;
        assert_eq!(cable.read(Phase::Subscribing(1), confirm), ServerMessage::Confirmed);
        assert_eq!(cable.read(Phase::Subscribed, confirm), ServerMessage::Other);
        let reject = br#"{"identifier":"{}","type":"reject_subscription"}"#;
        assert_eq!(cable.read(Phase::Subscribing(3), reject), ServerMessage::Rejected);
        assert_eq!(cable.read(Phase::Subscribed, br#"{"type":"ping","message":1700000000}"#), ServerMessage::Heartbeat);
    }

    #[test]
    fn socket_io_is_opened_twice_and_answers_pings() {
        let socketio = ClientProtocol::Socketio;
        assert_eq!(socketio.read(Phase::Opened, br#"0{"sid":"a"}"#), ServerMessage::Asks("40"));
        assert_eq!(socketio.read(Phase::Opened, br#"40{"sid":"b"}"#), ServerMessage::Ready);
        assert_eq!(socketio.read(Phase::Subscribing(1), br#"430["ok"]"#), ServerMessage::Confirmed);
        assert_eq!(socketio.read(Phase::Subscribed, b"2"), ServerMessage::Asks("3"));
    }

    #[test]
    fn a_click_is_json_in_json_and_holds_what_was_seen() {
        let sent: Value = serde_json::from_str(&click(&reflexes("a--b"), 7, true)).unwrap();
        let data: Value = serde_json::from_str(sent["data"].as_str().unwrap()).unwrap();
        assert_eq!((&data["target"], &data["attrs"]["aria-pressed"]), (&json!("Lightbulb#toggle"), &json!("true")));
        assert_eq!(sent["identifier"], json!(r#"{"channel":"StimulusReflex::Channel","room":"a--b"}"#));
    }
}
