//! The key that signs what others relay for a node.

use std::fmt;
use std::sync::Arc;

/// Makes the signature of a message.
pub type Sign = Arc<dyn Fn(&[u8]) -> [u8; 64] + Send + Sync>;

/// Whether this public key's owner made that signature of the message.
pub type Verify = fn(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool;

/// A node's key: the same at each start. It is handed in from outside, like the digest: core has no dependency that could
/// compute signatures.
#[derive(Clone)]
pub struct NodeKey {
    /// Goes with every signature.
    pub public: [u8; 32],
    /// Signs in this node's name.
    pub sign: Sign,
    /// Checks what others have signed.
    pub verify: Verify,
}

impl fmt::Debug for NodeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeKey").finish_non_exhaustive()
    }
}
