//! What a subscription missed and this node never had: fetched from another node before it is answered.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;
use presence_cable::HistoryRequest;
use presence_core::{Found, Query, StreamName, SubscriptionId};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::history::{Asked, age_ms};
use crate::hub::{Connection, Hub, Prefix, Subscriber};
use crate::queries::{Priority, Queries};

/// A client is told after this that what it missed is not known.
const FETCHED_WITHIN: Duration = Duration::from_secs(3);

/// Fetches at a time; further ones wait.
const FETCHES_MAX: usize = 64;
/// Streams without a fetch are forgotten when this many are known.
const LOCKS_PRUNED_AT: usize = 1_024;

/// Streams that are being fetched, one fetch at a time each: what one client needs the next one needs, too.
pub(crate) struct FetchLocks {
    streams: Mutex<HashMap<StreamName, Weak<tokio::sync::Mutex<()>>>>,
    permits: Semaphore,
}

impl Default for FetchLocks {
    fn default() -> Self {
        Self { streams: Mutex::default(), permits: Semaphore::new(FETCHES_MAX) }
    }
}

impl FetchLocks {
    fn of(&self, stream: &StreamName) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.streams.lock();
        if let Some(lock) = locks.get(stream).and_then(Weak::upgrade) {
            return lock;
        }
        if locks.len() >= LOCKS_PRUNED_AT {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::default();
        locks.insert(stream.clone(), Arc::downgrade(&lock));
        lock
    }
}

/// A subscription whose history is being fetched.
#[derive(Debug)]
pub(crate) struct FetchedSubscription(Mutex<FetchState>);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum FetchState {
    /// Whether the subscription listens meanwhile.
    UnderWay {
        listens: bool,
    },
    Answered,
    /// The subscription has ended.
    Ended,
}

impl FetchedSubscription {
    pub(super) fn new(listens: bool) -> Self {
        Self(Mutex::new(FetchState::UnderWay { listens }))
    }

    pub(super) fn is_under_way(&self) -> bool {
        matches!(*self.0.lock(), FetchState::UnderWay { .. })
    }

    /// Delays the answer, which is written in the protocol that the subscription has then.
    pub(super) fn hold(&self) -> impl Sized {
        self.0.lock()
    }

    /// The subscription has ended: it must not begin to listen any more.
    pub(super) fn end(&self) {
        *self.0.lock() = FetchState::Ended;
    }
}

/// One fetch for one subscription.
pub(super) struct HistoryFetch {
    pub(super) queries: Queries,
    pub(super) locks: Arc<FetchLocks>,
    pub(super) hub: Arc<Hub>,
    pub(super) connection: Arc<Connection>,
    pub(super) subscription: SubscriptionId,
    pub(super) stream: StreamName,
    pub(super) request: HistoryRequest,
    pub(super) from_elsewhere: bool,
    /// The newest message when the subscription was confirmed: what comes after it is sent in any case.
    pub(super) confirmed_at: u64,
    /// Since when everything is wanted.
    pub(super) since_ms: u64,
    pub(super) fetched: Arc<FetchedSubscription>,
}

impl HistoryFetch {
    /// Fetches, and answers the client.
    pub(super) async fn run(self) {
        let lock = self.locks.of(&self.stream);
        let fetched = timeout(FETCHED_WITHIN, async {
            let _turn = lock.lock().await;
            // Another client's fetch may have brought it.
            if self.answer(None) { Some(true) } else { self.fetch().await.then(|| self.answer(Some(self.since_ms))) }
        });
        if fetched.await.ok().flatten() != Some(true) {
            self.reject();
        }
    }

    /// Whether everything since that time is here now.
    async fn fetch(&self) -> bool {
        let Ok(_permit) = self.locks.permits.acquire().await else { return false };
        let age_ms = age_ms(self.since_ms, self.hub.history.now());
        let query = Query::Messages { stream: self.stream.clone(), age_ms };
        let Some(Found::Messages(Some(past))) = self.queries.ask(query, Priority::Ordinary).await else { return false };
        self.hub.history.lock(&self.stream).merge(past, self.since_ms, self.hub.history.now());
        true
    }

    /// Sends what was missed, if it is known; the subscription listens from then on.
    fn answer(&self, fetched_since_ms: Option<u64>) -> bool {
        let mut state = self.fetched.0.lock();
        let FetchState::UnderWay { listens } = *state else { return true };
        let asked = Asked { request: &self.request, from_elsewhere: self.from_elsewhere, fetched_since_ms };
        let Some(prefix) = self.connection.prefix(self.subscription) else { return true };
        let answered = if listens {
            self.hub.replay(&self.stream, (&prefix, &self.connection), asked)
        } else {
            self.hub.listen_named(&self.stream, &self.subscriber(&prefix), None, Some(asked))
        };
        if answered.is_ok() {
            *state = FetchState::Answered;
        }
        answered.is_ok()
    }

    fn reject(&self) {
        let mut state = self.fetched.0.lock();
        let Some(prefix) = self.connection.prefix(self.subscription) else { return };
        if let FetchState::UnderWay { listens } = *state {
            let unheard_after = (!listens).then_some(self.confirmed_at);
            self.hub.reject_history(&self.stream, &self.subscriber(&prefix), unheard_after);
            *state = FetchState::Answered;
        }
    }

    fn subscriber<'a>(&'a self, prefix: &'a Prefix) -> Subscriber<'a> {
        Subscriber { connection: &self.connection, subscription: self.subscription, prefix }
    }
}
