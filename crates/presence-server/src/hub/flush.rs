//! One flush of an audience: its content, encoded once for each protocol among the listeners, on its way to all of them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use presence_core::ConnectionId;
use tokio::time::Instant;

use super::audience::FlushQueue;
use super::frame::Frame;
use super::listeners::{Listener, ListenerKey, SameKeyRun};
use super::shared::HubShared;
use crate::close_reason::CloseReason;

/// The content of one flush, and how it goes to every listener.
#[derive(Debug)]
pub(super) struct Flush<B> {
    pub(super) batch: B,
    /// The one connection that it does not go to.
    pub(super) except: Option<ConnectionId>,
    pub(super) delivery: Delivery,
    /// How many messages leave together.
    pub(super) messages: usize,
    /// Drawings that leave as a part of another one.
    pub(super) folded: usize,
}

/// How a flush is delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Delivery {
    /// It draws, and may be dropped: the room is shown whole later. The ordinal is the place of its last fragments among
    /// all drawings that were sent.
    Drawing { ordinal: u64 },
    /// It is never dropped.
    Always,
    /// Something was lost: the socket is closed, and its client asks for what it missed.
    Close,
}

impl<B> Flush<B> {
    /// One that may be dropped, for each listener that was not shown all of it already.
    pub(super) fn drawing(batch: B, ordinal: u64) -> Self {
        Self { batch, except: None, delivery: Delivery::Drawing { ordinal }, messages: 1, folded: 0 }
    }
}

/// A flush on its way. Several tasks write it side by side: each takes the next listeners until none are left.
pub(super) struct FlushCursor<Q: FlushQueue> {
    flush: Flush<Q::Batch>,
    /// The bodies of each protocol, by its number.
    encoded: Box<[OnceLock<Vec<Bytes>>]>,
    position: Mutex<CursorPosition>,
    shared: Arc<HubShared>,
    begun: Instant,
}

enum CursorPosition {
    Start,
    After(ListenerKey),
    End,
}

impl<Q: FlushQueue> FlushCursor<Q> {
    pub(super) fn new(flush: Flush<Q::Batch>, shared: &Arc<HubShared>) -> Self {
        let encoded = (0..shared.protocols.len()).map(|_| OnceLock::new()).collect();
        shared.stats.folded.add(flush.folded as u64);
        let (position, shared) = (Mutex::new(CursorPosition::Start), Arc::clone(shared));
        Self { flush, encoded, position, shared, begun: Instant::now() }
    }

    /// All listeners were written to. Returns how long that took.
    pub(super) fn end(&self) -> Duration {
        let took = self.begun.elapsed();
        self.shared.stats.flushed(took);
        took
    }

    /// Takes the next listeners, in the order in which they are found by `part`; none where all were taken.
    pub(super) fn next(
        &self,
        part: impl FnOnce(Option<&ListenerKey>) -> (Vec<SameKeyRun>, Option<ListenerKey>),
    ) -> Vec<SameKeyRun> {
        let mut position = self.position.lock();
        let after = match &*position {
            CursorPosition::Start => None,
            CursorPosition::After(key) => Some(key),
            CursorPosition::End => return Vec::new(),
        };
        let (runs, last) = part(after);
        *position = last.map_or(CursorPosition::End, CursorPosition::After);
        runs
    }

    /// Writes to listeners with one prefix.
    pub(super) fn write(&self, run: &SameKeyRun) {
        let (now_ms, protocol) = (self.shared.clock.now_ms(), run.prefix.protocol());
        let encode = || Q::encode(&self.flush.batch, self.shared.protocols.encoder(protocol));
        let bodies = self.encoded[protocol.index()].get_or_init(encode);
        if bodies.is_empty() && self.flush.delivery != Delivery::Close {
            return;
        }
        self.shared.stats.delivered(run.listeners.len());
        let frame = Frame::messages(run.prefix.as_str(), bodies, run.listeners.len());
        for Listener { connection, subscription } in &run.listeners {
            match self.flush.delivery {
                _ if self.flush.except == Some(connection.id) => {}
                Delivery::Drawing { ordinal } => connection.draw(&frame, *subscription, ordinal, now_ms),
                Delivery::Always => connection.send(&frame, now_ms),
                Delivery::Close => connection.close(CloseReason::Overflowed, now_ms),
            }
        }
    }
}
