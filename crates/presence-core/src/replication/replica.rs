//! How completely another node's table is known here.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::NodeHash;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Mono;

/// A whole table of one node is asked for at most this often.
const WHOLE_TABLE_MS: u64 = 10_000;
/// A heartbeat is overtaken by what was said after it for less than this.
const BEYOND_MS: u64 = 5_000;
/// A relay whose rows were denied is asked for that table again after this.
const DENIED_MS: u64 = 60_000;
/// A gap this old is no passing one.
const LONG_GAP_MS: u64 = 5_000;
/// Most stretches that are remembered above a gap.
const RECEIVED_AHEAD_MAX: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Replica {
    /// The number up to which nothing is missed.
    pub(super) contiguous_upto: u64,
    /// A repair was completed once.
    pub(super) known: bool,
    /// Stretches (after, upto] that were received above it.
    received_ahead: Vec<(u64, u64)>,
    /// The greatest number that was heard of.
    target: u64,
    /// Its node has left and this was its last number.
    pub(super) ends: Option<u64>,
    gap_since: Option<Mono>,
    /// Since when its node announces lower numbers than were known here then.
    beyond_since: Option<(Mono, u64)>,
    pub(super) repair: Option<Repair>,
    /// When a whole table was answered last.
    pub(super) whole_table_at: Option<Mono>,
    /// A request that came to nothing is not repeated before this.
    pub(super) not_before: Mono,
    pub(super) faulted_at: Option<Mono>,
    /// The greatest number that its node has said itself.
    pub(super) announced: u64,
    /// The relay that rows came from, until its node has confirmed them.
    pub(super) relayed_by: Option<NodeHash>,
    /// The relay whose rows its node has denied, and when.
    denied: Option<(NodeHash, Mono)>,
    /// The node whose answer was lost last.
    pub(super) unanswered: Option<NodeHash>,
    /// Nodes that have shown other rows of it since they were last asked.
    pub(super) differs: BTreeSet<NodeHash>,
}

/// Which node answers a request for a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RepairSource {
    /// The table's own node; any node, if that one has left.
    Believed,
    /// A relay. It must know what the table's node had said when the relay was asked: an answer up to a lower number could
    /// never be compared with what that node says of its rows.
    Relay { announced: u64 },
}

impl RepairSource {
    /// Whether an answer up to this number can be right.
    pub(super) fn may_know(self, upto: u64) -> bool {
        match self {
            Self::Believed => true,
            Self::Relay { announced } => upto >= announced,
        }
    }
}

/// A request under way, page by page.
#[derive(Debug)]
pub(super) struct Repair {
    pub(super) from: NodeHash,
    pub(super) source: RepairSource,
    pub(super) upto: u64,
    pub(super) all: bool,
    pub(super) begun: bool,
    pub(super) waiting: Vec<(u64, u64)>,
    pub(super) in_flight: BTreeMap<u64, (u64, u64)>,
    pub(super) retries: u32,
}

impl Repair {
    pub(super) fn begin(from: NodeHash, source: RepairSource, after: u64) -> Self {
        let (waiting, in_flight) = (vec![(after, u64::MAX)], BTreeMap::new());
        Self { from, source, upto: u64::MAX, all: false, begun: false, waiting, in_flight, retries: 0 }
    }

    pub(super) fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.in_flight.is_empty()
    }
}

impl Replica {
    /// A replica that is begun again since it differed from its node's table.
    pub(super) fn faulted(whole_table_at: Option<Mono>, now: Mono) -> Self {
        Self { faulted_at: Some(now), whole_table_at, ..Self::default() }
    }

    /// A replica that is begun again without the rows of a relay.
    pub(super) fn denied(relay: NodeHash, now: Mono) -> Self {
        Self { denied: Some((relay, now)), ..Self::default() }
    }

    /// Whether this relay may be asked: its rows were not denied lately.
    pub(super) fn trusts(&self, relay: NodeHash, now: Mono) -> bool {
        self.denied.is_none_or(|(denied, at)| denied != relay || now.since(at) >= DENIED_MS)
    }

