//! `presence-v1`, the small language of embeds: JSON text both ways. Without it only our own page could show who is there.

use std::borrow::Cow;
use std::fmt::Write;

use presence_core::{RegionView, RoomView};
use serde::Deserialize;

use crate::error::CableError;
use crate::identifier::Identifier;
use crate::message::quoted;

/// The subprotocol.
pub const PROTOCOL_EMBED: &str = "presence-v1";
/// A sign of life, where nothing else was sent for a while.
pub const EMBED_PING: &str = r#"{"type":"ping"}"#;

/// What an embed says.
#[derive(PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum EmbedSaid<'a> {
    /// The first message.
    Hello {
        /// What `welcome` gave at an earlier time, where the page could keep it.
        #[serde(borrow, default)]
        id: Option<Cow<'a, str>>,
        /// Whether the page can be seen.
        #[serde(default = "yes")]
        visible: bool,
    },
    /// To be counted in a room, and told its counts from now on.
    Join {
        /// The room, as the page names it.
        #[serde(borrow)]
        room: Cow<'a, str>,
        /// What the site signed, where the room is private or the visitor known.
        #[serde(borrow, default)]
        token: Option<Cow<'a, str>>,
    },
    /// To be counted there no more.
    Leave {
        /// The room, named as it was joined.
        #[serde(borrow)]
        room: Cow<'a, str>,
    },
    /// The page was hidden, or shown again.
    Visible {
        /// Whether it can be seen now.
        visible: bool,
    },
}

fn yes() -> bool {
    true
}

impl<'a> EmbedSaid<'a> {
    /// What a frame's text says. Fields that we don't know are left alone.
    ///
    /// # Errors
    /// Where it is no message of this language.
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
    /// Nobody knew it.
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

/// Answers a hello: who the visitor is from now on, to be given again at the next one.
pub fn embed_welcome(id: &str, identity: EmbedIdentity) -> String {
    format!(r#"{{"type":"welcome","id":{},"identity":"{}"}}"#, quoted(id), identity.as_str())
}

/// Something can't be done: with a status as in HTTP, and a sentence that helps.
pub fn embed_error(room: Option<&str>, status: u16, detail: &str) -> String {
    let room = room.map(|room| format!(r#""room":{},"#, quoted(room))).unwrap_or_default();
    format!(r#"{{"type":"error",{room}"status":{status},"detail":{}}}"#, quoted(detail))
}

/// How every `counts` begins.
const COUNTS: &str = r#"{"type":"counts","#;

/// The opening of every `counts` of a room, as the page named it: [`embed_counts`] follows.
pub fn embed_room(name: &str) -> Identifier {
    Identifier::of_opening(format!(r#"{COUNTS}"room":{}"#, quoted(name)))
}

/// The visitor was made to leave a room; its page does not come back by itself.
pub fn embed_left(room: &Identifier) -> String {
    let room = room.opening().strip_prefix(COUNTS).unwrap_or_default();
    format!(r#"{{"type":"left",{room}}}"#)
}

/// The rest of `counts`, the same for every name that a room was given.
pub fn embed_counts(view: &RoomView) -> String {
    let mut body = format!(
        r#","users":{},"looking":{},"tabs":{},"unsure":{},"unproven":{},"regions":["#,
        view.users, view.looking, view.tabs, view.unsure, view.unproven
    );
    for (index, region) in view.regions.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let (code, users, state) = (region.region.as_str(), region.users, region.state.as_str());
        write!(body, r#"{comma}{{"region":"{code}","users":{users},"state":"{state}"}}"#)
            .expect("writing to a string can't fail");
    }
    let stale = is_stale(view);
    write!(body, r#"],"stale":{stale}}}"#).expect("writing to a string can't fail");
    body
}

/// Whether [`embed_counts`] says the same of both.
pub fn same_counts(one: &RoomView, other: &RoomView) -> bool {
    let whole = |view: &RoomView| (view.users, view.looking, view.tabs, view.unsure, view.unproven, is_stale(view));
    let told = |one: &RegionView, other: &RegionView| {
        (&one.region, one.users, one.state) == (&other.region, other.users, other.state)
    };
    whole(one) == whole(other)
        && one.regions.len() == other.regions.len()
        && one.regions.iter().zip(&other.regions).all(|(one, other)| told(one, other))
}

/// Some region is not fully known here: the numbers may be too low.
fn is_stale(view: &RoomView) -> bool {
    view.regions_heard() < view.regions.len()
}

#[cfg(test)]
mod tests {
    use presence_core::{Place, Region, RegionState, Room};
    use serde_json::{Value, json};

    use super::*;

    fn region(code: &str, users: u32, state: RegionState) -> RegionView {
        RegionView {
            region: Region::new(code).unwrap(),
            place: Place::default(),
            state,
            since_ms: 0,
            whole: true,
            heard_ms_ago: 0,
            round_trip_ms: None,
            users,
            tabs: users,
            unsure: 0,
        }
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
        let said = |text| EmbedSaid::parse(text).unwrap();
        assert_eq!(said(r#"{"type":"hello"}"#), EmbedSaid::Hello { id: None, visible: true });
        assert_eq!(
            said(r#"{"visible":false,"type":"hello","id":"a.b","more":[1]}"#),
            EmbedSaid::Hello { id: Some("a.b".into()), visible: false }
        );
        assert_eq!(
            said(r#"{"type":"join","room":"a\u0062\"/"}"#),
            EmbedSaid::Join { room: "ab\"/".into(), token: None }
        );
        assert_eq!(
            said(r#"{"type":"join","room":"a","token":"t"}"#),
            EmbedSaid::Join { room: "a".into(), token: Some("t".into()) }
        );
        assert_eq!(said(r#"{"type":"leave","room":""}"#), EmbedSaid::Leave { room: "".into() });
        assert_eq!(said(r#"{"type":"visible","visible":true}"#), EmbedSaid::Visible { visible: true });
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
            assert!(EmbedSaid::parse(junk).is_err(), "{junk}");
        }
    }

    #[test]
    fn counts_are_one_object_whatever_the_room_was_called() {
        for name in ["lamp", "a\"b\\", "", "ü\u{2028}</script>"] {
            let frame = format!("{}{}", embed_room(name).opening(), embed_counts(&view(14)));
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
            read(embed_welcome("a.b", EmbedIdentity::Given)),
            json!({"type": "welcome", "id": "a.b", "identity": "given"})
        );
        assert_eq!(
            read(embed_error(Some("\"x"), 403, "No \"such\" token.")),
            json!({"type": "error", "room": "\"x", "status": 403, "detail": "No \"such\" token."})
        );
        assert_eq!(read(embed_error(None, 400, "No.")), json!({"type": "error", "status": 400, "detail": "No."}));
        assert_eq!(read(embed_left(&embed_room("\"x"))), json!({"type": "left", "room": "\"x"}));
        assert_eq!(read(EMBED_PING.to_owned()), json!({"type": "ping"}));
    }
}
