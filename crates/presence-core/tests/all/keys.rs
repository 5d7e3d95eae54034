//! Keys of nodes, without any cryptography.

use std::sync::Arc;

use presence_core::NodeKey;

use crate::digest::sha256;

/// A key as good as a test needs: who knows the public one can sign, too.
pub(crate) fn node_key(name: &str) -> NodeKey {
    let public = sha256(name.as_bytes());
    NodeKey {
        public,
        sign: Arc::new(move |message| signed(&public, message)),
        verify: |public, message, signature| signed(public, message) == *signature,
    }
}

fn signed(public: &[u8; 32], message: &[u8]) -> [u8; 64] {
    let half = sha256(&[public, message].concat());
    [half, half].concat().try_into().expect("two halves of 32 bytes")
}
