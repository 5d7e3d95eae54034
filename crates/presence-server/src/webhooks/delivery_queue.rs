//! Messages that wait for one receiver: sent again until they are delivered, in order for each room. A slow receiver delays
//! no other one.

mod resync;

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use presence_core::Room;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::client::{DeliveryError, WebhookClient};
use super::message::WebhookMessage;
use super::room_reports::AskApp;
use super::stats::{QUEUES, ReceiverStats, WebhookStats};
use super::watcher::{NodeEvent, Resync};
use crate::config::WebhookUrl;
use crate::secret::random;
use crate::supervision::Supervisor;
use crate::views::Views;

/// Messages in one queue. An overflow is followed by a resync.
const QUEUED_MAX: usize = 1_024;
/// A message that is older than this is dropped for a resync.
const AGE_MAX: Duration = Duration::from_secs(600);
/// The pause after the first failure; it doubles with each further one.
const PAUSE_MIN: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// A message in a queue.
struct QueuedWebhook {
    message: WebhookMessage,
    /// The number of resyncs before it: a later resync makes the message unnecessary.
    resyncs: u64,
    since: Instant,
}

/// The newest resync and its number.
#[derive(Clone)]
struct NumberedResync {
    number: u64,
    resync: Option<Arc<Resync>>,
}

/// Who sends `resync.started`, and who waits for that: the number of the newest one that was delivered.
enum ResyncStart {
    Sends(watch::Sender<u64>),
    Awaits(watch::Receiver<u64>),
}

/// The sending end of one receiver's queues.
pub(super) struct WebhookReceiver {
    index: usize,
    stats: Arc<WebhookStats>,
    queues: Vec<mpsc::Sender<QueuedWebhook>>,
    resyncs: watch::Sender<NumberedResync>,
}

/// What every queue needs.
#[derive(Clone)]
pub(super) struct DeliveryContext {
    pub(super) client: WebhookClient,
    pub(super) views: Arc<Views>,
    pub(super) ask: AskApp,
    /// Tells the watcher about dropped messages.
    pub(super) events: mpsc::WeakSender<NodeEvent>,
    pub(super) supervisor: Supervisor,
    pub(super) stats: Arc<WebhookStats>,
}

impl WebhookReceiver {
    /// Starts to send to this address, in tasks of this set.
    pub(super) fn start(
        index: usize,
        url: &WebhookUrl,
        context: &DeliveryContext,
        tasks: &mut tokio::task::JoinSet<()>,
    ) -> Self {
        let resyncs = watch::Sender::new(NumberedResync { number: 0, resync: None });
        let health = Arc::new(ReceiverHealth::default());
        let (starts, started) = watch::channel(0);
        let mut starts = Some(starts);
        let queue = |queue_index: usize| {
            let (sender, queued) = mpsc::channel(QUEUED_MAX);
            let queue = DeliveryQueue {
                index: queue_index,
                receiver: index,
                url: url.clone(),
                context: context.clone(),
                health: Arc::clone(&health),
                queued,
                resyncs: resyncs.subscribe(),
                start: starts.take().map_or_else(|| ResyncStart::Awaits(started.clone()), ResyncStart::Sends),
            };
            tasks.spawn(queue.run());
            sender
        };
        let queues = (0..QUEUES).map(queue).collect();
        Self { index, stats: Arc::clone(&context.stats), queues, resyncs }
    }

    /// Queues a message. Fails if the queue is full, which makes a resync necessary.
    pub(super) fn send(&self, message: WebhookMessage) -> Result<(), QueueFull> {
        let index = message.room.as_ref().map_or(0, queue_of);
        let queued = QueuedWebhook { message, resyncs: self.resyncs.borrow().number, since: Instant::now() };
        // A closed queue belongs to a receiver that wants no messages.
        match self.queues[index].try_reserve() {
            Err(mpsc::error::TrySendError::Full(())) => Err(QueueFull),
            Err(mpsc::error::TrySendError::Closed(())) => Ok(()),
            Ok(place) => {
                // Before it can be taken out.
                self.stats().queued();
                place.send(queued);
                Ok(())
            }
        }
    }

    /// Sends the state of all rooms instead of all queued messages.
    pub(super) fn resync(&self, resync: Arc<Resync>) {
        self.stats().resynced();
        self.resyncs.send_modify(|newest| {
            *newest = NumberedResync { number: newest.number + 1, resync: Some(resync) };
        });
    }

    fn stats(&self) -> &ReceiverStats {
        &self.stats.receivers()[self.index]
    }
}

/// A queue has no room for a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct QueueFull;

fn queue_of(room: &Room) -> usize {
    let mut hasher = DefaultHasher::new();
    Hash::hash(room, &mut hasher);
    usize::try_from(hasher.finish() % QUEUES as u64).expect("less than the number of queues")
}

