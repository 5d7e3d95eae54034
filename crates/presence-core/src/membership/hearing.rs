//! Which nodes hear which. A heartbeat names the nodes that its sender hears directly or, in a large mesh, those that it does not hear.
//!
//! "All that I know, except these" says the same to two nodes only if they know the same nodes. So in a large mesh each
//! heartbeat has the number and a sum of all known nodes, and while a live node's sum is another one, the heard ones are named.

use crate::id::NodeHash;
use crate::io::mesh_view::PeerState;
use crate::membership::Membership;
use crate::membership::peer::{LEASE_MS, Peer, heartbeat_every_ms};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Mono;
use crate::wire::{Heartbeat, KnownNodes};

/// While a live node does not hear this one: what can be heard again is heard this soon.
const HEARTBEAT_UNHEARD_MS: u64 = 400;

/// A node that knows at most this many others names those that it hears.
#[derive(Clone, Copy, Debug)]
pub(super) struct NamedMax(usize);

impl Default for NamedMax {
    fn default() -> Self {
        Self(32)
    }
}

/// The nodes that a heartbeat's sender hears directly, as it says so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Hearing {
    Named(Vec<NodeHash>),
    /// All known ones except these.
    AllBut(Vec<NodeHash>),
}

/// The nodes that a peer hears directly, as far as it is understood.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct HeardNodes {
    /// In order.
    nodes: Vec<NodeHash>,
    /// The other nodes that are known here and that it does not hear, in order: few, so they are what is looked through.
    missing: Vec<NodeHash>,
    /// The peer knows nodes that this node does not, or the other way round: what it hears may have changed since.
    outdated: bool,
}

impl HeardNodes {
    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = NodeHash> {
        self.nodes.iter().copied()
    }

    fn includes(&self, node: NodeHash) -> bool {
        self.nodes.binary_search(&node).is_ok()
    }

    /// The nodes known here that it does not hear.
    pub(super) fn missing(&self) -> &[NodeHash] {
        &self.missing
    }

    /// A node is known from now on.
    fn met(&mut self, node: NodeHash) {
        if let (false, Err(place)) = (self.includes(node), self.missing.binary_search(&node)) {
            self.missing.insert(place, node);
        }
    }
}

impl KnownNodes {
    fn of(nodes: &[NodeHash]) -> Self {
        Self { count: nodes.len() as u64, sum: nodes.iter().fold(0, |sum: u64, node| sum.wrapping_add(node.0)) }
    }
}

impl Heartbeat {
    fn hearing(&self) -> Hearing {
        let in_order = |nodes: &Vec<NodeHash>| {
            let mut nodes = nodes.clone();
            // A node writes them in order, and each once.
            nodes.sort_unstable();
            nodes.dedup();
            nodes
        };
        self.unheard
            .as_ref()
            .map_or_else(|| Hearing::Named(in_order(&self.hears)), |unheard| Hearing::AllBut(in_order(unheard)))
    }
}

impl Peer {
    /// Whether its last heartbeat says that it hears that node directly.
    pub(crate) fn hears(&self, node: NodeHash) -> bool {
        self.heard_nodes.includes(node)
    }

    /// Whether it was heard within the lease, directly or not, and has not left.
    fn is_known(&self, now: Mono) -> bool {
        self.state != PeerState::Departed && now.since(self.heard_at) < LEASE_MS
    }
}

impl Membership {
    /// Lets heartbeats name those that are heard up to this many known others.
    pub(crate) fn set_named_max(&mut self, most: usize) {
        self.named_max = NamedMax(most);
    }

    /// The nodes that this node heard directly in the last 1.5 s, in order.
    pub(super) fn hears(&self, now: Mono) -> Vec<NodeHash> {
        let heard = self.peers.iter().filter(|(_, peer)| peer.heard_directly(now) && peer.state != PeerState::Departed);
        heard.map(|(hash, _)| *hash).collect()
    }

