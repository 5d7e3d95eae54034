//! Everybody on this node who listens to one thing, and what waits to be written to all of them.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use presence_cable::Identifier;
use presence_core::{ConnectionId, SubscriptionId};
use tokio::time::Instant;

use super::connection::Connection;
use super::keepalive::Clock;
use super::listeners::{Listener, Listeners, Place, SameKeyRun};
use super::outbox::Frame;
use super::{PART, lock};
use crate::close_reason::CloseReason;

/// Audiences up to this size are written to at once, without a task of their own.
const SMALL: usize = 8;
/// Where several messages left together, the next flush waits for company: this part of the time that the last one took,
/// and never longer than this. A write costs the same whatever it carries, so under load most of them are spared.
const BATCH_DELAY_PART: u32 = 4;
const BATCH_DELAY_MAX: Duration = Duration::from_millis(10);
/// For less no timer is worth it.
const BATCH_DELAY_MIN: Duration = Duration::from_millis(1);
/// Each writer beyond the first has at least so many listeners to write to.
const PER_WRITER: usize = 4 * PART;

/// What waits in an audience while an earlier flush is being written.
pub(super) trait FlushQueue: Default + Debug + Send + 'static {
    /// What comes in.
    type New;
    /// What goes out in one flush.
    type Batch;

    /// Adds to what waits; bounded, however often it is called.
    fn add(&mut self, new: Self::New);

    /// All that waits and fits into one flush; `None` where nothing does.
    fn take(&mut self) -> Option<Self::Batch>;

    /// What is written. Called outside the audience's lock.
    fn encode(batch: Self::Batch) -> Flush;
}

/// What goes to every listener.
#[derive(Debug)]
pub(super) struct Flush {
    /// Bodies of frames, each of which follows an identifier's opening. All leave in one write.
    pub(super) bodies: Vec<Bytes>,
    /// Not to this one.
    pub(super) except: Option<ConnectionId>,
    pub(super) how: Delivery,
}

impl Flush {
    /// One that may be dropped, for everybody who was not shown all of it already.
    pub(super) fn drawing(body: Bytes, ordinal: u64) -> Self {
        Self { bodies: vec![body], except: None, how: Delivery::Drawing { ordinal } }
    }

    fn write(&self, run: &SameKeyRun, now_ms: u64) {
        let frame = Frame::messages(run.identifier.opening(), &self.bodies, run.listeners.len() > 1);
        for Listener { connection, subscription } in &run.listeners {
            match self.how {
                _ if self.except == Some(connection.id) => {}
                Delivery::Drawing { ordinal } => connection.draw(&frame, *subscription, ordinal, now_ms),
                Delivery::Always => connection.send(&frame, now_ms),
                Delivery::Close => connection.close(CloseReason::Overflowed, now_ms),
            }
        }
    }
}

/// Delivery it goes there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Delivery {
    /// It draws, and may be dropped: what it is about is shown whole later. The ordinal is the place of its last fragments
    /// among all that was ordered to be drawn.
    Drawing { ordinal: u64 },
    /// It is never dropped.
    Always,
    /// Something was lost: the socket is closed, and its client asks for what it missed.
    Close,
}

/// A letter on its way. Several tasks write it side by side: each takes the next listeners until none are left.
struct FlushCursor {
    letter: Flush,
    reached: Mutex<CursorPosition>,
}

enum CursorPosition {
    Nobody,
    UpTo(Place),
    All,
}

#[derive(Debug, Default)]
pub(super) struct Audience<W>(Mutex<Inner<W>>);

#[derive(Debug, Default)]
struct Inner<W> {
    listeners: Listeners,
    waiting: W,
    flushing: bool,
    /// The last flush by a task of its own. Most audiences are too small to have one.
    flushed: Option<Box<LastFlush>>,
}

#[derive(Clone, Copy, Debug)]
struct LastFlush {
    at: Instant,
    took: Duration,
    /// Several messages left together: this audience is under load.
    several: bool,
}

impl LastFlush {
    /// Delivery long the next flush waits for more to come; `None` where messages come one by one, seldom, or to few listeners.
    fn batch_delay(&self, now: Instant) -> Option<Duration> {
        let wait = (self.took / BATCH_DELAY_PART).min(BATCH_DELAY_MAX);
        (self.several && now - self.at < self.took && wait >= BATCH_DELAY_MIN).then_some(wait)
    }
}

