//! All subscriptions on this node that listen to one thing, and what waits to be written to them.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use presence_cable::Encoder;
use presence_core::ConnectionId;
use tokio::time::Instant;

use super::SOCKETS_PER_TURN;
use super::flush::{Flush, FlushCursor};
use super::listeners::{Listener, ListenerKey, Listeners, Subscriber};
use super::prefix::Prefix;
use super::protocols::ProtocolSet;
use super::shared::HubShared;

/// The part that the log names if a flush panics. The node ends then, since nothing more would reach that audience.
const FLUSH: &str = "flush of a stream";
/// After a flush of several messages the next one is delayed, so that more can join it: by the time that the last one took,
/// divided by this. A write costs the same whatever it carries, so under load this saves most writes.
const BATCH_DELAY_PART: u32 = 4;
const BATCH_DELAY_MAX: Duration = Duration::from_millis(10);
/// A shorter delay is not worth a timer.
const BATCH_DELAY_MIN: Duration = Duration::from_millis(1);
/// Each writer beyond the first has at least this many listeners to write to.
const PER_WRITER: usize = 4 * SOCKETS_PER_TURN;

/// What waits in an audience while an earlier flush is being written.
pub(super) trait FlushQueue: Default + Debug + Send + 'static {
    /// What comes in.
    type Item;
    /// What goes out in one flush.
    type Batch: Send + Sync;
    /// Audiences up to this size are written to at once, without a task of their own. The caller waits, and may be the driver.
    const AT_ONCE_MAX: usize = 8;

    /// Adds to what waits; bounded, however often it is called.
    fn push(&mut self, item: Self::Item);

    /// Takes all that waits and fits into one flush; `None` where nothing does.
    fn take(&mut self) -> Option<Flush<Self::Batch>>;

    /// The bodies of frames in one protocol, each of which follows a prefix. All leave in one write. Called outside the
    /// audience's lock.
    fn encode(batch: &Self::Batch, encoder: &dyn Encoder) -> Vec<Bytes>;
}

#[derive(Debug, Default)]
pub(super) struct Audience<Q>(Mutex<AudienceState<Q>>);

#[derive(Debug, Default)]
struct AudienceState<Q> {
    listeners: Listeners,
    /// The protocols of all listeners since the audience was last empty.
    protocols: ProtocolSet,
    queue: Q,
    flushing: bool,
    rare: Option<Box<RareState>>,
}

/// What most audiences do not have.
#[derive(Debug, Default)]
struct RareState {
    /// Listeners that have another prefix after the flush: in the midst of it they would be reached twice, or not at all.
    moves: Vec<ListenerMove>,
    /// The last flush by a task of its own. Most audiences are too small to have one.
    last_flush: Option<LastFlush>,
}

/// A listener whose place among the others changes.
#[derive(Debug)]
struct ListenerMove {
    from: ListenerKey,
    to: Prefix,
    listener: Listener,
}

#[derive(Clone, Copy, Debug)]
struct LastFlush {
    at: Instant,
    took: Duration,
    load: AudienceLoad,
}

/// How busy an audience is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum AudienceLoad {
    /// Messages leave one by one.
    Light,
    /// Several messages leave together.
    Heavy,
}

impl LastFlush {
    /// How long the next flush waits for more to come; `None` where messages come one by one, rarely, or to few listeners.
    fn batch_delay(&self, now: Instant) -> Option<Duration> {
        let wait = (self.took / BATCH_DELAY_PART).min(BATCH_DELAY_MAX);
        (self.load == AudienceLoad::Heavy && now - self.at < self.took && wait >= BATCH_DELAY_MIN).then_some(wait)
    }
}

impl<Q> AudienceState<Q> {
    fn move_listeners(&mut self) {
        let moves = self.rare.as_mut().map(|rare| std::mem::take(&mut rare.moves));
        for ListenerMove { from: (prefix, connection), to, listener } in moves.into_iter().flatten() {
            self.listeners.remove(&prefix, connection);
            self.listeners.insert(to, listener);
        }
    }
}

impl<Q: FlushQueue> Audience<Q> {
    pub(super) fn join(&self, subscriber: &Subscriber<'_>) {
        let listener =
            Listener { connection: Arc::clone(subscriber.connection), subscription: subscriber.subscription };
        let mut inner = self.0.lock();
        inner.protocols.insert(subscriber.prefix.protocol());
        inner.listeners.insert(subscriber.prefix.clone(), listener);
    }

