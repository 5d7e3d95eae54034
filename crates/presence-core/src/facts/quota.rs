//! How many facts are taken over one link: whatever name they are in, who sends them has one certificate.

use crate::facts::Facts;
use crate::id::NodeHash;
use crate::outputs::Outputs;
use crate::presence::row::TableKey;
use crate::time::{Mono, NodeClock};
use crate::wire::Bundle;

/// Most facts, and bytes of them, that are taken over one link in a second: what is over heals by comparing.
const FACTS_PER_SECOND: usize = 5_000;
const FACT_BYTES_PER_SECOND: usize = 8 * 1024 * 1024;

/// What came over one link in one second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LinkQuota {
    pub(super) second: u64,
    facts: usize,
    bytes: usize,
}

impl Facts {
    /// Takes the facts of a message that came over the link of a node, whoever wrote them. Returns whether they were few
    /// enough. `own` is this start of this node.
    pub(crate) fn take_all(
        &mut self,
        own: TableKey,
        from: NodeHash,
        bundle: &Bundle,
        clock: NodeClock,
        now: Mono,
        out: &mut Outputs,
    ) -> bool {
        let quota = self.quotas.entry(from).or_default();
        if quota.second != now.second() {
            *quota = LinkQuota { second: now.second(), ..LinkQuota::default() };
        }
        let bytes = bundle.facts.iter().map(|fact| fact.len()).sum::<usize>();
        (quota.facts, quota.bytes) = (quota.facts + bundle.facts.len(), quota.bytes + bytes);
        // All of a message or nothing: the facts of one click belong together.
        if quota.facts > FACTS_PER_SECOND || quota.bytes > FACT_BYTES_PER_SECOND {
            return false;
        }
        for bytes in &bundle.facts {
            if !self.keeps_later_value(own, bytes, clock, out) {
                self.take(bytes, clock, out);
            }
        }
        true
    }
}