/// How the delivery of a message ended.
#[derive(PartialEq, Eq, Debug)]
enum DeliveryEnd {
    Delivered,
    /// A resync makes the message unnecessary.
    Superseded,
    TooOld,
    /// The receiver wants no messages.
    Gone,
}

/// The state of a receiver, shared by its queues.
#[derive(Default)]
struct ReceiverHealth {
    /// It wants no messages.
    gone: AtomicBool,
    /// The last message was not delivered.
    failing: AtomicBool,
}

struct DeliveryQueue {
    index: usize,
    receiver: usize,
    url: WebhookUrl,
    context: DeliveryContext,
    health: Arc<ReceiverHealth>,
    queued: mpsc::Receiver<QueuedWebhook>,
    resyncs: watch::Receiver<NumberedResync>,
    start: ResyncStart,
}

impl DeliveryQueue {
    async fn run(mut self) {
        let _guard = self.context.supervisor.guard_against_panics("queue of webhooks");
        loop {
            let end = tokio::select! {
                biased;
                changed = self.resyncs.changed() => match changed {
                    Ok(()) => self.send_resync().await,
                    Err(_) => return,
                },
                queued = self.queued.recv() => match queued {
                    Some(queued) => {
                        let end = self.send_queued(queued).await;
                        self.stats().settled();
                        end
                    }
                    None => return,
                },
            };
            match end {
                DeliveryEnd::Delivered | DeliveryEnd::Superseded => {}
                DeliveryEnd::TooOld => self.request_resync().await,
                DeliveryEnd::Gone => {
                    // Another queue may have logged it first.
                    if !self.health.gone.swap(true, Relaxed) {
                        tracing::warn!(receiver = %self.url, "receiver answered 410 Gone; webhooks are not sent to it until a restart");
                    }
                    self.queued.close();
                    while self.queued.recv().await.is_some() {
                        self.stats().settled();
                    }
                    return;
                }
            }
        }
    }

    async fn request_resync(&self) {
        let Some(events) = self.context.events.upgrade() else { return };
        drop(events.send(NodeEvent::Stale(self.receiver)).await);
    }

    /// Delivers one message, unless there was a resync since it was queued.
    async fn send_queued(&mut self, queued: QueuedWebhook) -> DeliveryEnd {
        if queued.resyncs < self.resyncs.borrow().number {
            return DeliveryEnd::Superseded;
        }
        self.deliver(&queued.message, Some(queued.since)).await
    }

    /// Sends a message until it is delivered or unnecessary.
    async fn deliver(&mut self, message: &WebhookMessage, since: Option<Instant>) -> DeliveryEnd {
        self.stats().begin(self.index, since.unwrap_or_else(Instant::now));
        let end = self.deliver_until_accepted(message, since).await;
        self.stats().end(self.index);
        end
    }

    async fn deliver_until_accepted(&mut self, message: &WebhookMessage, since: Option<Instant>) -> DeliveryEnd {
        let mut pause = PAUSE_MIN;
        loop {
            if self.health.gone.load(Relaxed) {
                return DeliveryEnd::Gone;
            }
            let posted = tokio::select! {
                posted = self.context.client.post(&self.url, message, self.context.views.now_ms()) => posted,
                _ = self.resyncs.changed() => return self.superseded(),
            };
            let (reason, after) = match posted {
                Ok(()) => {
                    self.stats().accepted();
                    if self.health.failing.swap(false, Relaxed) {
                        tracing::info!(receiver = %self.url, "webhooks are delivered again");
                    }
                    return DeliveryEnd::Delivered;
                }
                Err(DeliveryError::Gone) => return DeliveryEnd::Gone,
                Err(DeliveryError::Temporary { reason, after }) => (reason, after),
            };
            self.stats().refused();
            if since.is_some_and(|since| since.elapsed() >= AGE_MAX) {
                tracing::warn!(receiver = %self.url, reason, "dropped a webhook after {} s; a full resync follows", AGE_MAX.as_secs());
                return DeliveryEnd::TooOld;
            }
            if !self.health.failing.swap(true, Relaxed) {
                tracing::warn!(receiver = %self.url, reason, "could not deliver a webhook; it is sent again");
            }
            tokio::select! {
                () = sleep(after.unwrap_or(pause).max(pause).mul_f64(jitter())) => {}
                _ = self.resyncs.changed() => return self.superseded(),
            }
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn stats(&self) -> &ReceiverStats {
        &self.context.stats.receivers()[self.receiver]
    }

    /// Leaves the resync to the next turn of the loop, which also ends the task if there can be no further resync.
    fn superseded(&mut self) -> DeliveryEnd {
        self.resyncs.mark_changed();
        DeliveryEnd::Superseded
    }
}

/// A factor of 0.75 to 1.25, so that a receiver that recovers is not sent everything at once.
fn jitter() -> f64 {
    0.75 + f64::from(u16::from_ne_bytes(random())) / f64::from(u16::MAX) / 2.0
}

#[cfg(test)]
mod tests;