    pub(super) fn leave(&self, prefix: &Prefix, connection: ConnectionId) {
        let mut inner = self.0.lock();
        let mut prefix = prefix.clone();
        if let Some(rare) = &mut inner.rare {
            // The newest move first: it may be one of several.
            while let Some(index) = rare.moves.iter().rposition(|next| next.from.1 == connection && next.to == prefix) {
                prefix = rare.moves.remove(index).from.0;
            }
        }
        inner.listeners.remove(&prefix, connection);
    }

    /// A listener gets another prefix, with which it is missed by no flush and reached by none twice.
    pub(super) fn change_prefix(&self, old: &Prefix, subscriber: &Subscriber<'_>) {
        let Subscriber { connection, subscription, prefix } = *subscriber;
        let (from, to) = ((old.clone(), connection.id), prefix.clone());
        let mut inner = self.0.lock();
        inner.protocols.insert(to.protocol());
        let listener = Listener { connection: Arc::clone(connection), subscription };
        inner.rare.get_or_insert_default().moves.push(ListenerMove { from, to, listener });
        if !inner.flushing {
            inner.move_listeners();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().listeners.len() == 0
    }

    /// Whether a listener speaks one of these protocols.
    pub(super) fn speaks(&self, protocols: ProtocolSet) -> bool {
        self.0.lock().protocols.meets(protocols)
    }

    /// Reads or changes what waits, and what is kept beside it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Q) -> T) -> T {
        change(&mut self.0.lock().queue)
    }

    /// Writes to every listener. While an earlier flush is being written this waits, together with what else does.
    pub(super) fn broadcast(self: &Arc<Self>, item: Q::Item, shared: &Arc<HubShared>) {
        let mut inner = self.0.lock();
        let count = inner.listeners.len();
        if count == 0 {
            return;
        }
        inner.queue.push(item);
        if inner.flushing {
            return;
        }
        inner.flushing = true;
        drop(inner);
        if count <= Q::AT_ONCE_MAX {
            let _guard = shared.supervisor.guard_against_panics(FLUSH);
            while let Some(flush) = self.take() {
                let cursor = FlushCursor::new(flush, shared);
                while self.write_part(&cursor) {}
                cursor.end();
            }
        } else {
            shared.runtime.spawn(Arc::clone(self).flush(Arc::clone(shared)));
        }
    }

    async fn flush(self: Arc<Self>, shared: Arc<HubShared>) {
        let _guard = shared.supervisor.guard_against_panics(FLUSH);
        loop {
            let last = self.0.lock().rare.as_ref().and_then(|rare| rare.last_flush);
            // No one can know whether all publishers have published, so the wait is short.
            if let Some(delay) = last.and_then(|last| last.batch_delay(Instant::now())) {
                tokio::time::sleep(delay).await;
            }
            let Some(flush) = self.take() else { return };
            let load = if flush.messages > 1 { AudienceLoad::Heavy } else { AudienceLoad::Light };
            let others = self.writers(load) - 1;
            let cursor = Arc::new(FlushCursor::new(flush, &shared));
            let write = || Arc::clone(&self).write(Arc::clone(&cursor));
            let others: Vec<_> = (0..others).map(|_| tokio::spawn(write())).collect();
            write().await;
            for other in others {
                // A writer that panicked has left what it had taken unwritten; the others reach the rest.
                drop(other.await);
            }
            let last = LastFlush { at: Instant::now(), took: cursor.end(), load };
            self.0.lock().rare.get_or_insert_default().last_flush = Some(last);
        }
    }

    /// How many tasks share a flush: a long one is spread over all cores. Under load one core is left to the publishers.
    fn writers(&self, load: AudienceLoad) -> usize {
        let cores = tokio::runtime::Handle::current().metrics().num_workers();
        (self.0.lock().listeners.len() / PER_WRITER).min(cores - usize::from(load == AudienceLoad::Heavy)).max(1)
    }

    async fn write(self: Arc<Self>, cursor: Arc<FlushCursor<Q>>) {
        while self.write_part(&cursor) {
            tokio::task::yield_now().await;
        }
    }

    /// Takes what waits; `None` ends the flush.
    fn take(&self) -> Option<Flush<Q::Batch>> {
        let mut inner = self.0.lock();
        inner.move_listeners();
        let flush = inner.queue.take();
        inner.flushing = flush.is_some();
        flush
    }

    /// Writes to the next listeners; returns whether there may be more.
    fn write_part(&self, cursor: &FlushCursor<Q>) -> bool {
        let part = cursor.next(|after| self.0.lock().listeners.part(after, SOCKETS_PER_TURN));
        part.iter().for_each(|run| cursor.write(run));
        !part.is_empty()
    }
}

#[cfg(test)]
mod tests;
