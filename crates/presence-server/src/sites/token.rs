//! The token that a site signs for a visitor: a room, a time and perhaps a user.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{RoomError, TokenError};
use crate::signing::TextKeys;

/// Longest token in bytes: the longest room's name, user and display data fit.
pub(super) const TOKEN_BYTES_MAX: usize = 8 * 1_024;
/// Longest id of a user in bytes.
const USER_BYTES_MAX: usize = 256;
/// Longest display data in bytes.
const INFO_BYTES_MAX: usize = 1_024;
/// The furthest time at which a token may expire, in seconds from now: 100 years. A time in milliseconds is further away, and
/// such a token would never expire.
const EXP_AFTER_MAX_S: u64 = 100 * 366 * 24 * 3_600;
/// Some languages write padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The content of a token.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RoomToken {
    pub(super) room: String,
    /// When it expires, in seconds since 1970.
    pub(super) exp: u64,
    /// The visitor's id on the site, which makes one user on all devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<TokenUser>,
    /// What others are shown about the visitor: JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) info: Option<Box<RawValue>>,
}

/// A user's id, as text or a number: 7 and "7" are the same user.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum TokenUser {
    Text(String),
    Number(i64),
}

impl TokenUser {
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

impl RoomToken {
    /// The token's text.
    pub(super) fn sign(&self, keys: &TextKeys) -> String {
        sign(self, keys)
    }

    /// The content of a token that one of the keys has signed, expired or not.
    pub(super) fn open(text: &str, keys: &TextKeys) -> Result<Self, TokenError> {
        Self::decode(signed_payload(text, keys)?)
    }

    /// The content of a token whose signature is not checked.
    pub(super) fn unverified(text: &str) -> Result<Self, TokenError> {
        Self::decode(split(text).ok_or(TokenError::NotAToken)?.0)
    }

    fn decode(payload: &str) -> Result<Self, TokenError> {
        let token: Self = decode(payload)?;
        token.check().map(|()| token)
    }

    /// Fails if something in it is too long.
    pub(super) fn check(&self) -> Result<(), TokenError> {
        check(self.user.as_ref(), self.info.as_deref())
    }
}

/// Fails if what a token says of its user is too long.
pub(super) fn check(user: Option<&TokenUser>, info: Option<&RawValue>) -> Result<(), TokenError> {
    if user.is_some_and(|user| !(1..=USER_BYTES_MAX).contains(&user.text().len())) {
        return Err(TokenError::UserLength);
    }
    if info.is_some_and(|info| info.get().len() > INFO_BYTES_MAX) {
        return Err(TokenError::InfoLength);
    }
    Ok(())
}

/// Fails if a token that expires at this time is no longer valid, or says the time in another unit than seconds.
pub(super) fn check_expiry(exp: u64, now_s: u64) -> Result<(), RoomError> {
    if exp <= now_s {
        return Err(RoomError::TokenExpired);
    }
    if is_in_seconds(exp, now_s) { Ok(()) } else { Err(TokenError::ExpNotSeconds.into()) }
}

/// Whether a token may expire at this time.
pub(super) fn is_in_seconds(exp: u64, now_s: u64) -> bool {
    exp.saturating_sub(now_s) <= EXP_AFTER_MAX_S
}

/// The text of a token with this content.
pub(super) fn sign(content: &impl Serialize, keys: &TextKeys) -> String {
    let payload = URL_SAFE_NO_PAD.encode(serde_json::to_string(content).expect("texts and numbers are always JSON"));
    let signature = keys.sign(payload.as_bytes());
    format!("{payload}.{signature}")
}

/// The payload of a token that one of the keys has signed.
pub(super) fn signed_payload<'a>(text: &'a str, keys: &TextKeys) -> Result<&'a str, TokenError> {
    let (payload, signature) = split(text).ok_or(TokenError::NotAToken)?;
    keys.verify(payload.as_bytes(), signature).then_some(payload).ok_or(TokenError::NotSignedByThisSite)
}

/// The content of a payload.
pub(super) fn decode<T: DeserializeOwned>(payload: &str) -> Result<T, TokenError> {
    let json = BASE64.decode(payload).map_err(|_| TokenError::NotBase64)?;
    serde_json::from_slice(&json).map_err(|_| TokenError::NotJson)
}

/// A token's payload and signature.
fn split(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once('.').filter(|_| text.len() <= TOKEN_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::RotatingKeys;

    fn keys(byte: u8) -> TextKeys {
        TextKeys::of(&RotatingKeys { signing: [byte; 32], accepted: vec![[byte; 32]] })
    }

    fn token(room: &str) -> RoomToken {
        RoomToken { room: room.to_owned(), exp: 1_800_000_000, user: None, info: None }
    }

    #[test]
    fn only_the_sites_key_opens_a_token() {
        let mut made = token("private/7");
        made.user = Some(TokenUser::Text("ada".to_owned()));
        made.info = Some(RawValue::from_string("{\"name\":\"Ada\"}".to_owned()).unwrap());
        let text = made.sign(&keys(1));
        let opened = RoomToken::open(&text, &keys(1)).unwrap();
        assert_eq!((opened.room.as_str(), opened.exp), ("private/7", 1_800_000_000));
        assert_eq!(opened.user.unwrap().text(), "ada");
        assert_eq!(opened.info.unwrap().get(), "{\"name\":\"Ada\"}");
        let (payload, tag) = text.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode("{\"room\":\"private/8\",\"exp\":1800000000}");
        for formless in ["", "undefined", payload, &"x".repeat(TOKEN_BYTES_MAX + 1)] {
            assert_eq!(RoomToken::open(formless, &keys(1)).unwrap_err(), TokenError::NotAToken, "{formless}");
        }
        for forged in [
            ".".to_owned(),
            format!("{payload}."),
            format!("{payload}.{}", &tag[..62]),
            format!("{payload}.{}", tag.replace(&tag[..1], "g")),
            format!("{other}.{tag}"),
            format!(".{text}"),
            token("private/7").sign(&keys(2)),
        ] {
            assert_eq!(RoomToken::open(&forged, &keys(1)).unwrap_err(), TokenError::NotSignedByThisSite, "{forged}");
        }
    }

    #[test]
    fn tokens_of_other_languages_are_read_and_too_long_ones_are_not() {
        let keys = keys(1);
        let signed = |json: &str, padded: bool| {
            let engine = if padded { base64::engine::general_purpose::URL_SAFE } else { URL_SAFE_NO_PAD };
            let payload = engine.encode(json);
            format!("{payload}.{}", keys.sign(payload.as_bytes()))
        };
        for padded in [false, true] {
            let token = RoomToken::open(&signed(r#"{ "user": 42, "exp": 9, "room": "a", "more": 1 }"#, padded), &keys);
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
            assert!(RoomToken::open(&signed(wrong, false), &keys).is_err(), "{wrong}");
        }
        let payload = "not base64!";
        assert!(RoomToken::open(&format!("{payload}.{}", keys.sign(payload.as_bytes())), &keys).is_err());
    }
}
