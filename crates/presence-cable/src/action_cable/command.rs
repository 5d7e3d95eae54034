//! Commands, browser to server.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::encoder::HistoryRequest;
use crate::error::CableError;

/// A command of a browser. The identifier is the decoded text, byte for byte as the browser made it.
#[derive(Clone, Debug)]
pub enum Command<'a> {
    /// Listen to a channel with these parameters.
    Subscribe {
        /// The parameters as JSON text: the subscription's key.
        identifier: Cow<'a, str>,
        /// Asks for missed messages, too (extended protocol).
        history: Option<HistoryRequest>,
        /// Makes the user present at once, as with [`Command::Join`] (extended protocol).
        presence: Option<PresenceRequest<'a>>,
    },
    /// Stop listening.
    Unsubscribe {
        /// The subscription's key.
        identifier: Cow<'a, str>,
    },
    /// Data for the channel: here, a click.
    Message {
        /// The subscription's key.
        identifier: Cow<'a, str>,
        /// JSON text.
        data: Cow<'a, str>,
    },
    /// Data for all others who listen to the same stream.
    Whisper {
        /// The subscription's key.
        identifier: Cow<'a, str>,
        /// JSON text, as it came.
        data: &'a str,
    },
    /// Asks for missed messages (extended protocol).
    History {
        /// The subscription's key.
        identifier: Cow<'a, str>,
        /// Since when.
        history: HistoryRequest,
    },
    /// Makes the user present there (extended protocol).
    Join {
        /// The subscription's key.
        identifier: Cow<'a, str>,
        /// The id and the display data.
        presence: PresenceRequest<'a>,
    },
    /// Ends the presence there; the subscription stays (extended protocol).
    Leave {
        /// The subscription's key.
        identifier: Cow<'a, str>,
    },
    /// Asks who is present there (extended protocol).
    Presence {
        /// The subscription's key.
        identifier: Cow<'a, str>,
    },
    /// Says that the page's script is alive (extended protocol).
    Pong,
    /// Says that the page was hidden, or is shown again. AnyCable and Rails have no such command.
    Visible {
        /// Whether it is visible.
        visible: bool,
    },
}

/// The identity under which a user asks to be present.
#[derive(Clone, Debug, Deserialize)]
pub struct PresenceRequest<'a> {
    /// Chosen by the browser: several sessions with one id are one.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    #[serde(borrow)]
    info: Option<&'a RawValue>,
}

impl PresenceRequest<'_> {
    /// Display data as JSON text; `null` where none was given.
    pub fn info(&self) -> &str {
        self.info.map_or("null", RawValue::get)
    }
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    command: Cow<'a, str>,
    #[serde(borrow)]
    identifier: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    history: Option<&'a RawValue>,
    #[serde(borrow)]
    presence: Option<&'a RawValue>,
    visible: Option<bool>,
}

