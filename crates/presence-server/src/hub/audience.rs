//! Everybody on this node who listens to one stream, and the fragments that wait to be drawn there.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use presence_cable::{Identifier, morphs};
use presence_core::{ConnectionId, Fragment, SubscriptionId, fold};

use super::connection::Connection;
use super::outbox::Frame;
use super::pulse::Clock;

/// How many listeners are written to before other tasks have their turn: about 2 ms.
const PART: usize = 256;
/// Audiences up to this size are written to at once, without a task of their own.
const SMALL: usize = 8;
/// How many flushes may wait behind the one that is being written before they are folded into one.
const PENDING_MAX: usize = 8;

/// One subscription that listens.
#[derive(Clone, Debug)]
struct Listener {
    connection: Arc<Connection>,
    subscription: SubscriptionId,
}

/// Sorted by key, so that subscriptions with one key, to which the very same bytes go, stand together.
type Key = (Identifier, ConnectionId);

#[derive(Debug, Default)]
pub(crate) struct Audience(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    listeners: BTreeMap<Key, Listener>,
    pending: Vec<Arc<[Fragment]>>,
    flushing: bool,
}

impl Audience {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn join(&self, identifier: Identifier, subscription: SubscriptionId, connection: &Arc<Connection>) {
        let mut inner = self.lock();
        // One allocation for all that have this key: it is found equal without being read, and kept once.
        let from = (identifier, ConnectionId(0));
        let known = inner.listeners.range(&from..).next().map(|((known, _), _)| known);
        let identifier = known.filter(|known| **known == from.0).unwrap_or(&from.0).clone();
        let listener = Listener { connection: Arc::clone(connection), subscription };
        inner.listeners.insert((identifier, connection.id), listener);
    }

    pub(crate) fn leave(&self, identifier: &Identifier, connection: ConnectionId) {
        self.lock().listeners.remove(&(identifier.clone(), connection));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().listeners.is_empty()
    }

    /// Draws the fragments on every listener's page. While an earlier flush is being written these wait, and are folded
    /// with what else waits.
    pub(crate) fn broadcast(self: &Arc<Self>, fragments: Arc<[Fragment]>, clock: &Clock) {
        let mut inner = self.lock();
        if inner.listeners.is_empty() {
            return;
        }
        if inner.pending.len() == PENDING_MAX {
            let folded = folded(&std::mem::take(&mut inner.pending));
            inner.pending.push(folded);
        }
        inner.pending.push(fragments);
        if inner.flushing {
            return;
        }
        inner.flushing = true;
        let small = inner.listeners.len() <= SMALL;
        drop(inner);
        if small {
            while let Some(body) = self.take() {
                self.write_part(&body, None, clock.now_ms());
            }
        } else {
            let (audience, clock) = (Arc::clone(self), clock.clone());
            tokio::spawn(async move { audience.flush(&clock).await });
        }
    }

    async fn flush(&self, clock: &Clock) {
        while let Some(body) = self.take() {
            let mut after = None;
            loop {
                after = self.write_part(&body, after, clock.now_ms());
                if after.is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    /// The body of what waits, encoded once; `None` ends the flush.
    fn take(&self) -> Option<Bytes> {
        let pending = {
            let mut inner = self.lock();
            let pending = std::mem::take(&mut inner.pending);
            inner.flushing = !pending.is_empty();
            pending
        };
        match &*pending {
            [] => None,
            [fragments] => Some(morphs(fragments).into()),
            several => Some(morphs(&folded(several)).into()),
        }
    }

    /// Writes to some listeners, those after `after`; returns the last one where there may be more.
    fn write_part(&self, body: &Bytes, after: Option<Key>, now_ms: u64) -> Option<Key> {
        let part: Vec<(Key, Listener)> = {
            let begin = after.map_or(Bound::Unbounded, Bound::Excluded);
            let inner = self.lock();
            let listeners = inner.listeners.range((begin, Bound::Unbounded)).take(PART);
            listeners.map(|(key, listener)| (key.clone(), listener.clone())).collect()
        };
        let mut last: Option<(&Identifier, Frame)> = None;
        for (index, ((identifier, _), listener)) in part.iter().enumerate() {
            let frame = match &last {
                Some((same, frame)) if same.is(identifier) => frame.clone(),
                _ => {
                    let shared = part.get(index + 1).is_some_and(|((next, _), _)| next.is(identifier));
                    let make = if shared { Frame::whole_message } else { Frame::message };
                    last.insert((identifier, make(identifier.opening(), body))).1.clone()
                }
            };
            listener.connection.send(frame.drawing(listener.subscription), now_ms);
        }
        if part.len() < PART { None } else { part.into_iter().next_back().map(|(key, _)| key) }
    }
}

fn folded(several: &[Arc<[Fragment]>]) -> Arc<[Fragment]> {
    fold(several.iter().flat_map(|fragments| fragments.iter().cloned()).collect()).into()
}
