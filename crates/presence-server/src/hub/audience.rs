//! Everybody on this node who listens to one thing, and what waits to be written to all of them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use presence_cable::Identifier;
use presence_core::{ConnectionId, SubscriptionId};

use super::connection::Connection;
use super::outbox::Frame;
use super::pulse::Clock;
use crate::socket::CloseReason;

/// How many listeners are written to before other tasks have their turn: about 2 ms.
const PART: usize = 256;
/// Audiences up to this size are written to at once, without a task of their own.
const SMALL: usize = 8;

/// What waits in an audience while an earlier flush is being written.
pub(super) trait Waiting: Default + Debug + Send + 'static {
    /// What comes in.
    type New;
    /// What goes out in one flush.
    type Batch;

    /// Adds to what waits; bounded, however often it is called.
    fn add(&mut self, new: Self::New);

    /// All that waits and fits into one flush; `None` where nothing does.
    fn take(&mut self) -> Option<Self::Batch>;

    /// What is written. Called outside the audience's lock.
    fn seal(batch: Self::Batch) -> Letter;
}

/// What goes to every listener.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// The body of the frames, which follows an identifier's opening.
    pub(super) body: Bytes,
    /// Not to this one.
    pub(super) except: Option<ConnectionId>,
    pub(super) how: How,
}

impl Letter {
    /// One for everybody that may be dropped.
    pub(super) fn drawing(body: Bytes) -> Self {
        Self { body, except: None, how: How::Drawing }
    }
}

/// How it goes there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    /// It draws, and may be dropped: what it is about is shown whole later.
    Drawing,
    /// It is never dropped.
    Always,
    /// Something was lost: the socket is closed, and its client asks for what it missed.
    Close,
}

/// One subscription that listens.
#[derive(Clone, Debug)]
struct Listener {
    connection: Arc<Connection>,
    subscription: SubscriptionId,
}

/// Sorted by key, so that subscriptions with one key, to which the very same bytes go, stand together.
type Key = (Identifier, ConnectionId);

#[derive(Debug, Default)]
pub(super) struct Audience<W>(Mutex<Inner<W>>);

#[derive(Debug, Default)]
struct Inner<W> {
    listeners: BTreeMap<Key, Listener>,
    waiting: W,
    flushing: bool,
}

impl<W: Waiting> Audience<W> {
    fn lock(&self) -> MutexGuard<'_, Inner<W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn join(&self, identifier: Identifier, subscription: SubscriptionId, connection: &Arc<Connection>) {
        let mut inner = self.lock();
        // One allocation for all that have this key: it is found equal without being read, and kept once.
        let from = (identifier, ConnectionId(0));
        let known = inner.listeners.range(&from..).next().map(|((known, _), _)| known);
        let identifier = known.filter(|known| **known == from.0).unwrap_or(&from.0).clone();
        let listener = Listener { connection: Arc::clone(connection), subscription };
        inner.listeners.insert((identifier, connection.id), listener);
    }

    pub(super) fn leave(&self, identifier: &Identifier, connection: ConnectionId) {
        self.lock().listeners.remove(&(identifier.clone(), connection));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().listeners.is_empty()
    }

    /// Reads or changes what waits, and what is kept beside it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut W) -> T) -> T {
        change(&mut self.lock().waiting)
    }

    /// Writes to every listener. While an earlier flush is being written this waits, together with what else does.
    pub(super) fn broadcast(self: &Arc<Self>, new: W::New, clock: &Clock) {
        let mut inner = self.lock();
        if inner.listeners.is_empty() {
            return;
        }
        inner.waiting.add(new);
        if inner.flushing {
            return;
        }
        inner.flushing = true;
        let small = inner.listeners.len() <= SMALL;
        drop(inner);
        if small {
            while let Some(letter) = self.take() {
                self.write_part(&letter, None, clock.now_ms());
            }
        } else {
            let (audience, clock) = (Arc::clone(self), clock.clone());
            tokio::spawn(async move { audience.flush(&clock).await });
        }
    }

    async fn flush(&self, clock: &Clock) {
        while let Some(letter) = self.take() {
            let mut after = None;
            loop {
                after = self.write_part(&letter, after, clock.now_ms());
                if after.is_none() {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    }

    /// The body of what waits, encoded once; `None` ends the flush.
    fn take(&self) -> Option<Letter> {
        let batch = {
            let mut inner = self.lock();
            let batch = inner.waiting.take();
            inner.flushing = batch.is_some();
            batch
        };
        batch.map(W::seal)
    }

    /// Writes to some listeners, those after `after`; returns the last one where there may be more.
    fn write_part(&self, letter: &Letter, after: Option<Key>, now_ms: u64) -> Option<Key> {
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
                    last.insert((identifier, make(identifier.opening(), &letter.body))).1.clone()
                }
            };
            match letter.how {
                _ if letter.except == Some(listener.connection.id) => {}
                How::Drawing => listener.connection.send(frame.drawing(listener.subscription), now_ms),
                How::Always => listener.connection.send(frame, now_ms),
                How::Close => listener.connection.close(CloseReason::Overflowed, now_ms),
            }
        }
        if part.len() < PART { None } else { part.into_iter().next_back().map(|(key, _)| key) }
    }
}
