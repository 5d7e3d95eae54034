//! Which streams a browser may subscribe to: public ones by pattern, others by a signed name.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use presence_core::{Room, StreamName};

use crate::config::{Secrets, StreamPattern, is_reserved};
use crate::secret::{Purpose, Secret};
use crate::signing::{TextKeys, open_name, sign_name};

/// Whether a room of this name needs a token.
fn is_private(name: &str) -> bool {
    name.split_once('/').is_some_and(|(_, path)| path.starts_with("private/"))
}

fn stream_name(name: &str) -> Option<StreamName> {
    StreamName::new(name).filter(|_| !is_reserved(name))
}

/// The rooms of those who are present on public streams are below this, so that no one is present in a room of this server
/// or of a site by the name of a public stream. No other room's name has this prefix.
const PUBLIC_ROOMS: &str = "_public/";

/// The stream on whose subscribers' pages the members of a room are shown.
pub(crate) fn stream_of_room(room: &Room) -> Option<StreamName> {
    StreamName::new(room.as_str().strip_prefix(PUBLIC_ROOMS).unwrap_or(room.as_str()))
}

/// Decides who may subscribe to which stream.
pub(crate) struct StreamAccess {
    public: Vec<StreamPattern>,
    keys: TextKeys,
}

impl StreamAccess {
    pub(crate) fn new(public: Vec<StreamPattern>, secret: &Secret) -> Self {
        Self { public, keys: TextKeys::of(&secret.keys(Purpose::Streams)) }
    }

    /// The stream of this name, if it is public.
    pub(crate) fn public(&self, name: &str) -> Option<StreamName> {
        stream_name(name).filter(|_| self.is_public(name))
    }

    fn is_public(&self, name: &str) -> bool {
        !is_private(name) && self.public.iter().any(|pattern| pattern.matches(name))
    }

    /// The room of those who are present on a stream; `None` if it can have none. That of a public stream is its own,
    /// however a page came to listen.
    pub(crate) fn room(&self, stream: &StreamName) -> Option<Room> {
        let name = stream.as_str();
        if name.ends_with('/') {
            return None;
        }
        if self.is_public(name) { Room::new(&format!("{PUBLIC_ROOMS}{name}")) } else { Room::new(name) }
    }

    /// The stream of a signed name; `None` if its signature is not valid.
    pub(crate) fn signed(&self, signed_name: &str) -> Option<StreamName> {
        stream_name(&open_name(self.keys.accepted(), signed_name)?)
    }

    /// The signed name that a page gives as `signed_stream_name`; `None` if no stream can have this name.
    pub(crate) fn sign(&self, name: &str) -> Option<String> {
        Some(sign_name(self.keys.signing().as_bytes(), stream_name(name)?.as_str()))
    }
}

/// Prints a signed stream name, which lets a page subscribe to the stream, or the key that signs such names.
///
/// ```no_run
/// # fn main() -> anyhow::Result<()> {
/// use clap::Parser;
/// use presence_server::SignStream;
///
/// #[derive(Parser)]
/// struct Line {
///     #[command(flatten)]
///     stream: SignStream,
/// }
///
/// // With GP_SECRET in the environment.
/// let line = Line::parse_from(["sign-stream", "orders/7"]);
/// println!("{}", line.stream.text()?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Args)]
#[command(about = "Prints a signed stream name, which lets a page subscribe to the stream, or the key that signs such names", long_about = None)]
pub struct SignStream {
    /// The stream's name
    #[arg(value_name = "NAME", required_unless_present = "key")]
    name: Option<String>,

    /// Print the key instead, for a program that signs names itself. It signs with this text, undecoded
    #[arg(long, conflicts_with = "name")]
    key: bool,

