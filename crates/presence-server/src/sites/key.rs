//! A site's keys: it signs with the text that `global-presence key` printed; here they are made anew from the secret.

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secret::Keys;

/// The keys of one site, as texts: what is printed is what is signed with, so that no language has to decode it.
pub(super) struct SiteKeys {
    signing: String,
    accepted: Vec<String>,
}

impl SiteKeys {
    pub(super) fn of(keys: &Keys) -> Self {
        Self {
            signing: HEXLOWER.encode(&keys.signing),
            accepted: keys.accepted.iter().map(|key| HEXLOWER.encode(key)).collect(),
        }
    }

    /// The last of those that are accepted: the one that stays when a change of secrets is over.
    pub(super) fn newest(&self) -> &str {
        self.accepted.last().unwrap_or(&self.signing)
    }

    /// The signature in hexadecimal digits.
    pub(super) fn sign(&self, bytes: &[u8]) -> String {
        HEXLOWER.encode(&keyed(&self.signing).chain_update(bytes).finalize().into_bytes())
    }

    /// Whether that is a signature with one of the keys; it takes equally long whatever differs.
    pub(super) fn signed(&self, bytes: &[u8], tag: &str) -> bool {
        let Ok(tag) = HEXLOWER_PERMISSIVE.decode(tag.as_bytes()) else { return false };
        self.accepted.iter().any(|key| keyed(key).chain_update(bytes).verify_slice(&tag).is_ok())
    }
}

fn keyed(key: &str) -> Hmac<Sha256> {
    Hmac::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length")
}