/// Text that is borrowed where nothing in it is escaped.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Command<'a> {
    /// Parses the text of one frame.
    ///
    /// # Errors
    /// The text is no known command. The connection stays open: the stock server only logs this, too.
    pub fn parse(text: &'a str) -> Result<Self, CableError> {
        let Raw { command, identifier, data, history, presence, visible } = read(text)?;
        match &*command {
            "pong" => return Ok(Self::Pong),
            "visible" => return visible.map(|visible| Self::Visible { visible }).ok_or(CableError::NoData),
            _ => {}
        }
        let identifier = identifier.ok_or(CableError::NoIdentifier)?;
        let part = |raw: Option<&'a RawValue>| raw.map(RawValue::get);
        match &*command {
            "subscribe" => Ok(Self::Subscribe {
                identifier,
                history: part(history).map(read).transpose()?,
                presence: part(presence).map(read).transpose()?,
            }),
            "unsubscribe" => Ok(Self::Unsubscribe { identifier }),
            "message" => {
                let Text(data) = read(part(data).ok_or(CableError::NoData)?)?;
                Ok(Self::Message { identifier, data })
            }
            "whisper" => Ok(Self::Whisper { identifier, data: part(data).ok_or(CableError::NoData)? }),
            "history" => {
                Ok(Self::History { identifier, history: part(history).map(read).transpose()?.unwrap_or_default() })
            }
            "join" => Ok(Self::Join { identifier, presence: read(part(presence).ok_or(CableError::NoData)?)? }),
            "leave" => Ok(Self::Leave { identifier }),
            "presence" => Ok(Self::Presence { identifier }),
            _ => Err(CableError::UnknownCommand),
        }
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, CableError> {
    serde_json::from_str(text).map_err(CableError::NotACommand)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Position;

    #[test]
    fn an_identifier_is_decoded_and_not_touched() {
        let text = r#"{"command":"subscribe","identifier":"{ \"b\":1,\"channel\":\"Caf\u00e9\",  \"a\":2}"}"#;
        let Command::Subscribe { identifier, .. } = Command::parse(text).unwrap() else { panic!("a subscribe") };
        assert_eq!(identifier, "{ \"b\":1,\"channel\":\"Café\",  \"a\":2}");
    }

    #[test]
    fn what_is_no_command_is_an_error() {
        for text in [
            "",
            "not json",
            "[]",
            "null",
            r#"{"command":"bogus"}"#,
            r#"{"command":"visible"}"#,
            r#"{"command":"visible","visible":1}"#,
            r#"{"command":"bogus","identifier":"{}"}"#,
            r#"{"command":"message","identifier":"{}"}"#,
            r#"{"command":"message","identifier":"{}","data":{}}"#,
            r#"{"command":"subscribe"}"#,
            r#"{"command":"whisper","identifier":"{}"}"#,
            r#"{"command":"join","identifier":"{}"}"#,
            r#"{"command":"join","identifier":"{}","presence":{"id":7}}"#,
            r#"{"command":"history","identifier":"{}","history":{"streams":{"a":{"epoch":"e"}}}}"#,
            r#"{"command":1,"identifier":"{}"}"#,
            r#"{"command":"subscribe","identifier":{"channel":"A"}}"#,
            r#"{"command":"subscribe","identifier":"\ud800"}"#,
        ] {
            assert!(Command::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_extended_commands_are_understood() {
        let text = r#"{"command":"subscribe","identifier":"i","history":{"since":1795496780,"streams":{"a/b":{"epoch":"e1","offset":2}}},"presence":{"id":"u1","info":{"b":1,"a":"\u00e9"}}}"#;
        let Command::Subscribe { history: Some(history), presence: Some(present), .. } = Command::parse(text).unwrap()
        else {
            panic!("a subscribe with history and presence");
        };
        let position = Position { epoch: "e1".to_owned(), offset: 2 };
        assert_eq!(history.since, Some(1_795_496_780.0));
        assert_eq!(history.streams.into_iter().collect::<Vec<_>>(), [("a/b".to_owned(), position)]);
        assert_eq!((&*present.id, present.info()), ("u1", r#"{"b":1,"a":"\u00e9"}"#), "as it came");

        let Command::Join { presence, .. } =
            Command::parse(r#"{"command":"join","identifier":"i","presence":{"id":"u1"}}"#).unwrap()
        else {
            panic!("a join");
        };
        assert_eq!(presence.info(), "null");
        let text = r#"{"command":"whisper","identifier":"i","data": {"typing" : true} }"#;
        assert!(matches!(Command::parse(text), Ok(Command::Whisper { data: r#"{"typing" : true}"#, .. })));
        assert!(matches!(Command::parse(r#"{"command":"pong"}"#), Ok(Command::Pong)));
        let hidden = r#"{"command":"visible","visible":false}"#;
        assert!(matches!(Command::parse(hidden), Ok(Command::Visible { visible: false })));
        for command in ["leave", "presence", "history", "unsubscribe"] {
            assert!(Command::parse(&format!(r#"{{"command":"{command}","identifier":"i"}}"#)).is_ok(), "{command}");
        }
    }
}
