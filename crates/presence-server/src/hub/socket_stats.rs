//! What the sockets of a hub have done since the start, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use presence_cable::Encoder;
use presence_core::Outcome;

use super::Hub;
use super::protocols::ProtocolId;
use super::time_histogram::TimeHistogram;
use crate::close_reason::CloseReason;

/// The bounds between which the round trips of pings are counted, in ms.
const PONGS_MS: [u64; 6] = [25, 50, 100, 250, 500, 1_000];
/// The same of flushes.
const FLUSHES_MS: [u64; 4] = [1, 10, 100, 1_000];

/// Counters that only grow, but for those that say "now"; reading them waits for no socket.
#[derive(Debug)]
pub(crate) struct SocketStats {
    protocols: Box<[ProtocolStats]>,
    deliveries: AtomicU64,
    messages: AtomicU64,
    clicks_done: AtomicU64,
    clicks_refused: AtomicU64,
    /// How long pings take to be answered.
    pub(crate) pongs: TimeHistogram<{ PONGS_MS.len() }>,
    /// How long all listeners of a stream take to be written to.
    pub(crate) flushes: TimeHistogram<{ FLUSHES_MS.len() }>,
    /// Drawings that left together with another one.
    pub(crate) folded: EventCounter,
    /// What browsers sent.
    pub(crate) received: FrameCount,
    /// What was sent to browsers, or waits for them.
    pub(crate) sent: FrameCount,
    /// Pauses of sockets whose browsers send more than they may.
    pub(crate) pauses: EventCounter,
    subscriptions: AtomicU64,
    queued_bytes: AtomicU64,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct EventCounter(AtomicU64);

impl EventCounter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Frames in one direction.
#[derive(Debug, Default)]
pub(crate) struct FrameCount {
    pub(crate) frames: EventCounter,
    pub(crate) bytes: EventCounter,
}

/// The sockets that speak one protocol.
#[derive(Debug)]
pub(crate) struct ProtocolStats {
    /// The protocol's name.
    pub(crate) name: &'static str,
    opened: AtomicU64,
    closed: [AtomicU64; CloseReason::ALL.len()],
}

impl Hub {
    /// What the sockets have done since the start.
    pub(crate) fn socket_stats(&self) -> &SocketStats {
        &self.shared.stats
    }

    /// What sockets listen to now, by kind, and how many of each there are.
    pub(crate) fn streams(&self) -> [(&'static str, usize); 4] {
        let (pages, counts) = (self.pages.len(), self.counts.len());
        [("page", pages), ("counts", counts), ("shares", self.shares.len()), ("messages", self.streams.len())]
    }
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
            pongs: TimeHistogram::new(PONGS_MS),
            flushes: TimeHistogram::new(FLUSHES_MS),
            folded: EventCounter::default(),
            received: FrameCount::default(),
            sent: FrameCount::default(),
            pauses: EventCounter::default(),
            subscriptions: AtomicU64::default(),
            queued_bytes: AtomicU64::default(),
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

    /// A flush has reached all listeners.
    pub(super) fn flushed(&self, took: Duration) {
        self.flushes.add(took);
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

    /// A subscription begins.
    pub(super) fn subscribed(&self) {
        self.subscriptions.fetch_add(1, Relaxed);
    }

    /// That many subscriptions have ended.
    pub(super) fn unsubscribed(&self, count: usize) {
        self.subscriptions.fetch_sub(count as u64, Relaxed);
    }

    /// What waits for one socket takes this many bytes now.
    pub(super) fn queued(&self, before: usize, now: usize) {
        if before != now {
            // Wraps where it is less than before, and so does the sum.
            self.queued_bytes.fetch_add((now as u64).wrapping_sub(before as u64), Relaxed);
        }
    }

    /// How many subscriptions there are now, over all sockets.
    pub(crate) fn subscriptions(&self) -> u64 {
        self.subscriptions.load(Relaxed)
    }

    /// What waits for all sockets now, in bytes of memory.
    pub(crate) fn queued_bytes(&self) -> u64 {
        self.queued_bytes.load(Relaxed)
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
