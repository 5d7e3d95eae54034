//! Signatures as the Standard Webhooks specification has them; without them anybody could tell a receiver anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::config::webhook_keys;

/// The keys that messages are signed with: one, or two while the secret is being changed.
#[derive(Clone)]
pub(crate) struct SigningKeys(Vec<Vec<u8>>);

impl SigningKeys {
    /// The keys of `whsec_…`, or of several of them with spaces in between.
    ///
    /// # Errors
    ///
    /// One sentence that says what to write instead.
    pub(crate) fn read(secret: &str) -> Result<Self, String> {
        webhook_keys(secret).map(Self)
    }

    /// The header `webhook-signature`: one signature for each key.
    pub(super) fn signature(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let signed = |key: &Vec<u8>| {
            let mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
            let mac = mac.chain_update(format!("{id}.{timestamp_s}.")).chain_update(body);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        };
        self.0.iter().map(signed).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The specification's own example, as its libraries test it.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signature(secret: &str) -> String {
        let keys = SigningKeys::read(secret).unwrap();
        keys.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#)
    }

    #[test]
    fn the_specifications_example_is_signed_as_it_says() {
        assert_eq!(signature(SECRET), SIGNATURE);
    }

    #[test]
    fn while_the_secret_is_changed_both_sign() {
        let both = signature(&format!("whsec_c2VjcmV0LW9mLWEtcm90YXRlZC1lbmRwb2ludA== {SECRET}"));
        let (first, second) = both.split_once(' ').unwrap();
        assert!(first.starts_with("v1,") && first != SIGNATURE && second == SIGNATURE, "{both}");
    }

    #[test]
    fn a_secret_that_is_none_is_refused_with_what_to_write() {
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for wrong in ["", " ", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_!", &SECRET[6..], &long] {
            assert!(SigningKeys::read(wrong).is_err_and(|mistake| mistake.contains("openssl")), "{wrong}");
        }
    }
}
