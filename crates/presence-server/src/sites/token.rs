//! What a site signs for one visitor: a room, until when, and who; without it nobody could be let into a private room.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::key::SiteKeys;

/// Longest token in bytes: the longest room's name, user and display data fit.
pub(super) const TOKEN_BYTES_MAX: usize = 8 * 1_024;
/// Longest id of a user in bytes.
const USER_BYTES_MAX: usize = 256;
/// Longest display data in bytes.
const INFO_BYTES_MAX: usize = 1_024;
/// Not every language leaves the padding out.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Token {
    /// The room that it opens.
    pub(super) room: String,
    /// When it runs out: seconds since 1970.
    pub(super) exp: u64,
    /// The visitor as the site knows it: one user on all devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<User>,
    /// What others are shown of the visitor: JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) info: Option<Box<RawValue>>,
}

/// An id as the site's language writes it: the number 7 and the text "7" are one user.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum User {
    Text(String),
    Number(i64),
}

impl User {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl Token {
    /// The token's text.
    pub(super) fn signed(&self, keys: &SiteKeys) -> String {
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_string(self).expect("texts and numbers are always JSON"));
        let tag = keys.sign(payload.as_bytes());
        format!("{payload}.{tag}")
    }

    /// What a token says, whether or not it has run out.
    ///
    /// # Errors
    ///
    /// Where the site did not sign it, or it says too much; a sentence.
    pub(super) fn open(text: &str, keys: &SiteKeys) -> Result<Self, &'static str> {
        let forged = "This token was not signed with the site's key.";
        let (payload, tag) = text.rsplit_once('.').filter(|_| text.len() <= TOKEN_BYTES_MAX).ok_or(forged)?;
        if !keys.signed(payload.as_bytes(), tag) {
            return Err(forged);
        }
        Self::decoded(payload)
    }

    /// What a token claims, whoever signed it.
    ///
    /// # Errors
    ///
    /// Where it is none, or says too much; a sentence.
    pub(super) fn claimed(text: &str) -> Result<Self, &'static str> {
        let parts = text.rsplit_once('.').filter(|_| text.len() <= TOKEN_BYTES_MAX);
        Self::decoded(parts.ok_or("This is no token.")?.0)
    }

    fn decoded(payload: &str) -> Result<Self, &'static str> {
        let json = BASE64.decode(payload).map_err(|_| "This token's first part is not Base64.")?;
        let token: Self = serde_json::from_slice(&json)
            .map_err(|_| "This token is not JSON with a room and exp, in seconds since 1970.")?;
        token.check().map(|()| token)
    }

    /// That nothing in it is too long.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        if self.user.as_ref().is_some_and(|user| !(1..=USER_BYTES_MAX).contains(&user.text().len())) {
            return Err("A token's user has 1 to 256 bytes.");
        }
        if self.info.as_ref().is_some_and(|info| info.get().len() > INFO_BYTES_MAX) {
            return Err("A token's info has at most 1,024 bytes of JSON.");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Keys;

    fn keys(byte: u8) -> SiteKeys {
        SiteKeys::of(&Keys { signing: [byte; 32], accepted: vec![[byte; 32]] })
    }

    fn token(room: &str) -> Token {
        Token { room: room.to_owned(), exp: 1_800_000_000, user: None, info: None }
    }

    #[test]
    fn a_token_is_opened_by_who_has_the_key_alone() {
        let mut made = token("private/7");
        made.user = Some(User::Text("ada".to_owned()));
        made.info = Some(RawValue::from_string("{\"name\":\"Ada\"}".to_owned()).unwrap());
        let text = made.signed(&keys(1));
        let opened = Token::open(&text, &keys(1)).unwrap();
        assert_eq!((opened.room.as_str(), opened.exp), ("private/7", 1_800_000_000));
        assert_eq!(opened.user.unwrap().text(), "ada");
        assert_eq!(opened.info.unwrap().get(), "{\"name\":\"Ada\"}");
        let (payload, tag) = text.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode("{\"room\":\"private/8\",\"exp\":1800000000}");
        for forged in [
            String::new(),
            ".".to_owned(),
            payload.to_owned(),
            format!("{payload}."),
            format!("{payload}.{}", &tag[..62]),
            format!("{payload}.{}", tag.replace(&tag[..1], "g")),
            format!("{other}.{tag}"),
            format!(".{text}"),
            token("private/7").signed(&keys(2)),
            "x".repeat(TOKEN_BYTES_MAX + 1),
        ] {
            assert!(Token::open(&forged, &keys(1)).unwrap_err().contains("not signed"), "{forged}");
        }
    }

    #[test]
    fn what_another_language_writes_is_read_and_too_much_is_not() {
        let keys = keys(1);
        let signed = |json: &str, padded: bool| {
            let engine = if padded { base64::engine::general_purpose::URL_SAFE } else { URL_SAFE_NO_PAD };
            let payload = engine.encode(json);
            format!("{payload}.{}", keys.sign(payload.as_bytes()))
        };
        for padded in [false, true] {
            let token = Token::open(&signed(r#"{ "user": 42, "exp": 9, "room": "a", "more": 1 }"#, padded), &keys);
            assert_eq!(token.unwrap().user.unwrap().text(), "42");
        }
        let long = format!(r#"{{"room":"a","exp":9,"user":"{}"}}"#, "x".repeat(257));
        let large = format!(r#"{{"room":"a","exp":9,"info":"{}"}}"#, "x".repeat(1_023));
        for wrong in [
            &*long,
            &*large,
            "{}",
            "[]",
            "",
            r#"{"room":"a"}"#,
            r#"{"room":"a","exp":-1}"#,
            r#"{"exp":1.5,"room":"a"}"#,
        ] {
            assert!(Token::open(&signed(wrong, false), &keys).is_err(), "{wrong}");
        }
        let payload = "not base64!";
        assert!(Token::open(&format!("{payload}.{}", keys.sign(payload.as_bytes())), &keys).is_err());
    }
}
