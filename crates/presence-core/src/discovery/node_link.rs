//! A link to another node: how long it has lasted, and whether its node has shown that it is the one of that name.

use crate::discovery::Discovery;
use crate::id::{LinkId, NodeHash};
use crate::identity::Identity;
use crate::membership::Membership;
use crate::time::{Incarnation, Mono};

/// A link that ends sooner counts as a dial that failed, so that one which breaks at once is no busy loop.
const LASTED_MS: u64 = 1_000;
/// Hello is said over a link at most this often.
pub const HELLO_MS: u64 = 10_000;
/// And over one of all links this often, in turn: in a large mesh, not every node is asked every 10 s.
pub const HELLO_TURN_MS: u64 = 1_250;
const HELLO_UNHEARD_MS: u64 = 1_000;

#[derive(Debug)]
pub(super) struct NodeLink {
    pub(super) address: String,
    /// The node at its other end, as its certificate names it.
    pub(super) node: NodeHash,
    pub(super) incarnation: Incarnation,
    /// Something that came over it was signed with that node's key.
    proven: bool,
    pub(super) opened_at: Mono,
    pub(super) heard_at: Mono,
    pub(super) hello_at: Option<Mono>,
}

impl NodeLink {
    pub(super) fn new(address: String, node: NodeHash, now: Mono) -> Self {
        let incarnation = Incarnation::NONE;
        Self { address, node, incarnation, proven: false, opened_at: now, heard_at: now, hello_at: None }
    }

    pub(super) fn lasted(&self, now: Mono) -> bool {
        now.since(self.opened_at) >= LASTED_MS
    }

    /// Whether the two nodes do not hear each other, and hello was not said for a while.
    pub(super) fn hello_is_due(&self, me: &Identity, membership: &Membership, now: Mono) -> bool {
        let Some(hello_at) = self.hello_at else { return true };
        let unheard = membership.peer(self.node).is_none_or(|peer| !peer.hears(me.hash) || !peer.heard_directly(now));
        unheard && now.since(hello_at) >= HELLO_UNHEARD_MS
    }
}

impl Discovery {
    /// Whether the node at the other end of a link has shown that it has the key of its name.
    pub(crate) fn is_proven(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| link.proven)
    }

    pub(crate) fn prove(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.proven = true;
        }
    }
}
