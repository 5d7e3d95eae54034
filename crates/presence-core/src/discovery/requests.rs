//! Requests to other nodes that wait for an answer.

use std::collections::BTreeMap;

use crate::id::{LinkId, NodeHash};
use crate::presence::row::TableKey;
use crate::time::NodeTime;
use crate::wire::TabMoved;

/// Most requests that wait for an answer.
const PENDING_MAX: usize = 1_024;

/// What a request was about.
#[derive(Clone, Debug)]
pub(crate) enum PendingRequest {
    Hello(LinkId),
    Rows(TableKey),
    Buckets {
        node: NodeHash,
        cut: NodeTime,
    },
    Stamps {
        node: NodeHash,
        buckets: Vec<u8>,
    },
    Fetch(NodeHash),
    Offer,
    /// An offer whose answer confirms clicks.
    Confirmation,
    Messages {
        query: u64,
    },
    TabMoved {
        node: NodeHash,
        moved: TabMoved,
    },
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    pending: BTreeMap<u64, PendingRequest>,
    last: u64,
}

impl Requests {
    /// The number of a new request; `None` where too many wait.
    pub(super) fn begin(&mut self, about: PendingRequest) -> Option<u64> {
        if self.pending.len() >= PENDING_MAX {
            return None;
        }
        self.last += 1;
        self.pending.insert(self.last, about);
        Some(self.last)
    }

    pub(super) fn end(&mut self, question: u64) -> Option<PendingRequest> {
        self.pending.remove(&question)
    }
}