impl<W: FlushQueue> Audience<W> {
    fn lock(&self) -> MutexGuard<'_, Inner<W>> {
        lock(&self.0)
    }

    pub(super) fn join(&self, identifier: Identifier, subscription: SubscriptionId, connection: &Arc<Connection>) {
        let listener = Listener { connection: Arc::clone(connection), subscription };
        self.lock().listeners.insert(identifier, listener);
    }

    pub(super) fn leave(&self, identifier: &Identifier, connection: ConnectionId) {
        self.lock().listeners.remove(identifier, connection);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().listeners.len() == 0
    }

    /// Reads or changes what waits, and what is kept beside it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut W) -> T) -> T {
        change(&mut self.lock().waiting)
    }

    /// Writes to every listener. While an earlier flush is being written this waits, together with what else does.
    pub(super) fn broadcast(self: &Arc<Self>, new: W::New, clock: &Clock) {
        let mut inner = self.lock();
        let count = inner.listeners.len();
        if count == 0 {
            return;
        }
        inner.waiting.add(new);
        if inner.flushing {
            return;
        }
        inner.flushing = true;
        drop(inner);
        if count <= SMALL {
            while let Some(letter) = self.take() {
                let round = FlushCursor::new(letter);
                while self.write_part(&round, clock) {}
            }
        } else {
            tokio::spawn(Arc::clone(self).flush(clock.clone()));
        }
    }

    async fn flush(self: Arc<Self>, clock: Clock) {
        loop {
            let last = self.lock().flushed.as_deref().copied();
            // Nobody can say that all who publish have done so: it is a time that is waited for, and a short one.
            if let Some(delay) = last.and_then(|last| last.batch_delay(Instant::now())) {
                tokio::time::sleep(delay).await;
            }
            let Some(letter) = self.take() else { return };
            let (begun, several) = (Instant::now(), letter.bodies.len() > 1);
            let others = self.writers(several) - 1;
            let round = Arc::new(FlushCursor::new(letter));
            let write = || Arc::clone(&self).write(Arc::clone(&round), clock.clone());
            let others: Vec<_> = (0..others).map(|_| tokio::spawn(write())).collect();
            write().await;
            for other in others {
                // A writer that panicked has left what it had taken unwritten; the others reach the rest.
                drop(other.await);
            }
            self.lock().flushed = Some(Box::new(LastFlush { at: Instant::now(), took: begun.elapsed(), several }));
        }
    }

    /// Delivery many tasks share a flush: what one core would need long for is spread over all. Under load one core is left to
    /// those from whom more comes.
    fn writers(&self, several: bool) -> usize {
        let cores = tokio::runtime::Handle::current().metrics().num_workers();
        (self.lock().listeners.len() / PER_WRITER).min(cores - usize::from(several)).max(1)
    }

    async fn write(self: Arc<Self>, round: Arc<FlushCursor>, clock: Clock) {
        while self.write_part(&round, &clock) {
            tokio::task::yield_now().await;
        }
    }

    /// What waits, encoded once; `None` ends the flush.
    fn take(&self) -> Option<Flush> {
        let batch = {
            let mut inner = self.lock();
            let batch = inner.waiting.take();
            inner.flushing = batch.is_some();
            batch
        };
        batch.map(W::encode)
    }

    /// Writes to the next listeners; returns whether there may be more.
    fn write_part(&self, round: &FlushCursor, clock: &Clock) -> bool {
        let part = round.next(&self.0);
        part.iter().for_each(|run| round.letter.write(run, clock.now_ms()));
        !part.is_empty()
    }
}

impl FlushCursor {
    fn new(letter: Flush) -> Self {
        Self { letter, reached: Mutex::new(CursorPosition::Nobody) }
    }

    /// The next listeners, for whoever asks; none where all were taken.
    fn next<W>(&self, audience: &Mutex<Inner<W>>) -> Vec<SameKeyRun> {
        let mut reached = lock(&self.reached);
        let after = match &*reached {
            CursorPosition::Nobody => None,
            CursorPosition::UpTo(place) => Some(place),
            CursorPosition::All => return Vec::new(),
        };
        let (part, last) = lock(audience).listeners.part(after, PART);
        *reached = last.map_or(CursorPosition::All, CursorPosition::UpTo);
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes how many leave at a time.
    #[derive(Debug, Default)]
    struct Noted {
        waiting: usize,
        left: Vec<usize>,
    }

    impl FlushQueue for Noted {
        type New = ();
        type Batch = usize;

        fn add(&mut self, (): ()) {
            self.waiting += 1;
        }

        fn take(&mut self) -> Option<usize> {
            let all = std::mem::take(&mut self.waiting);
            (all > 0).then(|| {
                self.left.push(all);
                all
            })
        }

        fn encode(all: usize) -> Flush {
            Flush { bodies: vec![Bytes::new(); all], except: None, how: Delivery::Always }
        }
    }

    #[tokio::test]
    async fn what_comes_while_a_flush_waits_for_company_leaves_with_it() {
        for (several, left) in [(true, vec![2]), (false, vec![1])] {
            let audience = Arc::new(Audience::<Noted>::default());
            let last = LastFlush { at: Instant::now(), took: Duration::from_secs(60), several };
            audience.lock().flushed = Some(Box::new(last));
            audience.change(|noted| noted.add(()));
            let flush = tokio::spawn(Arc::clone(&audience).flush(Clock::default()));
            // It waits, or has written the first and ended.
            tokio::task::yield_now().await;
            audience.change(|noted| noted.add(()));
            flush.await.unwrap();
            assert_eq!(audience.change(|noted| std::mem::take(&mut noted.left)), left);
        }
    }

    #[test]
    fn only_under_load_a_flush_waits_for_company_and_never_long() {
        let at = Instant::now();
        let batch_delay = |took_ms, several, after_ms| {
            let took = Duration::from_millis(took_ms);
            LastFlush { at, took, several }.batch_delay(at + Duration::from_millis(after_ms))
        };
        assert_eq!(batch_delay(20, true, 0), Some(Duration::from_millis(5)));
        assert_eq!(batch_delay(20, true, 19), Some(Duration::from_millis(5)));
        assert_eq!(batch_delay(5_000, true, 0), Some(BATCH_DELAY_MAX));
        for (took_ms, several, after_ms) in [(20, false, 0), (20, true, 20), (3, true, 0)] {
            assert_eq!(batch_delay(took_ms, several, after_ms), None);
        }
    }
}
