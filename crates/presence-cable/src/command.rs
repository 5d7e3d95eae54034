//! Browser to server: without this a frame's text would mean nothing.

use std::borrow::Cow;

use serde::Deserialize;

use crate::error::CableError;

/// What a browser asks for. The identifier is the decoded text, byte for byte as the browser made it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command<'a> {
    /// Listen to a channel with these parameters.
    Subscribe {
        /// The parameters as JSON text: the subscription's key.
        identifier: Cow<'a, str>,
    },
    /// Stop listening.
    Unsubscribe {
        /// The subscription's key.
        identifier: Cow<'a, str>,
    },
    /// Something for the channel: for us, a click.
    Message {
        /// The subscription's key.
        identifier: Cow<'a, str>,
        /// JSON text.
        data: Cow<'a, str>,
    },
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    command: Cow<'a, str>,
    #[serde(borrow)]
    identifier: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<Cow<'a, str>>,
}

impl<'a> Command<'a> {
    /// The command in the text of one frame.
    ///
    /// # Errors
    /// Where the text is no command that we know. The connection stays: the stock server only logs this, too.
    pub fn parse(text: &'a str) -> Result<Self, CableError> {
        let Raw { command, identifier, data } = serde_json::from_str(text).map_err(CableError::NotACommand)?;
        match &*command {
            "subscribe" => Ok(Self::Subscribe { identifier }),
            "unsubscribe" => Ok(Self::Unsubscribe { identifier }),
            "message" => Ok(Self::Message { identifier, data: data.ok_or(CableError::NoData)? }),
            _ => Err(CableError::UnknownCommand),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_decoded_and_not_touched() {
        let text = r#"{"command":"subscribe","identifier":"{ \"b\":1,\"channel\":\"Caf\u00e9\",  \"a\":2}"}"#;
        let Command::Subscribe { identifier } = Command::parse(text).unwrap() else { panic!("a subscribe") };
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
            r#"{"command":"bogus","identifier":"{}"}"#,
            r#"{"command":"message","identifier":"{}"}"#,
            r#"{"command":1,"identifier":"{}"}"#,
            r#"{"command":"subscribe","identifier":{"channel":"A"}}"#,
            r#"{"command":"subscribe","identifier":"\ud800"}"#,
        ] {
            assert!(Command::parse(text).is_err(), "{text}");
        }
    }
}
