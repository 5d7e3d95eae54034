//! Which node this one is.

use crate::app::region::Place;
use crate::id::{Digest, NodeHash, NodeName, Region};
use crate::io::node_key::NodeKey;
use crate::presence::row::TableKey;
use crate::time::Incarnation;
use crate::wire::SenderId;

/// This node's name and where it runs, with the start that it is.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) name: NodeName,
    pub(crate) hash: NodeHash,
    /// Greater than at any start before.
    pub(crate) incarnation: Incarnation,
    /// A random number drawn at this start: two nodes with one name differ in it.
    pub(crate) birth: u64,
    pub(crate) region: Region,
    pub(crate) place: Place,
    /// Whether there is a mesh at all.
    pub(crate) meshed: bool,
    pub(crate) digest: Digest,
    pub(crate) key: Option<NodeKey>,
}

impl Identity {
    /// The table that this node writes.
    pub(crate) fn table(&self) -> TableKey {
        TableKey { node: self.hash, incarnation: self.incarnation }
    }

    /// What names this node in its messages.
    pub(crate) fn sender(&self) -> SenderId {
        SenderId { name: self.name.clone(), incarnation: self.incarnation, birth: self.birth }
    }

    /// The table of the node that sent a message.
    pub(crate) fn table_of(&self, sender: &SenderId) -> TableKey {
        TableKey { node: NodeHash::of(&sender.name, self.digest), incarnation: sender.incarnation }
    }
}