    pub(super) fn received(&mut self, after: u64, upto: u64, now: Mono) {
        self.target = self.target.max(upto);
        if injected(Fault::HolesSkipped) || after <= self.contiguous_upto {
            self.advance(upto);
        } else if self.received_ahead.len() < RECEIVED_AHEAD_MAX {
            self.received_ahead.push((after, upto));
            self.received_ahead.sort_unstable();
        }
        self.notice_gap(now);
    }

    fn advance(&mut self, upto: u64) {
        self.contiguous_upto = self.contiguous_upto.max(upto);
        while let Some(&(after, upto)) = self.received_ahead.first() {
            if after > self.contiguous_upto {
                break;
            }
            self.contiguous_upto = self.contiguous_upto.max(upto);
            self.received_ahead.remove(0);
        }
    }

    fn notice_gap(&mut self, now: Mono) {
        if self.contiguous_upto >= self.target {
            self.gap_since = None;
        } else if self.gap_since.is_none() {
            self.gap_since = Some(now);
        }
    }

    /// Its node has changed rows up to this number.
    pub(super) fn expect(&mut self, number: u64, now: Mono) {
        self.target = self.target.max(number);
        self.notice_gap(now);
    }

    /// Its node changes nothing after this number.
    pub(super) fn ends_at(&mut self, number: u64, now: Mono) {
        self.ends = self.ends.max(Some(number));
        self.expect(number, now);
    }

    /// Whether something was received above a gap.
    pub(super) fn is_ahead(&self) -> bool {
        !self.received_ahead.is_empty()
    }

    /// Everything up to this number was repaired.
    pub(super) fn repaired(&mut self, upto: u64, now: Mono) {
        self.known = true;
        self.advance(upto);
        self.gap_since = None;
        self.notice_gap(now);
    }

    /// Whether more is known here than its node has said, for longer than messages overtake each other: who relays it made
    /// that up.
    pub(super) fn is_beyond(&mut self, sequence: u64, now: Mono) -> bool {
        let ahead = self.received_ahead.iter().map(|(_, upto)| *upto).max().unwrap_or(0);
        let furthest = self.contiguous_upto.max(ahead);
        if furthest <= sequence || self.beyond_since.is_some_and(|(_, number)| number <= sequence) {
            self.beyond_since = None;
        }
        if furthest > sequence {
            self.beyond_since.get_or_insert((now, furthest));
        }
        self.beyond_since.is_some_and(|(since, _)| now.since(since) >= BEYOND_MS)
    }

    /// Its node has left, and nothing of what it said is missing.
    pub(super) fn is_complete(&self) -> bool {
        self.ends.is_some_and(|ends| self.contiguous_upto >= ends)
    }

    /// No other node is known to have more of it, and none is asked.
    pub(super) fn is_settled(&self) -> bool {
        self.repair.is_none() && (self.differs.is_empty() || self.is_complete())
    }

    /// Nothing is missing but what is on its way.
    pub(super) fn is_current(&self) -> bool {
        self.known && self.gap_since.is_none()
    }

    /// Whether it can be compared: what it misses for a moment, it asks for.
    pub(super) fn counts(&self, now: Mono) -> bool {
        !self.known || self.gap_since.is_none_or(|since| now.since(since) >= LONG_GAP_MS)
    }

    /// Whether it should equal its node's table at this number.
    pub(super) fn is_comparable(&self, sequence: u64) -> bool {
        self.known && self.repair.is_none() && self.contiguous_upto == sequence && !self.is_ahead()
    }

    pub(super) fn repair_is_due(&self, wait_ms: u64, now: Mono) -> bool {
        let rested = self.whole_table_at.is_none_or(|at| now.since(at) >= WHOLE_TABLE_MS);
        let gap = self.gap_since.is_some_and(|since| now.since(since) >= wait_ms);
        if self.known { gap } else { rested }
    }
}
