//! A message's signature: what one node relays for another can't be invented. It follows the body, where a node that knows
//! no signatures reads no further.

use minicbor::{Decode, Decoder, Encode};

use crate::io::node_key::NodeKey;
use crate::wire::MAGIC;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Signature {
    #[cbor(n(0), with = "minicbor::bytes")]
    pub(crate) public: [u8; 32],
    #[cbor(n(1), with = "minicbor::bytes")]
    signature: [u8; 64],
}

impl Signature {
    /// Whether it is that of this message.
    pub(crate) fn is_of(&self, message: &[u8], key: &NodeKey) -> bool {
        (key.verify)(&self.public, message, &self.signature)
    }
}

/// Puts the signature of a message behind it.
pub(crate) fn sign(message: &mut Vec<u8>, key: &NodeKey) {
    let signature = Signature { public: key.public, signature: (key.sign)(message) };
    minicbor::encode(signature, message).expect("writing to memory can't fail");
}

/// The signed part of a message, and its signature.
pub(crate) fn signature(message: &[u8]) -> Option<(&[u8], Signature)> {
    let before = MAGIC.len() + 1;
    let mut decoder = Decoder::new(message.get(before..)?);
    // The sender and the body.
    decoder.skip().ok()?;
    decoder.skip().ok()?;
    let signed = &message[..before + decoder.position()];
    Some((signed, decoder.decode().ok()?))
}
