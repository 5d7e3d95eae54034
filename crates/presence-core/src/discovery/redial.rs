//! How soon an address is dialled again, by what is known of its node.

use std::collections::BTreeSet;

use crate::discovery::Discovery;
use crate::id::NodeHash;
use crate::io::mesh_view::PeerState;
use crate::membership::Membership;
use crate::outputs::Outputs;
use crate::time::Mono;

/// Configured addresses are tried again at least this often.
const RETRY_CONFIGURED_MS: u64 = 5_000;
/// Where a node was heard in the last minute, or where none is heard at all, it is tried again at least this often.
const RETRY_LATELY_MS: u64 = 500;
/// Addresses that we were told are tried again at least this often.
const RETRY_TOLD_MS: u64 = 60_000;

impl Discovery {
    /// Dials every address that is due and whose node no link reaches.
    pub(super) fn dial_due(&mut self, now: Mono, out: &mut Outputs) {
        let reached = self.reached();
        self.book.dial_due(reached, now, out);
    }

    fn reached(&self) -> BTreeSet<NodeHash> {
        self.links.values().map(|link| link.node).collect()
    }

    /// The addresses of live nodes that are heard only through others are due soon. While such a node was away, the waits between
    /// the dials of it may have become long.
    pub(super) fn seek_live(&mut self, membership: &Membership, now: Mono) {
        let reached = self.reached();
        let live = membership.peers().filter(|(_, peer)| peer.state == PeerState::Live).map(|(node, _)| node);
        let sought: BTreeSet<NodeHash> = live.filter(|node| !reached.contains(node)).collect();
        if !sought.is_empty() {
            self.book.due_by(&sought, now + RETRY_LATELY_MS);
        }
    }

    /// How long an address is left alone at the most: a node that was there lately is looked for more often.
    pub(super) fn longest_wait_ms(&self, address: &str, membership: &Membership) -> u64 {
        let Some(entry) = self.book.get(address) else { return RETRY_TOLD_MS };
        match entry.node.and_then(|node| membership.peer(node)).map(|peer| peer.state) {
            Some(PeerState::Live | PeerState::Silent) => RETRY_LATELY_MS,
            _ if entry.configured && membership.is_alone() => RETRY_LATELY_MS,
            Some(PeerState::Gone) => RETRY_CONFIGURED_MS,
            _ if entry.configured => RETRY_CONFIGURED_MS,
            _ => RETRY_TOLD_MS,
        }
    }
}
