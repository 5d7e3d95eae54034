//! The key that signs what other nodes relay for this one: without it a relay could say anything in another's name.

use std::sync::Arc;

use presence_core::NodeKey;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

use super::{Authority, read_pem};
use crate::signing;

impl Authority {
    /// The key of the node of that name: the same at each start, made from what its certificate is made of. Fails if a file
    /// can't be read.
    pub fn node_key(&self, name: &str) -> anyhow::Result<NodeKey> {
        let purpose = format!("global-presence 1 node key {name}");
        let seed = match self {
            Self::Secret { signing, .. } => signing::sign(signing, purpose.as_bytes()),
            Self::Files { key, .. } => {
                signing::sign(read_pem(key, "--mesh-key", "PRIVATE KEY")?.as_bytes(), purpose.as_bytes())
            }
        };
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).expect("any 32 bytes are a seed");
        let public = pair.public_key().as_ref().try_into().expect("a public key of Ed25519 has 32 bytes");
        let sign = move |message: &[u8]| pair.sign(message).as_ref().try_into().expect("a signature has 64 bytes");
        Ok(NodeKey { public, sign: Arc::new(sign), verify })
    }
}

fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    UnparsedPublicKey::new(&ED25519, public).verify(message, signature).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_s_key_is_the_same_at_each_start_and_no_other_node_s() {
        let key = |name: &str, secret: u8| {
            Authority::Secret { signing: [secret; 32], accepted: None }.node_key(name).unwrap()
        };
        let (first, again) = (key("a", 1), key("a", 1));
        assert_eq!(first.public, again.public);
        assert_ne!(first.public, key("b", 1).public);
        assert_ne!(first.public, key("a", 2).public);
        let signature = (first.sign)(b"alive");
        assert!((again.verify)(&first.public, b"alive", &signature));
        assert!(!(again.verify)(&first.public, b"gone", &signature));
        assert!(!(again.verify)(&key("b", 1).public, b"alive", &signature));
    }
}
