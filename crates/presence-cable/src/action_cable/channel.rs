//! What the key of a subscription asks for.

use std::borrow::Cow;

use serde::Deserialize;

use crate::error::CableError;

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
    /// `$pubsub` with `stream_name`: a public stream, or one that a token opens.
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
    /// Parses the decoded text of a command's `identifier`. Unknown parameters are ignored.
    ///
    /// # Errors
    /// The channel is unknown, or one of its parameters is missing: the subscription is to be rejected.
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

    /// The name that it asks for, signed or not.
    pub fn name(&self) -> &str {
        match self {
            Self::Reflex { room: name }
            | Self::Stream { name }
            | Self::Public { name }
            | Self::Signed { name }
            | Self::Turbo { name } => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
