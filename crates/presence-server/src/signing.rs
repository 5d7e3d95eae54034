//! HMAC-SHA-256: signatures and names that only this server's secret can have made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secret::RotatingKeys;

/// The longest signed name: 1,024 bytes, each escaped in JSON, in Base64.
const SIGNED_NAME_BYTES_MAX: usize = 9_216;

fn mac(key: &[u8], bytes: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length").chain_update(bytes)
}

/// The signature of these bytes.
pub(crate) fn sign(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    mac(key, bytes).finalize().into_bytes().into()
}

/// Whether one of the keys made this signature. The time it takes does not depend on where a signature differs.
pub(crate) fn verify<K: AsRef<[u8]>>(keys: &[K], bytes: &[u8], signature: &[u8]) -> bool {
    keys.iter().any(|key| mac(key.as_ref(), bytes).verify_slice(signature).is_ok())
}

/// A name as Rails signs stream names: JSON in Base64, `--`, the signature in hexadecimal digits.
pub(crate) fn sign_name(key: &[u8], name: &str) -> String {
    let json = serde_json::to_string(name).expect("text is always JSON");
    let encoded = STANDARD.encode(json);
    let signature = HEXLOWER.encode(&sign(key, encoded.as_bytes()));
    format!("{encoded}--{signature}")
}

/// The name in a signed name; `None` if none of the keys signed it.
pub(crate) fn open_name<K: AsRef<[u8]>>(keys: &[K], signed_name: &str) -> Option<String> {
    if signed_name.len() > SIGNED_NAME_BYTES_MAX {
        return None;
    }
    let (encoded, signature) = signed_name.rsplit_once("--")?;
    let signature = HEXLOWER_PERMISSIVE.decode(signature.as_bytes()).ok()?;
    if !verify(keys, encoded.as_bytes(), &signature) {
        return None;
    }
    serde_json::from_slice(&STANDARD.decode(encoded).ok()?).ok()
}

/// Keys that are handed out. Others sign with the text of a key, its hexadecimal digits, without decoding it.
#[derive(Clone)]
pub(crate) struct TextKeys(Vec<String>);

impl TextKeys {
    pub(crate) fn of(keys: &RotatingKeys) -> Self {
        Self(keys.accepted.iter().map(|key| HEXLOWER.encode(key)).collect())
    }

    /// All keys whose signatures are accepted; the first one signs.
    pub(crate) fn accepted(&self) -> &[String] {
        &self.0
    }

    pub(crate) fn signing(&self) -> &str {
        &self.0[0]
    }

    /// The keys that are accepted and sign nothing, during a rotation.
    pub(crate) fn others(&self) -> Option<Self> {
        (self.0.len() > 1).then(|| Self(self.0[1..].to_vec()))
    }

    /// The signature in hexadecimal digits.
    pub(crate) fn sign(&self, bytes: &[u8]) -> String {
        HEXLOWER.encode(&sign(self.signing().as_bytes(), bytes))
    }

    /// Whether this is a signature, in hexadecimal digits, with one of the keys.
    pub(crate) fn verify(&self, bytes: &[u8], signature: &str) -> bool {
        let signature = HEXLOWER_PERMISSIVE.decode(signature.as_bytes());
        signature.is_ok_and(|signature| verify(&self.0, bytes, &signature))
    }
}
