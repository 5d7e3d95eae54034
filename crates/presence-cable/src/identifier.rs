//! A subscription's key, in the form in which it is written back, and what it asks for.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::Deserialize;

use crate::error::CableError;

/// A subscription's key as the opening of every frame to it: `{"identifier":"…"`. A frame is this, then a body that
/// begins with a comma. Equal keys have equal openings. Cheap to clone.
#[derive(Clone, Eq)]
pub struct Identifier(Arc<str>);

impl Identifier {
    /// Of the decoded text of a command's `identifier`.
    pub fn new(decoded: &str) -> Self {
        let quoted = serde_json::to_string(decoded).expect("text is always JSON");
        Self(format!("{{\"identifier\":{quoted}").into())
    }

    /// Of another language, in which frames to a subscription begin with this text.
    pub(crate) fn of_opening(opening: String) -> Self {
        Self(opening.into())
    }

    /// The opening of a frame to this subscription.
    pub fn opening(&self) -> &str {
        &self.0
    }

    /// The frame that says that the subscription is live.
    pub fn confirm(&self) -> String {
        format!("{},\"type\":\"confirm_subscription\"}}", self.0)
    }

    /// The frame that says that there is no such subscription, and that asking again is useless.
    pub fn reject(&self) -> String {
        format!("{},\"type\":\"reject_subscription\"}}", self.0)
    }

    /// The frame that says that what was missed has been sent.
    pub fn confirm_history(&self) -> String {
        format!("{},\"type\":\"confirm_history\"}}", self.0)
    }

    /// The frame that says that what was missed is no longer known: the page is to be built anew.
    pub fn reject_history(&self) -> String {
        format!("{},\"type\":\"reject_history\"}}", self.0)
    }

    /// Somebody else has the same allocation.
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// Both are one allocation: told apart without reading.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl PartialEq for Identifier {
    fn eq(&self, other: &Self) -> bool {
        self.is(other) || self.0 == other.0
    }
}

impl Hash for Identifier {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Ord for Identifier {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is(other) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for Identifier {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}}}", self.0)
    }
}

/// What a subscription asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Channel {
    /// `CableReady::Stream`, as `<cable-ready-stream-from>` subscribes: a signed stream name.
    Stream {
        /// Signed: a room's or a user's stream.
        name: String,
    },
    /// `StimulusReflex::Channel`: clicks go there and answers come back.
    Reflex {
        /// The signed name of the room's stream.
        room: String,
    },
    /// `$pubsub` with `stream_name`: a stream that anybody may listen to, or one that a token opens.
    Public {
        /// The stream's name.
        name: String,
    },
    /// `$pubsub` with `signed_stream_name`.
    Signed {
        /// The stream's signed name.
        name: String,
    },
    /// `Turbo::StreamsChannel`, as `<turbo-cable-stream-source>` subscribes: messages are HTML that the page performs.
    Turbo {
        /// The stream's signed name.
        name: String,
    },
}

#[derive(Deserialize)]
struct Parameters<'a> {
    #[serde(borrow)]
    channel: Cow<'a, str>,
    #[serde(borrow)]
    identifier: Option<Cow<'a, str>>,
    #[serde(borrow)]
    room: Option<Cow<'a, str>>,
    #[serde(borrow)]
    stream_name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    signed_stream_name: Option<Cow<'a, str>>,
}

impl Channel {
    /// What the decoded text of a command's `identifier` asks for. Parameters that we don't know are left alone.
    ///
    /// # Errors
    /// Where no channel of ours is asked for, or not completely: the subscription is to be rejected.
    pub fn parse(decoded: &str) -> Result<Self, CableError> {
        let parameters: Parameters<'_> = serde_json::from_str(decoded).map_err(CableError::BadParameters)?;
        let need =
            |value: Option<Cow<'_, str>>, name| value.map(Cow::into_owned).ok_or(CableError::MissingParameter(name));
        let signed = parameters.signed_stream_name;
        match &*parameters.channel {
            "CableReady::Stream" => Ok(Self::Stream { name: need(parameters.identifier, "identifier")? }),
            "StimulusReflex::Channel" => Ok(Self::Reflex { room: need(parameters.room, "room")? }),
            "$pubsub" if signed.is_some() => Ok(Self::Signed { name: need(signed, "signed_stream_name")? }),
            "$pubsub" => Ok(Self::Public { name: need(parameters.stream_name, "stream_name")? }),
            "Turbo::StreamsChannel" => Ok(Self::Turbo { name: need(signed, "signed_stream_name")? }),
            _ => Err(CableError::UnknownChannel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_echoed_byte_for_byte() {
        for key in ["{\"channel\":\"Aé☃\",\"b\":1,  \"a\":\"\\\"\"}", "", "\u{0}\u{7f}\u{2028}\\", "</script>"] {
            for frame in [Identifier::new(key).confirm(), Identifier::new(key).reject()] {
                let back: serde_json::Value = serde_json::from_str(&frame).unwrap();
                assert_eq!(back["identifier"], key);
            }
        }
    }

    #[test]
    fn a_key_is_one_whatever_way_it_was_written() {
        assert_eq!(Identifier::new("a"), Identifier::new("a"));
        assert_ne!(Identifier::new("{\"a\":1,\"b\":2}"), Identifier::new("{\"b\":2,\"a\":1}"));
    }

    #[test]
    fn channels_are_found_by_name_and_need_their_parameter() {
        let stream = Channel::parse(r#"{"channel":"CableReady::Stream","identifier":"x--y","more":[1]}"#).unwrap();
        assert_eq!(stream, Channel::Stream { name: "x--y".to_owned() });
        let reflex = Channel::parse(r#"{"room":"x--y","channel":"StimulusReflex::Channel"}"#).unwrap();
        assert_eq!(reflex, Channel::Reflex { room: "x--y".to_owned() });
        for (key, channel) in [
            (r#"{"channel":"$pubsub","stream_name":"bench"}"#, Channel::Public { name: "bench".to_owned() }),
            (r#"{"channel":"$pubsub","signed_stream_name":"x--y"}"#, Channel::Signed { name: "x--y".to_owned() }),
            (
                r#"{"channel":"Turbo::StreamsChannel","signed_stream_name":"x--y","room_id":"7"}"#,
                Channel::Turbo { name: "x--y".to_owned() },
            ),
        ] {
            assert_eq!(Channel::parse(key).unwrap(), channel);
        }
        for refused in [
            r#"{"channel":"CableReady::Stream"}"#,
            r#"{"channel":"StimulusReflex::Channel"}"#,
            r#"{"channel":"StimulusReflex::Channel","room":7}"#,
            r#"{"channel":"$pubsub"}"#,
            r#"{"channel":"$pubsub","stream_name":["bench"]}"#,
            r#"{"channel":"Turbo::StreamsChannel","stream_name":"bench"}"#,
            r#"{"channel":"NoSuchChannel"}"#,
            r#"{"channel":null}"#,
            "{}",
            "junk",
            "",
        ] {
            assert!(Channel::parse(refused).is_err(), "{refused}");
        }
    }
}
