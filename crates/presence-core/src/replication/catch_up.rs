//! Whether a node that has started knows enough: first to be sure of its numbers, then to report joins and leaves. Before
//! that, users of other nodes are missing, and one whose row arrives late would seem to have joined just now.

use crate::id::NodeHash;
use crate::membership::Membership;
use crate::replication::Replication;
use crate::time::Mono;

/// A node has caught up once nothing was missing for this long: meanwhile every other node has said in a heartbeat what it
/// holds of nodes that left or were killed, such as this node before its restart.
const COMPLETE_MS: u64 = 1_500;
/// A node is sure of its numbers at the latest after this: it can't wait for a network that is cut.
const SURE_MS: u64 = 3_000;
/// A node that hears no other has caught up after this.
const ALONE_MS: u64 = 5_000;
/// Any node has caught up after this, even if something is still missing: the others may be unable to hear it.
const LONGEST_MS: u64 = 15_000;

/// How far a node that has started has caught up with the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatchUp {
    /// Its numbers can be trusted: it has exchanged rows with every node that it hears, or has waited long enough.
    pub(crate) sure: bool,
    /// It knows what the others know, and they know of this start: it may report joins and leaves.
    pub(crate) complete: bool,
    complete_since: Option<Mono>,
}

impl CatchUp {
    pub(crate) fn new(meshed: bool) -> Self {
        Self { sure: !meshed, complete: !meshed, complete_since: None }
    }

    /// Checks again. Returns whether the node has become sure.
    pub(crate) fn review(
        &mut self,
        me: NodeHash,
        membership: &Membership,
        replication: &Replication,
        age_ms: u64,
        now: Mono,
    ) -> bool {
        let before = self.sure;
        let nothing_missing = membership.is_known_to_all(me) && replication.knows_all(membership);
        self.sure |= nothing_missing || age_ms >= SURE_MS;
        self.complete_since = self.complete_since.or(Some(now)).filter(|_| nothing_missing);
        let long = self.complete_since.is_some_and(|since| now.since(since) >= COMPLETE_MS);
        let alone = membership.peers().next().is_none() && age_ms >= ALONE_MS;
        self.complete |= long || alone || age_ms >= LONGEST_MS;
        before != self.sure
    }
}
