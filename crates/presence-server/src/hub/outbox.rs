//! What waits for a socket that can't take it now; bounded, and aware of what was dropped.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use presence_core::SubscriptionId;

use super::frame::Frame;
use crate::transport::Transport;

/// How many pieces leave in one write.
const PIECES_MAX: usize = 64;

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

/// The queue of one socket.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<QueuedFrame>,
    bytes: usize,
    /// The first frame was written in part: its rest must follow.
    begun: bool,
    /// The transport took something that the kernel has not taken yet.
    unflushed: bool,
    stale: Vec<SubscriptionId>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.unflushed
    }

    pub(super) fn state(&self) -> OutboxState {
        if self.is_empty() { OutboxState::Empty } else { OutboxState::Waiting }
    }

    /// Sends a frame, or keeps what the socket does not take, `limit` bytes in all. A frame that finds nothing waiting
    /// is taken whatever its size.
    pub(super) fn send(
        &mut self,
        frame: &Frame,
        drawing: Option<SubscriptionId>,
        stream: &Transport,
        limit: usize,
    ) -> Sent {
        if drawing.is_some_and(|subscription| self.stale.contains(&subscription)) {
            return Sent::Dropped;
        }
        let mut taken = 0;
        if self.is_empty() {
            match frame.write(stream) {
                Ok(count) if count == frame.len() => {
                    self.unflushed = stream.try_flush().is_err();
                    return if self.unflushed { Sent::Waits } else { Sent::Whole };
                }
                Ok(count) => {
                    self.begun = count > 0;
                    taken = count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.begun = false,
                Err(_) => return Sent::Broken,
            }
        } else if self.bytes + frame.len() > limit {
            self.drop_drawings();
            if let Some(subscription) = drawing {
                self.expect_whole(subscription);
                return Sent::Dropped;
            }
            if self.bytes + frame.len() > limit {
                return Sent::Full;
            }
        }
        let mut rest = frame.clone();
        rest.advance(taken);
        self.bytes += rest.len();
        self.waiting.push_back(QueuedFrame { frame: rest, drawing });
        Sent::Waits
    }

    /// Drops fragments that wait, except the rest of a frame written in part. Their subscriptions are shown whole later.
    pub(super) fn drop_drawings(&mut self) {
        let first = usize::from(self.begun);
        let dropped: Vec<_> = self.waiting.iter().skip(first).filter_map(|queued| queued.drawing).collect();
        dropped.into_iter().for_each(|subscription| self.expect_whole(subscription));
        let mut index = 0;
        self.waiting.retain(|queued| {
            index += 1;
            index <= first || queued.drawing.is_none()
        });
        self.bytes = self.waiting.iter().map(|queued| queued.frame.len()).sum();
    }

    fn expect_whole(&mut self, subscription: SubscriptionId) {
        if !self.stale.contains(&subscription) {
            self.stale.push(subscription);
        }
    }

    /// Takes the subscriptions that have lost fragments: from now on they are sent fragments again.
    pub(super) fn take_stale(&mut self) -> Vec<SubscriptionId> {
        std::mem::take(&mut self.stale)
    }

    /// Writes what waits, many frames in one write. Returns how many bytes the socket took.
    pub(super) fn write(&mut self, stream: &Transport) -> io::Result<usize> {
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
            self.begun = false;
        }
    }
}
