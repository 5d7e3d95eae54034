//! What is said to a server until one is subscribed, and how one knows that one is.

use memchr::memmem::find;
use serde_json::{Value, json};

/// The languages that measured servers speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// Action Cable, in JSON
    Actioncable,
    /// Socket.IO over a WebSocket
    Socketio,
    /// None: whoever is connected is subscribed
    Raw,
}

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Phase {
    /// It waits for the upgrade's answer.
    Upgrading,
    /// It waits for the server's welcome.
    Opened,
    /// It may subscribe.
    Ready,
    /// It waits for so many answers.
    Subscribing(usize),
    Subscribed,
    /// It has said goodbye and waits for the server to end it, as browsers do: who hangs up with something unread is
    /// taken for lost.
    Leaving,
}

/// What one connection is to do.
#[derive(Clone, Default)]
pub(crate) struct Plan {
    pub(crate) cookie: Option<String>,
    /// What is said once the server is ready.
    pub(crate) subscribe: Vec<String>,
}

/// What a text means for the way to the subscription.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Told {
    Nothing,
    Ready,
    Confirmed,
    Rejected,
    /// The server is still there.
    Heartbeat,
    /// It wants this to be answered.
    Asks(&'static str),
}

impl Protocol {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Actioncable => "/cable",
            Self::Socketio => "/socket.io/?EIO=4&transport=websocket",
            Self::Raw => "/",
        }
    }

    /// The header that offers the language.
    pub(crate) fn header(self) -> &'static str {
        match self {
            Self::Actioncable => "Sec-WebSocket-Protocol: actioncable-v1-json\r\n",
            Self::Socketio | Self::Raw => "",
        }
    }

    /// Whether the server speaks first.
    pub(crate) fn welcomes(self) -> bool {
        self != Self::Raw
    }

    /// Whether a subscription is answered.
    pub(crate) fn confirms(self) -> bool {
        self != Self::Raw
    }

    pub(crate) fn read(self, phase: Phase, text: &[u8]) -> Told {
        let waits = matches!(phase, Phase::Subscribing(_));
        let has = |word: &str| find(text, word.as_bytes()).is_some();
        match self {
            Self::Actioncable if phase == Phase::Opened && has(r#""welcome""#) => Told::Ready,
            Self::Actioncable if waits && has(r#""confirm_subscription""#) => Told::Confirmed,
            Self::Actioncable if waits && has(r#""reject_subscription""#) => Told::Rejected,
            Self::Actioncable if text.starts_with(br#"{"type":"ping""#) => Told::Heartbeat,
            Self::Socketio if text == b"2" => Told::Asks("3"),
            Self::Socketio if phase == Phase::Opened && text.starts_with(b"0") => Told::Asks("40"),
            Self::Socketio if phase == Phase::Opened && text.starts_with(b"40") => Told::Ready,
            Self::Socketio if waits && text.starts_with(b"43") => Told::Confirmed,
            Self::Actioncable | Self::Socketio | Self::Raw => Told::Nothing,
        }
    }
}

/// Action Cable's command to subscribe.
pub(crate) fn subscribe(identifier: &str) -> String {
    json!({"command": "subscribe", "identifier": identifier}).to_string()
}

/// What subscribes a page to a stream.
pub(crate) fn stream(name: &str) -> String {
    json!({"channel": "CableReady::Stream", "identifier": name}).to_string()
}

/// What subscribes a page to the answers to its clicks.
pub(crate) fn reflexes(room: &str) -> String {
    json!({"channel": "StimulusReflex::Channel", "room": room}).to_string()
}

/// A click on the bulb, as StimulusReflex sends it, by somebody who sees that it is on or off.
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
        let cable = Protocol::Actioncable;
        assert_eq!(cable.read(Phase::Opened, br#"{"type":"welcome"}"#), Told::Ready);
        let confirm = br#"{"identifier":"{}","type":"confirm_subscription"}"#;
        assert_eq!(cable.read(Phase::Subscribing(1), confirm), Told::Confirmed);
        assert_eq!(cable.read(Phase::Subscribed, confirm), Told::Nothing);
        let reject = br#"{"identifier":"{}","type":"reject_subscription"}"#;
        assert_eq!(cable.read(Phase::Subscribing(3), reject), Told::Rejected);
        assert_eq!(cable.read(Phase::Subscribed, br#"{"type":"ping","message":1700000000}"#), Told::Heartbeat);
    }

    #[test]
    fn socket_io_is_opened_twice_and_answers_pings() {
        let socketio = Protocol::Socketio;
        assert_eq!(socketio.read(Phase::Opened, br#"0{"sid":"a"}"#), Told::Asks("40"));
        assert_eq!(socketio.read(Phase::Opened, br#"40{"sid":"b"}"#), Told::Ready);
        assert_eq!(socketio.read(Phase::Subscribing(1), br#"430["ok"]"#), Told::Confirmed);
        assert_eq!(socketio.read(Phase::Subscribed, b"2"), Told::Asks("3"));
    }

    #[test]
    fn a_click_is_json_in_json_and_says_what_was_seen() {
        let sent: Value = serde_json::from_str(&click(&reflexes("a--b"), 7, true)).unwrap();
        let data: Value = serde_json::from_str(sent["data"].as_str().unwrap()).unwrap();
        assert_eq!((&data["target"], &data["attrs"]["aria-pressed"]), (&json!("Lightbulb#toggle"), &json!("true")));
        assert_eq!(sent["identifier"], json!(r#"{"channel":"StimulusReflex::Channel","room":"a--b"}"#));
    }
}
