//! Signatures of the Standard Webhooks specification.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::config::webhook_keys;
use crate::signing::sign;

/// The keys that sign messages: one, or two during a rotation.
#[derive(Clone)]
pub(crate) struct SigningKeys(Vec<Vec<u8>>);

impl SigningKeys {
    /// The keys of `GP_WEBHOOK_SECRET`.
    pub(crate) fn read(secret: &str) -> Result<Self, String> {
        webhook_keys(secret).map(Self)
    }

    /// The header `webhook-signature`: one signature for each key.
    pub(super) fn signature(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let content = [format!("{id}.{timestamp_s}.").as_bytes(), body].concat();
        let signatures = self.0.iter().map(|key| format!("v1,{}", STANDARD.encode(sign(key, &content))));
        signatures.collect::<Vec<_>>().join(" ")
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
    fn during_a_rotation_both_keys_sign() {
        let both = signature(&format!("whsec_c2VjcmV0LW9mLWEtcm90YXRlZC1lbmRwb2ludA== {SECRET}"));
        let (first, second) = both.split_once(' ').unwrap();
        assert!(first.starts_with("v1,") && first != SIGNATURE && second == SIGNATURE, "{both}");
    }

    #[test]
    fn an_invalid_secret_is_refused_with_what_to_write() {
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for wrong in ["", " ", "secret", "whsec_", "whsec_c2hvcnQ=", "whsec_!", &SECRET[6..], &long] {
            assert!(SigningKeys::read(wrong).is_err_and(|mistake| mistake.contains("openssl")), "{wrong}");
        }
    }
}
