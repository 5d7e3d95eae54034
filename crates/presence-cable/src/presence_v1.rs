//! `presence-v1`, the small protocol of embeds: JSON text both ways.

use std::borrow::Cow;
use std::fmt::Write;

use presence_core::RoomView;
use serde::Deserialize;

use crate::encoder::{Encoder, PingAfter, is_stale};
use crate::error::CableError;
use crate::quoted;

/// The subprotocol.
pub const PROTOCOL: &str = "presence-v1";
/// The frame that shows that the server is there.
pub const PING: &str = r#"{"type":"ping"}"#;

/// The encoder of `presence-v1`.
#[derive(Debug)]
pub struct PresenceV1;

impl Encoder for PresenceV1 {
    fn name(&self) -> &'static str {
        PROTOCOL
    }

    fn ping(&self, _unix_seconds: u64) -> String {
        PING.to_owned()
    }

    fn ping_after(&self) -> PingAfter {
        PingAfter::ProbeEvery
    }

    fn dismissed(&self, prefix: &str) -> String {
        left(prefix)
    }

    fn counts(&self, view: &RoomView) -> Option<String> {
        Some(counts(view))
    }
}

/// A message of an embed.
#[derive(PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum EmbedRequest<'a> {
    /// The first message.
    Hello {
        /// The id of an earlier `welcome`, if the page could keep it.
        #[serde(borrow, default)]
        id: Option<Cow<'a, str>>,
        /// Whether the page can be seen.
        #[serde(default = "yes")]
        visible: bool,
        /// The tab's name for itself: its next socket takes the place of this one.
        #[serde(borrow, default)]
        tab: Option<Cow<'a, str>>,
    },
    /// Asks to be counted in a room, and to be sent its counts.
    Join {
        /// The room, as the page names it.
        #[serde(borrow)]
        room: Cow<'a, str>,
        /// A token that the site signed, if the room is private or the visitor known.
        #[serde(borrow, default)]
        token: Option<Cow<'a, str>>,
    },
    /// Asks to be counted there no longer.
    Leave {
        /// The room, named as it was joined.
        #[serde(borrow)]
        room: Cow<'a, str>,
    },
    /// Says that the page was hidden, or shown again.
    Visible {
        /// Whether it can be seen now.
        visible: bool,
    },
    /// Says that the page makes way for itself, or for another page of its site: its visitor is expected back.
    Moving,
}

fn yes() -> bool {
    true
}

impl<'a> EmbedRequest<'a> {
    /// Parses the text of a frame. Unknown fields are ignored.
    ///
    /// # Errors
    /// The text is no message of this protocol.
    pub fn parse(text: &'a str) -> Result<Self, CableError> {
        serde_json::from_str(text).map_err(CableError::BadMessage)
    }
}

/// How an embed's identity was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EmbedIdentity {
    /// By its cookie.
    Cookie,
    /// By the id that it gave.
    Given,
    /// It had none.
    New,
}

impl EmbedIdentity {
    /// The word in `welcome`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Given => "given",
            Self::New => "new",
        }
    }
}

