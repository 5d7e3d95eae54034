//! Which streams a browser may listen to: public ones by pattern, others by a signed name. Without it everybody could
//! listen to everything.

use std::path::PathBuf;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit as _, Mac as _};
use presence_core::StreamName;
use sha2::Sha256;

use crate::config::{Secrets, StreamPattern, is_reserved};
use crate::secret::{Purpose, Secret};

/// A longer signed name is not ours: a name of 1,024 bytes, each escaped, in Base64.
const SIGNED_BYTES_MAX: usize = 9_216;

/// A room of that name would need a token.
fn is_private(name: &str) -> bool {
    name.split_once('/').is_some_and(|(_, path)| path.starts_with("private/"))
}

fn stream_name(name: &str) -> Option<StreamName> {
    StreamName::new(name).filter(|_| !is_reserved(name))
}

/// Decides who may listen.
pub(crate) struct Streams {
    public: Vec<StreamPattern>,
    /// What signs, and during a rotation what else is accepted. A key is text, since that is what the frameworks that
    /// sign such names take.
    keys: Vec<String>,
}

impl Streams {
    pub(crate) fn new(public: Vec<StreamPattern>, secret: &Secret) -> Self {
        let keys = secret.keys(Purpose::Streams).accepted;
        Self { public, keys: keys.iter().map(|key| HEXLOWER.encode(key)).collect() }
    }

    /// The stream of this name, where anybody may listen to it.
    pub(crate) fn public(&self, name: &str) -> Option<StreamName> {
        let public = !is_private(name) && self.public.iter().any(|pattern| pattern.matches(name));
        stream_name(name).filter(|_| public)
    }

    /// The stream that a signed name names; `None` where it was not signed with our key.
    pub(crate) fn signed(&self, signed_name: &str) -> Option<StreamName> {
        if signed_name.len() > SIGNED_BYTES_MAX {
            return None;
        }
        let (encoded, tag) = signed_name.rsplit_once("--")?;
        let tag = HEXLOWER_PERMISSIVE.decode(tag.as_bytes()).ok()?;
        let ours = self.keys.iter().any(|key| authenticated(key, encoded).verify_slice(&tag).is_ok());
        let name: String = serde_json::from_slice(&STANDARD.decode(encoded).ok().filter(|_| ours)?).ok()?;
        stream_name(&name)
    }

    /// A name as a page may give it to `signed_stream_name`; `None` where no stream can have it.
    pub(crate) fn sign(&self, name: &str) -> Option<String> {
        let json = serde_json::to_string(stream_name(name)?.as_str()).expect("text is always JSON");
        let encoded = STANDARD.encode(json);
        let tag = authenticated(self.key(), &encoded).finalize().into_bytes();
        Some(format!("{encoded}--{}", HEXLOWER.encode(&tag)))
    }

    fn key(&self) -> &str {
        &self.keys[0]
    }
}

/// Prints the name of a stream as a page may listen to it, or the key that signs such names.
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
#[command(about = "Prints the name of a stream as a page may listen to it, or the key that signs such names", long_about = None)]
pub struct SignStream {
    /// The stream's name
    #[arg(value_name = "NAME", required_unless_present = "key")]
    name: Option<String>,

    /// Print the key instead, for signing names elsewhere: it is used as the text that it is
    #[arg(long, conflicts_with = "name")]
    key: bool,

    /// Where a node without GP_SECRET keeps its own
    #[arg(long, env = "GP_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl SignStream {
    /// What is to be printed.
    ///
    /// # Errors
    ///
    /// Where there is no secret to make the key from, or no stream can have that name.
    pub fn text(&self) -> anyhow::Result<String> {
        let secret = Secret::known(&Secrets::from_environment(), self.data_dir.as_deref())?;
        let streams = Streams::new(Vec::new(), &secret);
        match &self.name {
            Some(name) => streams.sign(name).context("a stream's name has 1 to 1,024 bytes and does not begin with _"),
            // The one that stays when a change of secrets is over.
            None => Ok(streams.keys.last().expect("there is a secret, and a key of it").clone()),
        }
    }
}

fn authenticated(key: &str, text: &str) -> Hmac<Sha256> {
    let mac = Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
    mac.chain_update(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams(secret: &str, previous: Option<&str>, public: &[&str]) -> Streams {
        let secrets = Secrets {
            secret: Some(secret.repeat(4)),
            previous: previous.map(|text| text.repeat(4)),
            api_key: None,
            webhook: None,
        };
        let (secret, _) = Secret::find(&secrets, None);
        Streams::new(public.iter().map(|pattern| pattern.parse().unwrap()).collect(), &secret)
    }

    fn name(text: &str) -> Option<StreamName> {
        StreamName::new(text)
    }

    #[test]
    fn a_stream_is_public_by_its_name_or_by_how_that_begins() {
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
    fn a_signed_name_opens_its_stream_and_nobody_else_can_write_one() {
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
    fn a_name_is_signed_as_frameworks_do_it_with_the_key_as_text() {
        let streams = streams("a secret", None, &[]);
        assert_eq!(streams.key().len(), 64);
        let encoded = "InJvb20vMSI=";
        let mac = Hmac::<Sha256>::new_from_slice(streams.key().as_bytes()).unwrap().chain_update(encoded);
        assert_eq!(
            streams.sign("room/1").unwrap(),
            format!("{encoded}--{}", HEXLOWER.encode(&mac.finalize().into_bytes()))
        );
    }

    #[test]
    fn during_a_rotation_names_of_both_secrets_are_opened() {
        let (old, new) = (streams("old secret", None, &[]), streams("new secret", None, &[]));
        let rotating = streams("new secret", Some("old secret"), &[]);
        for signed in [old.sign("a").unwrap(), new.sign("a").unwrap(), rotating.sign("a").unwrap()] {
            assert_eq!(rotating.signed(&signed), name("a"));
        }
        assert_eq!(old.signed(&rotating.sign("a").unwrap()), name("a"));
    }
}
