//! The token that signs a visitor in on this server's own pages: a user and a time.

use std::time::Duration;

use presence_core::SignedUser;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::token::{TokenUser, check_expiry, decode, is_in_seconds, sign, signed_payload};
use super::{EmbedSite, Sites, TokenError};
use crate::config::Origin;
use crate::signing::TextKeys;

/// The content of such a token: that of a room's token, without a room.
#[derive(Debug, Serialize, Deserialize)]
struct UserToken {
    /// When it expires, in seconds since 1970.
    exp: u64,
    user: TokenUser,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    info: Option<Box<RawValue>>,
    /// A token for one room signs no one in.
    #[serde(default, skip_serializing)]
    room: Option<String>,
}

/// Signs users of this server's own pages in.
#[derive(Clone)]
pub(crate) struct UserTokens(TextKeys);

impl Sites {
    /// For pages of this origin.
    pub(crate) fn user_tokens(&self, own: Origin) -> UserTokens {
        UserTokens(self.keys(&EmbedSite::of(own)))
    }
}

impl UserTokens {
    /// A token for this user, valid for this long.
    ///
    /// # Errors
    ///
    /// If the id or what is said of the user has a wrong length, or the latter is not JSON, or the token would be valid for more
    /// than 100 years.
    pub(crate) fn sign(&self, user: &SignedUser, now_s: u64, lasts: Duration) -> Result<String, TokenError> {
        let info = user.info.clone().map(RawValue::from_string).transpose().map_err(|_| TokenError::InfoNotJson)?;
        let exp = now_s.saturating_add(lasts.as_secs());
        let token = UserToken { exp, user: TokenUser::Text(user.id.clone()), info, room: None };
        super::token::check(Some(&token.user), token.info.as_deref())?;
        if !is_in_seconds(exp, now_s) {
            return Err(TokenError::ExpNotSeconds);
        }
        Ok(sign(&token, &self.0))
    }

    /// The same token, signed with the key that signs now, and for how long it is still valid; `None` if no other accepted key
    /// has signed it.
    pub(crate) fn renewed(&self, text: &str, now_s: u64) -> Option<(String, Duration)> {
        let token: UserToken = decode(signed_payload(text, &self.0.others()?).ok()?).ok()?;
        let valid = check_expiry(token.exp, now_s).is_ok() && token.room.is_none();
        valid.then(|| (sign(&token, &self.0), Duration::from_secs(token.exp - now_s)))
    }

    /// The user of a token that this site signed and that has not expired.
    pub(crate) fn open(&self, text: &str, now_s: u64) -> Option<SignedUser> {
        let token: UserToken = decode(signed_payload(text, &self.0).ok()?).ok()?;
        super::token::check(Some(&token.user), token.info.as_deref()).ok()?;
        let valid = check_expiry(token.exp, now_s).is_ok() && token.room.is_none();
        valid.then(|| SignedUser { id: token.user.text(), info: token.info.map(|info| info.get().to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::RotatingKeys;

    #[test]
    fn a_token_of_a_secret_that_will_be_dropped_is_signed_again_and_ends_when_it_would_have() {
        let both = UserTokens(TextKeys::of(&RotatingKeys { signing: [2; 32], accepted: vec![[2; 32], [1; 32]] }));
        let ali = SignedUser::new("ali").with_info(r#"{"name":"Ali"}"#);
        let old = tokens(1).sign(&ali, 100, Duration::from_secs(60)).unwrap();
        let (renewed, lasts) = both.renewed(&old, 130).unwrap();
        assert_eq!((tokens(2).open(&renewed, 130), lasts), (Some(ali), Duration::from_secs(30)));
        assert_eq!(tokens(2).open(&renewed, 160), None);
        assert_eq!(both.renewed(&renewed, 130), None, "it is new already");
        assert_eq!(both.renewed(&old, 161), None, "it has expired");
        assert_eq!(
            both.renewed(&tokens(3).sign(&SignedUser::new("eve"), 100, Duration::from_secs(60)).unwrap(), 130),
            None
        );
        assert_eq!(tokens(1).renewed(&old, 130), None, "the secret is not being changed");
    }

    fn tokens(byte: u8) -> UserTokens {
        UserTokens(TextKeys::of(&RotatingKeys { signing: [byte; 32], accepted: vec![[byte; 32]] }))
    }

    #[test]
    fn a_token_signs_its_user_in_until_it_expires_and_on_its_own_site() {
        let ann = SignedUser::new("42").with_info(r#"{"name":"Ann"}"#);
        let token = tokens(1).sign(&ann, 1_000, Duration::from_secs(60)).unwrap();
        assert_eq!(tokens(1).open(&token, 1_059), Some(ann));
        assert_eq!(tokens(1).open(&token, 1_060), None);
        assert_eq!(tokens(2).open(&token, 1_000), None);
        assert_eq!(tokens(1).open(&token[1..], 1_000), None);
    }

    #[test]
    fn a_token_for_a_room_signs_no_one_in_and_a_number_is_an_id() {
        let signed = |json: &str| sign(&RawValue::from_string(json.to_owned()).unwrap(), &tokens(1).0);
        assert_eq!(tokens(1).open(&signed(r#"{"user":42,"exp":9}"#), 1), Some(SignedUser::new("42")));
        let milliseconds = r#"{"user":42,"exp":1800000000000}"#;
        for wrong in [r#"{"user":42,"exp":9,"room":"a"}"#, r#"{"exp":9}"#, r#"{"user":"","exp":9}"#, "[]", milliseconds]
        {
            assert_eq!(tokens(1).open(&signed(wrong), 1), None, "{wrong}");
        }
    }

    #[test]
    fn what_could_never_be_read_again_is_not_signed() {
        let sign = |user: SignedUser| tokens(1).sign(&user, 0, Duration::from_secs(60)).unwrap_err();
        let for_ever = tokens(1).sign(&SignedUser::new("7"), 0, Duration::MAX);
        assert_eq!(for_ever, Err(TokenError::ExpNotSeconds));
        assert_eq!(sign(SignedUser::new("")), TokenError::UserLength);
        assert_eq!(sign(SignedUser::new("7").with_info("{")), TokenError::InfoNotJson);
        assert_eq!(sign(SignedUser::new("7").with_info(format!("\"{}\"", "x".repeat(1_023)))), TokenError::InfoLength);
    }
}