/// The answer to a hello: the visitor's id, to be given with the next hello.
pub fn welcome(id: &str, identity: EmbedIdentity) -> String {
    format!(r#"{{"type":"welcome","id":{},"identity":"{}"}}"#, quoted(id), identity.as_str())
}

/// The frame that refuses a request, with a status as in HTTP and a sentence that helps.
pub fn error(room: Option<&str>, status: u16, detail: &str) -> String {
    let room = room.map(|room| format!(r#""room":{},"#, quoted(room))).unwrap_or_default();
    format!(r#"{{"type":"error",{room}"status":{status},"detail":{}}}"#, quoted(detail))
}

/// The beginning of every `counts`.
const COUNTS: &str = r#"{"type":"counts","#;

/// The prefix of every `counts` of a room, as the page named it.
pub fn prefix(name: &str) -> String {
    format!(r#"{COUNTS}"room":{}"#, quoted(name))
}

/// The frame that says that the visitor was made to leave a room; its page stays away.
pub fn left(prefix: &str) -> String {
    let room = prefix.strip_prefix(COUNTS).unwrap_or_default();
    format!(r#"{{"type":"left",{room}}}"#)
}

/// The body of `counts`, the same for every name that a room was given.
pub fn counts(view: &RoomView) -> String {
    let mut body = format!(
        r#","users":{},"looking":{},"tabs":{},"unsure":{},"unproven":{},"regions":["#,
        view.users, view.looking, view.tabs, view.unsure, view.unproven
    );
    for (index, region) in view.regions.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let (code, users, state) = (region.region.as_str(), region.users, region.state.as_str());
        let name = match region.place.name.as_str() {
            "" => String::new(),
            name if name == code => String::new(),
            name => format!(r#""name":{},"#, quoted(name)),
        };
        write!(body, r#"{comma}{{"region":"{code}",{name}"users":{users},"state":"{state}"}}"#)
            .expect("writing to a string can't fail");
    }
    let stale = is_stale(view);
    write!(body, r#"],"stale":{stale}}}"#).expect("writing to a string can't fail");
    body
}

#[cfg(test)]
mod tests {
    use presence_core::{Place, Region, RegionState, RegionView, Room};
    use serde_json::{Value, json};

    use super::*;
    use crate::encoder::same_counts;

    fn region(code: &str, users: u32, state: RegionState) -> RegionView {
        RegionView { state, users, tabs: users, ..RegionView::empty(Region::new(code).unwrap(), Place::default()) }
    }

    fn view(users: u32) -> RoomView {
        RoomView {
            room: Room::new("shop.example/lamp").unwrap(),
            version: 3,
            users,
            tabs: users + 2,
            unsure: 1,
            looking: 2,
            unproven: 0,
            regions: vec![region("ams", users, RegionState::Live), region("maa", 0, RegionState::Silent)],
            registers: Default::default(),
            logs: Default::default(),
            shared: Default::default(),
            here: Region::new("ams").unwrap(),
            as_of_ms: 9,
        }
    }

    #[test]
    fn what_pages_say_is_understood_and_junk_is_not() {
        let said = |text| EmbedRequest::parse(text).unwrap();
        assert_eq!(said(r#"{"type":"hello"}"#), EmbedRequest::Hello { id: None, visible: true, tab: None });
        assert_eq!(
            said(r#"{"visible":false,"type":"hello","id":"a.b","tab":"1-2","more":[1]}"#),
            EmbedRequest::Hello { id: Some("a.b".into()), visible: false, tab: Some("1-2".into()) }
        );
        assert_eq!(
            said(r#"{"type":"join","room":"a\u0062\"/"}"#),
            EmbedRequest::Join { room: "ab\"/".into(), token: None }
        );
        assert_eq!(
            said(r#"{"type":"join","room":"a","token":"t"}"#),
            EmbedRequest::Join { room: "a".into(), token: Some("t".into()) }
        );
        assert_eq!(said(r#"{"type":"leave","room":""}"#), EmbedRequest::Leave { room: "".into() });
        assert_eq!(said(r#"{"type":"visible","visible":true}"#), EmbedRequest::Visible { visible: true });
        assert_eq!(said(r#"{"type":"moving"}"#), EmbedRequest::Moving);
        for junk in [
            "",
            "junk",
            "[]",
            "null",
            "{}",
            r#"{"type":"bogus"}"#,
            r#"{"type":7}"#,
            r#"{"type":"join"}"#,
            r#"{"type":"join","room":7}"#,
            r#"{"type":"visible"}"#,
            r#"{"type":"visible","visible":"yes"}"#,
            r#"{"type":"hello","id":[]}"#,
        ] {
            assert!(EmbedRequest::parse(junk).is_err(), "{junk}");
        }
    }

    #[test]
    fn counts_are_one_object_whatever_the_room_was_called() {
        for name in ["lamp", "a\"b\\", "", "ü\u{2028}</script>"] {
            let frame = format!("{}{}", prefix(name), counts(&view(14)));
            assert_eq!(
                serde_json::from_str::<Value>(&frame).unwrap(),
                json!({"type": "counts", "room": name, "users": 14, "looking": 2, "tabs": 16, "unsure": 1, "unproven": 0,
                    "regions": [{"region": "ams", "users": 14, "state": "live"},
                        {"region": "maa", "users": 0, "state": "silent"}],
                    "stale": true})
            );
        }
    }

    #[test]
    fn views_that_say_the_same_are_told_from_those_that_do_not() {
        let one = view(14);
        assert!(same_counts(&one, &RoomView { version: 4, as_of_ms: 10, ..one.clone() }));
        assert!(!same_counts(&one, &view(15)));
        assert!(!same_counts(&one, &RoomView { looking: 3, ..one.clone() }));
        assert!(!same_counts(&one, &RoomView { regions: one.regions[..1].to_vec(), ..one.clone() }));
        let mut back = one.clone();
        back.regions[1].state = RegionState::Live;
        assert!(!same_counts(&one, &back));
    }

    #[test]
    fn answers_are_json() {
        let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();
        assert_eq!(
            read(welcome("a.b", EmbedIdentity::Given)),
            json!({"type": "welcome", "id": "a.b", "identity": "given"})
        );
        assert_eq!(
            read(error(Some("\"x"), 403, "No \"such\" token.")),
            json!({"type": "error", "room": "\"x", "status": 403, "detail": "No \"such\" token."})
        );
        assert_eq!(read(error(None, 400, "No.")), json!({"type": "error", "status": 400, "detail": "No."}));
        assert_eq!(read(left(&prefix("\"x"))), json!({"type": "left", "room": "\"x"}));
        assert_eq!(read(PresenceV1.ping(0)), json!({"type": "ping"}));
    }
}
