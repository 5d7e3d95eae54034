//! `presence-v1`, the small protocol of embeds: JSON text both ways.

mod shares;

use std::borrow::Cow;
use std::fmt::Write;

use presence_core::RoomView;
use serde::Deserialize;

pub use self::shares::{ShareError, person_key, share_key, shares_prefix, sharing};
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

    fn shares(&self, before: Option<&RoomView>, after: &RoomView) -> Option<String> {
        shares::shares(before, after)
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
        /// The page's number of this join. A refusal repeats it: the page may have replaced the join by then.
        #[serde(default)]
        attempt: Option<u64>,
    },
    /// Asks to be counted there no longer.
    Leave {
        /// The room, named as it was joined.
        #[serde(borrow)]
        room: Cow<'a, str>,
    },
    /// Asks to be sent what the room's users share.
    Listen {
        /// The room, named as it was joined.
        #[serde(borrow)]
        room: Cow<'a, str>,
    },
    /// Shows the room's users a value for as long as this one is there.
    Share {
        /// The room, named as it was joined.
        #[serde(borrow)]
        room: Cow<'a, str>,
        /// What the value is about: `cursor`.
        #[serde(borrow)]
        key: Cow<'a, str>,
        /// Any JSON; null ends the showing.
        #[serde(default)]
        value: serde_json::Value,
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
pub fn error(status: u16, detail: &str) -> String {
    refusal("", status, detail)
}

/// The frame that refuses a join, with the number that the page gave it.
pub fn join_error(room: &str, attempt: Option<u64>, status: u16, detail: &str) -> String {
    let attempt = attempt.map(|attempt| format!(r#""attempt":{attempt},"#)).unwrap_or_default();
    refusal(&format!(r#""room":{},{attempt}"#, quoted(room)), status, detail)
}

fn refusal(join: &str, status: u16, detail: &str) -> String {
    format!(r#"{{"type":"error",{join}"status":{status},"detail":{}}}"#, quoted(detail))
}

/// The beginning of every `counts`.
const COUNTS: &str = r#"{"type":"counts","#;

/// The prefix of every `counts` of a room, as the page named it.
pub fn prefix(name: &str) -> String {
    format!(r#"{COUNTS}"room":{}"#, quoted(name))
}

/// The room in a prefix, as JSON.
fn room_in(prefix: &str) -> &str {
    prefix.strip_prefix(COUNTS).unwrap_or_default()
}

/// The frame that says that the visitor was made to leave a room; its page stays away.
pub fn left(prefix: &str) -> String {
    format!(r#"{{"type":"left",{}}}"#, room_in(prefix))
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
mod tests;