    /// The data directory of a node without GP_SECRET, which holds the secret
    #[arg(long, env = "GP_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl SignStream {
    /// The text to print.
    ///
    /// # Errors
    ///
    /// If there is no secret, or no stream can have this name.
    pub fn text(&self) -> anyhow::Result<String> {
        let secret = Secret::existing(&Secrets::from_environment(), self.data_dir.as_deref())?;
        let streams = StreamAccess::new(Vec::new(), &secret);
        match &self.name {
            Some(name) => streams.sign(name).context("a stream's name has 1 to 1,024 bytes and does not begin with _"),
            None => Ok(streams.keys.signing().to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(secret: &str, accepted: Option<&str>, public: &[&str]) -> StreamAccess {
        let secrets = Secrets {
            secret: Some(secret.repeat(4)),
            accepted: accepted.map(|text| text.repeat(4)),
            ..Secrets::default()
        };
        let (secret, _) = Secret::find(&secrets, None);
        StreamAccess::new(public.iter().map(|pattern| pattern.parse().unwrap()).collect(), &secret)
    }

    fn name(text: &str) -> Option<StreamName> {
        StreamName::new(text)
    }

    #[test]
    fn a_stream_is_public_by_its_name_or_prefix() {
        let streams = streams("a secret", None, &["bench", "chat/*"]);
        for public in ["bench", "chat/1", "chat/a/b", "chat/"] {
            assert_eq!(streams.public(public), name(public));
        }
        for other in ["", "bench/1", "benc", "chat", "room", "_chat/1"] {
            assert_eq!(streams.public(other), None, "{other}");
        }
        let all = self::streams("a secret", None, &["*"]);
        assert_eq!(all.public("anything"), name("anything"));
        assert_eq!(all.public("_ours"), None);
        assert_eq!(all.public("shop.example/private/7"), None);
        assert_eq!(all.public(&"x".repeat(1_025)), None);
        assert_eq!(self::streams("a secret", None, &[]).public("bench"), None);
        for wrong in ["", "a*b", "**", "_x", "_*", &"x".repeat(1_025)] {
            assert!(wrong.parse::<StreamPattern>().is_err_and(|mistake| mistake.contains("chat/*")), "{wrong}");
        }
    }

    #[test]
    fn the_members_of_a_public_stream_are_in_a_room_of_its_own() {
        let streams = streams("a secret", None, &["*"]);
        let room = |text| streams.room(&name(text).unwrap()).map(|room| room.to_string());
        for (stream, expected) in [
            ("demo", Some("_public/demo")),
            ("shop.example/lamp", Some("_public/shop.example/lamp")),
            ("shop.example/private/7", Some("shop.example/private/7")),
            ("chat/", None),
        ] {
            assert_eq!(room(stream).as_deref(), expected, "{stream}");
            let back = streams.room(&name(stream).unwrap()).and_then(|room| stream_of_room(&room));
            assert!(back.is_none_or(|back| back.as_str() == stream));
        }
        let signed = self::streams("a secret", None, &["chat/*"]);
        assert_eq!(signed.room(&name("orders/7").unwrap()), Room::new("orders/7"));
        assert_eq!(signed.public("_public/chat/1"), None, "no stream has the name of such a room");
    }

    #[test]
    fn a_signed_name_opens_its_stream_and_can_not_be_forged() {
        let streams = streams("a secret", None, &[]);
        for private in ["room/1", "a \"quoted\" \u{1}name", &"\u{1}".repeat(1_024)] {
            assert_eq!(streams.signed(&streams.sign(private).unwrap()), name(private));
        }
        assert_eq!(streams.sign(""), None);
        assert_eq!(streams.sign("_ours"), None);
        let ours = streams.sign("room/1").unwrap();
        let foreign = self::streams("another one", None, &[]).sign("room/1").unwrap();
        for wrong in [&ours[1..], &ours[..ours.len() - 1], "", "--", "a--b", "InJvb20vMSI=--abc", &foreign] {
            assert_eq!(streams.signed(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_key_signs_as_text() {
        let streams = streams("a secret", None, &[]);
        assert_eq!(streams.keys.signing().len(), 64);
        let signature = crate::signing::sign(streams.keys.signing().as_bytes(), b"InJvb20vMSI=");
        let digits = data_encoding::HEXLOWER.encode(&signature);
        assert_eq!(streams.sign("room/1").unwrap(), format!("InJvb20vMSI=--{digits}"));
    }

    #[test]
    fn during_a_rotation_names_of_both_secrets_are_opened() {
        let (old, new) = (streams("old secret", None, &[]), streams("new secret", None, &[]));
        let rotating = streams("new secret", Some("old secret"), &[]);
        for signed in [old.sign("a").unwrap(), new.sign("a").unwrap(), rotating.sign("a").unwrap()] {
            assert_eq!(rotating.signed(&signed), name("a"));
        }
        assert_eq!(new.signed(&rotating.sign("a").unwrap()), name("a"));
    }
}
