//! What waits for a socket that can't take it now; bounded, and aware of what was dropped.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use presence_core::SubscriptionId;

use super::frame::Frame;
use crate::transport::Transport;

/// How many pieces leave in one write.
const PIECES_MAX: usize = 64;

/// What a frame that waits takes besides its bytes: its place in a queue that may have just doubled, and its allocations.
pub(crate) const QUEUED_BYTES: usize = 2 * size_of::<QueuedFrame>() + 96;

/// Whether something waits for a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum OutboxState {
    Empty,
    Waiting,
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sent {
    /// All of it was handed to the kernel.
    Whole,
    /// It waits, wholly or in part: a task must write when the socket can take more.
    Waits,
    /// It was dropped; its subscription will be shown whole later.
    Dropped,
    /// There is no room even for what must not be dropped.
    Full,
    /// The connection is broken.
    Broken,
}

/// A frame that waits.
#[derive(Debug)]
struct QueuedFrame {
    frame: Frame,
    /// The subscription that it draws fragments for: it may be dropped, since the room is shown whole later.
    drawing: Option<SubscriptionId>,
}

impl QueuedFrame {
    fn cost(&self) -> usize {
        self.frame.len() + QUEUED_BYTES
    }
}

/// What waits for one socket: nothing at all for one that takes everything, as nearly all do.
#[derive(Debug, Default)]
pub(super) struct Outbox(Option<Box<Backlog>>);

/// The queue of a socket that is too slow.
#[derive(Debug, Default)]
struct Backlog {
    waiting: VecDeque<QueuedFrame>,
    /// What the waiting frames take.
    bytes: usize,
    /// The first frame was written in part: its rest must follow.
    begun: bool,
    /// The transport took something that the kernel has not taken yet.
    unflushed: bool,
    stale: Vec<SubscriptionId>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|backlog| backlog.waiting.is_empty() && !backlog.unflushed)
    }

    pub(super) fn state(&self) -> OutboxState {
        if self.is_empty() { OutboxState::Empty } else { OutboxState::Waiting }
    }

    /// What waits takes this many bytes of memory.
    pub(super) fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, |backlog| backlog.bytes)
    }

    fn is_stale(&self, subscription: SubscriptionId) -> bool {
        self.0.as_ref().is_some_and(|backlog| backlog.stale.contains(&subscription))
    }

    fn backlog(&mut self) -> &mut Backlog {
        self.0.get_or_insert_default()
    }

    /// Sends a frame, or keeps what the socket does not take, `limit` bytes in all, what keeping it takes included. A frame
    /// that finds nothing waiting is taken whatever its size.
    pub(super) fn send(
        &mut self,
        frame: &Frame,
        drawing: Option<SubscriptionId>,
        stream: &Transport,
        limit: usize,
    ) -> Sent {
        if drawing.is_some_and(|subscription| self.is_stale(subscription)) {
            return Sent::Dropped;
        }
        if !self.is_empty() {
            return self.backlog().add(frame, drawing, limit);
        }
        let taken = match frame.write(stream) {
            Ok(count) if count == frame.len() => {
                if stream.try_flush().is_ok() {
                    return Sent::Whole;
                }
                self.backlog().unflushed = true;
                return Sent::Waits;
            }
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(_) => return Sent::Broken,
        };
        let backlog = self.backlog();
        backlog.begun = taken > 0;
        backlog.push(frame, drawing, taken);
        Sent::Waits
    }

    /// Drops fragments that wait, except the rest of a frame written in part. Their subscriptions are shown whole later.
    pub(super) fn drop_drawings(&mut self) {
        if let Some(backlog) = &mut self.0 {
            backlog.drop_drawings();
        }
    }

    /// Takes the subscriptions that have lost fragments: from now on they are sent fragments again. Called when nothing waits.
    pub(super) fn take_stale(&mut self) -> Vec<SubscriptionId> {
        debug_assert!(self.is_empty(), "what waits would be lost");
        self.0.take().map(|backlog| backlog.stale).unwrap_or_default()
    }

    /// Writes what waits, many frames in one write. Returns how many bytes the socket took.
    pub(super) fn write(&mut self, stream: &Transport) -> io::Result<usize> {
        self.0.as_mut().map_or(Ok(0), |backlog| backlog.write(stream))
    }
}

impl Backlog {
    fn add(&mut self, frame: &Frame, drawing: Option<SubscriptionId>, limit: usize) -> Sent {
        if frame.is_pong() && self.replace_pong(frame) {
            return Sent::Waits;
        }
        if self.bytes + frame.len() + QUEUED_BYTES > limit {
            self.drop_drawings();
            if let Some(subscription) = drawing {
                self.expect_whole(subscription);
                return Sent::Dropped;
            }
            if self.bytes + frame.len() + QUEUED_BYTES > limit {
                return Sent::Full;
            }
        }
        self.push(frame, drawing, 0);
        Sent::Waits
    }

    /// Keeps a frame of which this much was written.
    fn push(&mut self, frame: &Frame, drawing: Option<SubscriptionId>, taken: usize) {
        let mut rest = frame.clone();
        rest.advance(taken);
        let queued = QueuedFrame { frame: rest, drawing };
        self.bytes += queued.cost();
        self.waiting.push_back(queued);
    }

    /// Answers the newest ping alone: only the answer to the most recent one is needed, by the protocol. Returns whether a
    /// pong waited.
    fn replace_pong(&mut self, pong: &Frame) -> bool {
        let waiting = self.waiting.iter_mut().skip(usize::from(self.begun));
        let Some(queued) = waiting.rev().find(|queued| queued.frame.is_pong()) else { return false };
        self.bytes = self.bytes + pong.len() - queued.frame.len();
        queued.frame = pong.clone();
        true
    }

    fn drop_drawings(&mut self) {
        let first = usize::from(self.begun);
        let dropped: Vec<_> = self.waiting.iter().skip(first).filter_map(|queued| queued.drawing).collect();
        dropped.into_iter().for_each(|subscription| self.expect_whole(subscription));
        let mut index = 0;
        self.waiting.retain(|queued| {
            index += 1;
            index <= first || queued.drawing.is_none()
        });
        self.bytes = self.waiting.iter().map(QueuedFrame::cost).sum();
    }

    fn expect_whole(&mut self, subscription: SubscriptionId) {
        if !self.stale.contains(&subscription) {
            self.stale.push(subscription);
        }
    }

    fn write(&mut self, stream: &Transport) -> io::Result<usize> {
        let mut taken = 0;
        while !self.waiting.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
            let mut used = 0;
            for queued in self.waiting.iter().take(PIECES_MAX / 2) {
                for piece in queued.frame.pieces() {
                    pieces[used] = IoSlice::new(piece);
                    used += 1;
                }
            }
            match stream.try_write_vectored(&pieces[..used]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    taken += count;
                    self.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
                Err(error) => return Err(error),
            }
        }
        self.waiting.shrink_to_fit();
        let unflushed = match stream.try_flush() {
            Ok(()) => false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(error) => return Err(error),
        };
        let gone = std::mem::replace(&mut self.unflushed, unflushed) && !unflushed;
        Ok(taken + usize::from(gone))
    }

    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(QueuedFrame { frame: first, .. }) = self.waiting.front_mut() {
            let before = count;
            count = first.advance(count);
            if first.len() > 0 {
                self.begun |= before > 0;
                return;
            }
            self.waiting.pop_front();
            self.bytes -= QUEUED_BYTES;
            self.begun = false;
        }
    }
}

#[cfg(test)]
mod tests;
