//! How many facts are taken over one link: whatever name they are in, who sends them has one certificate.

use crate::facts::Facts;
use crate::id::NodeHash;
use crate::outputs::Outputs;
use crate::time::{Mono, NodeClock};
use crate::wire::Bundle;

/// Most facts, and bytes of them, that are taken over one link in a second: what is over heals by comparing.
const FACTS_PER_SECOND: u32 = 5_000;
const FACT_BYTES_PER_SECOND: usize = 8 * 1024 * 1024;

/// What came over one link in one second.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LinkQuota {
    pub(super) second: u64,
    facts: u32,
    bytes: usize,
}

impl Facts {
    /// Takes facts that came over the link of a node, whoever wrote them. Returns whether they were few enough.
    pub(crate) fn take_all(
        &mut self,
        from: NodeHash,
        bundle: &Bundle,
        clock: NodeClock,
        now: Mono,
        out: &mut Outputs,
    ) -> bool {
        for bytes in &bundle.facts {
            let quota = self.quotas.entry(from).or_default();
            if quota.second != now.second() {
                *quota = LinkQuota { second: now.second(), ..LinkQuota::default() };
            }
            (quota.facts, quota.bytes) = (quota.facts + 1, quota.bytes + bytes.len());
            if quota.facts > FACTS_PER_SECOND || quota.bytes > FACT_BYTES_PER_SECOND {
                return false;
            }
            self.take(bytes, clock, out);
        }
        true
    }
}