    /// The nodes that are there as far as this node knows, itself included, in order.
    fn known_nodes(&self, me: NodeHash, now: Mono) -> Vec<NodeHash> {
        let known = self.peers.iter().filter(|(_, peer)| peer.is_known(now)).map(|(hash, _)| *hash);
        let mut nodes: Vec<NodeHash> = known.collect();
        nodes.insert(nodes.partition_point(|node| *node < me), me);
        nodes
    }

    /// What the next heartbeat says of the nodes that this node hears, and what it says of those that it knows.
    pub(super) fn own_hearing(&self, me: NodeHash, hears: &[NodeHash], now: Mono) -> (Hearing, Option<KnownNodes>) {
        let nodes = self.known_nodes(me, now);
        if nodes.len() - 1 <= self.named_max.0 {
            return (Hearing::Named(hears.to_vec()), None);
        }
        let known = KnownNodes::of(&nodes);
        let mut live = self.peers.values().filter(|peer| peer.state == PeerState::Live);
        let agreed = live.all(|peer| peer.beat.known == Some(known)) || injected(Fault::UnknownIsHeard);
        let unheard = nodes.len() - 1 - hears.len();
        if !agreed || unheard > hears.len() {
            return (Hearing::Named(hears.to_vec()), Some(known));
        }
        (Hearing::AllBut(except(&nodes, hears, me)), Some(known))
    }

    /// A peer's newest heartbeat says which nodes it hears.
    pub(super) fn note_heard_nodes(&mut self, me: NodeHash, hash: NodeHash, now: Mono) {
        let Some(beat) = self.peers.get(&hash).map(|peer| &peer.beat) else { return };
        let (nodes, outdated) = match beat.hearing() {
            Hearing::Named(nodes) => (nodes, false),
            Hearing::AllBut(unheard) => {
                let nodes = self.known_nodes(me, now);
                if beat.known == Some(KnownNodes::of(&nodes)) || injected(Fault::UnknownIsHeard) {
                    (except(&nodes, &unheard, hash), false)
                } else {
                    // It names them as soon as it has heard that this node knows others.
                    let before = &self.peers[&hash].heard_nodes.nodes;
                    (except(before, &unheard, hash), true)
                }
            }
        };
        let others: Vec<NodeHash> = self.peers.keys().copied().collect();
        let missing = except(&others, &nodes, hash);
        if let Some(peer) = self.peers.get_mut(&hash) {
            peer.heard_nodes = HeardNodes { nodes, missing, outdated };
        }
    }

    /// A node is known from now on.
    pub(super) fn note_met(&mut self, node: NodeHash) {
        self.peers.iter_mut().filter(|(hash, _)| **hash != node).for_each(|(_, peer)| peer.heard_nodes.met(node));
    }

    /// How far apart this node's heartbeats are: less while a live node says that it does not hear this one.
    pub(super) fn own_heartbeat_every_ms(&self, me: NodeHash, known: Option<KnownNodes>) -> u64 {
        let mut live = self.peers.values().filter(|peer| peer.state == PeerState::Live && !peer.beat_bytes.is_empty());
        if live.all(|peer| peer.hears(me)) { heartbeat_every_ms(known) } else { HEARTBEAT_UNHEARD_MS }
    }

    /// Whether there are live nodes, each has heard this start, and none hears a node that is not known here.
    pub(crate) fn is_known_to_all(&self, me: NodeHash) -> bool {
        let mut live = self.peers.values().filter(|peer| peer.state == PeerState::Live).peekable();
        let known = |node: NodeHash| node == me || self.peers.contains_key(&node);
        live.peek().is_some()
            && live.all(|peer| peer.echoed && !peer.heard_nodes.outdated && peer.heard_nodes.iter().all(known))
    }
}

/// The nodes without those, and without that one; both in order.
fn except(nodes: &[NodeHash], those: &[NodeHash], that: NodeHash) -> Vec<NodeHash> {
    let mut those = those.iter().peekable();
    let is_left = |node: &&NodeHash| {
        while those.next_if(|next| next < node).is_some() {}
        those.peek() != Some(node) && **node != that
    };
    nodes.iter().filter(is_left).copied().collect()
}
