//! What became of webhooks, for metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Queues for each receiver, and messages that are sent to it at a time.
pub(super) const QUEUES: usize = 8;

/// All receivers, in the order of the options.
#[derive(Debug)]
pub(crate) struct WebhookStats(Box<[ReceiverStats]>);

/// One receiver.
#[derive(Debug, Default)]
pub(crate) struct ReceiverStats {
    delivered: AtomicU64,
    failed: AtomicU64,
    waiting: AtomicU64,
    resyncs: AtomicU64,
    /// Since when the message that each queue delivers now has waited. Those behind it are younger.
    pending: Mutex<[Option<Instant>; QUEUES]>,
}

impl WebhookStats {
    pub(super) fn new(receivers: usize) -> Self {
        Self((0..receivers).map(|_| ReceiverStats::default()).collect())
    }

    pub(crate) fn receivers(&self) -> &[ReceiverStats] {
        &self.0
    }
}

impl ReceiverStats {
    /// How many messages the receiver has accepted.
    pub(crate) fn delivered(&self) -> u64 {
        self.delivered.load(Relaxed)
    }

    /// How many tries failed.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// How many messages wait, those that are being sent included.
    pub(crate) fn pending(&self) -> u64 {
        self.waiting.load(Relaxed)
    }

    /// How often the state of all rooms was to be sent.
    pub(crate) fn resyncs(&self) -> u64 {
        self.resyncs.load(Relaxed)
    }

    /// How long the oldest message has waited; zero if none waits.
    pub(crate) fn oldest_pending(&self) -> Duration {
        self.pending.lock().iter().flatten().min().map_or(Duration::ZERO, Instant::elapsed)
    }

    pub(super) fn queued(&self) {
        self.waiting.fetch_add(1, Relaxed);
    }

    /// A message that was queued no longer waits, whether or not it was sent.
    pub(super) fn settled(&self) {
        self.waiting.fetch_sub(1, Relaxed);
    }

    pub(super) fn resynced(&self) {
        self.resyncs.fetch_add(1, Relaxed);
    }

    pub(super) fn begin(&self, queue: usize, since: Instant) {
        self.pending.lock()[queue] = Some(since);
    }

    pub(super) fn end(&self, queue: usize) {
        self.pending.lock()[queue] = None;
    }

    pub(super) fn accepted(&self) {
        self.delivered.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self) {
        self.failed.fetch_add(1, Relaxed);
    }
}
