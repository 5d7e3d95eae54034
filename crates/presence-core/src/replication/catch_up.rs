//! What a node has to learn after its start before it is sure of its numbers, and before it may tell what changes: until then
//! users of other nodes are not there yet, and who only becomes known here has not joined.

use crate::id::NodeHash;
use crate::membership::Membership;
use crate::replication::Replication;
use crate::time::Mono;

/// Nothing was missing for this long: every other node has said in a heartbeat what it holds of nodes that left or were
/// killed, this node's last start among them.
const COMPLETE_MS: u64 = 1_500;
/// A node is sure of its numbers after this, whatever it has heard: it can't wait for a network that is cut.
const SURE_MS: u64 = 3_000;
/// A node that hears no other goes on alone after this.
const ALONE_MS: u64 = 5_000;
/// It goes on after this, even if something is missing still: the others may not be able to hear it.
const LONGEST_MS: u64 = 15_000;

/// How much of what the others know a node that has started knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatchUp {
    /// It had a first exchange with every node that it hears, or hears none.
    pub(crate) sure: bool,
    /// It knows all that the others do, and they know of this start.
    pub(crate) complete: bool,
    complete_since: Option<Mono>,
}

impl CatchUp {
    pub(crate) fn new(meshed: bool) -> Self {
        Self { sure: !meshed, complete: !meshed, complete_since: None }
    }

    /// Looks again. Returns whether the node has become sure.
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
