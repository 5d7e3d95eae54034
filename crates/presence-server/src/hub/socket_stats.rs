//! What the sockets of a hub have done since the start, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use presence_cable::Encoder;
use presence_core::Outcome;

use super::protocols::ProtocolId;
use crate::close_reason::CloseReason;

/// Counters that only grow; reading them waits for no socket.
#[derive(Debug)]
pub(crate) struct SocketStats {
    protocols: Box<[ProtocolStats]>,
    deliveries: AtomicU64,
    messages: AtomicU64,
    clicks_done: AtomicU64,
    clicks_refused: AtomicU64,
}

/// The sockets that speak one protocol.
#[derive(Debug)]
pub(crate) struct ProtocolStats {
    /// The protocol's name.
    pub(crate) name: &'static str,
    opened: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
}

impl SocketStats {
    pub(super) fn new(encoders: &[&'static dyn Encoder]) -> Self {
        let protocols = encoders.iter().map(|encoder| ProtocolStats {
            name: encoder.name(),
            opened: AtomicU64::default(),
            closed: Default::default(),
        });
        Self {
            protocols: protocols.collect(),
            deliveries: AtomicU64::default(),
            messages: AtomicU64::default(),
            clicks_done: AtomicU64::default(),
            clicks_refused: AtomicU64::default(),
        }
    }

    pub(super) fn opened(&self, protocol: ProtocolId) {
        self.protocols[protocol.index()].opened.fetch_add(1, Relaxed);
    }

    pub(super) fn closed(&self, protocol: ProtocolId, reason: CloseReason) {
        self.protocols[protocol.index()].closed[reason as usize].fetch_add(1, Relaxed);
    }

    /// That many sockets were offered the frames of one flush.
    pub(super) fn delivered(&self, sockets: usize) {
        self.deliveries.fetch_add(sockets as u64, Relaxed);
    }

    /// A published message arrived, from this node or another one.
    pub(super) fn arrived(&self) {
        self.messages.fetch_add(1, Relaxed);
    }

    /// A click was answered in this way.
    pub(super) fn clicked(&self, outcome: &Outcome) {
        let count = if *outcome == Outcome::Done { &self.clicks_done } else { &self.clicks_refused };
        count.fetch_add(1, Relaxed);
    }

    /// How many published messages have arrived.
    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Relaxed)
    }

    /// How many clicks were carried out, and how many were refused or failed.
    pub(crate) fn clicks(&self) -> [(&'static str, u64); 2] {
        [("done", self.clicks_done.load(Relaxed)), ("refused", self.clicks_refused.load(Relaxed))]
    }

    /// How many sockets were offered a flush, added up over all flushes.
    pub(crate) fn deliveries(&self) -> u64 {
        self.deliveries.load(Relaxed)
    }

    /// Each protocol, in the order of registration.
    pub(crate) fn protocols(&self) -> &[ProtocolStats] {
        &self.protocols
    }

    /// How many sockets have ended for this reason.
    pub(crate) fn ended(&self, reason: CloseReason) -> u64 {
        self.protocols.iter().map(|protocol| protocol.closed[reason as usize].load(Relaxed)).sum()
    }
}

impl ProtocolStats {
    /// How many sockets have begun.
    pub(crate) fn begun(&self) -> u64 {
        self.opened.load(Relaxed)
    }

    /// How many sockets are open. One that begins or ends meanwhile may be missed.
    pub(crate) fn open(&self) -> u64 {
        let ended: u64 = self.closed.iter().map(|count| count.load(Relaxed)).sum();
        self.begun().saturating_sub(ended)
    }
}
