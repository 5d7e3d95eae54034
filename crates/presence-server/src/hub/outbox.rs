//! What waits for a socket that can't take it now: bounded, and honest about what was dropped.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use presence_core::SubscriptionId;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::transport::Transport;

/// A shared body up to this size is copied behind its opening: one plain write costs less than two pieces do.
const COPIED_BYTES_MAX: usize = 4_096;
/// Longest header of a frame that is not masked.
const HEADER_BYTES: usize = 10;
/// Delivery many pieces leave in one write.
const PIECES_MAX: usize = 64;

/// A WebSocket frame as it is written: header and all that is a socket's own, then what is shared by many.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    own: Bytes,
    shared: Bytes,
    /// The page's script never sees it.
    control: bool,
}

impl Frame {
    fn new(own: Bytes, shared: Bytes) -> Self {
        Self { own, shared, control: false }
    }

    /// Text that is never dropped.
    pub(crate) fn text(text: &str) -> Self {
        Self::new(framed(OpCode::Data(Data::Text), &[text.as_bytes()], 0), Bytes::new())
    }

    /// A message to one subscription; `body` is shared with others where it is large.
    pub(crate) fn message(opening: &str, body: &Bytes) -> Self {
        Self::messages(opening, std::slice::from_ref(body), false)
    }

    /// Messages to one subscription, or to several with one key, that leave in one write.
    pub(crate) fn messages(opening: &str, bodies: &[Bytes], shared: bool) -> Self {
        match bodies {
            [body] if body.len() > COPIED_BYTES_MAX && !shared => {
                Self::new(framed(OpCode::Data(Data::Text), &[opening.as_bytes()], body.len()), body.clone())
            }
            _ => {
                let length: usize = bodies.iter().map(|body| opening.len() + body.len() + HEADER_BYTES).sum();
                let mut bytes = Vec::with_capacity(length);
                for body in bodies {
                    frame(&mut bytes, OpCode::Data(Data::Text), &[opening.as_bytes(), body], 0);
                }
                Self::new(bytes.into(), Bytes::new())
            }
        }
    }

    /// A ping, a pong or a close frame; never dropped.
    pub(crate) fn control(control: Control, payload: &[u8]) -> Self {
        Self { control: true, ..Self::new(framed(OpCode::Control(control), &[payload], 0), Bytes::new()) }
    }

    /// Both in one write: what a browser's protocol and a page's script are told that somebody is there.
    pub(crate) fn signs_of_life(probe: [u8; 8], ping: &Self) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + probe.len() + ping.own.len());
        frame(&mut bytes, OpCode::Control(Control::Ping), &[&probe], 0);
        bytes.extend_from_slice(&ping.own);
        Self::new(bytes.into(), Bytes::new())
    }

    pub(crate) fn is_control(&self) -> bool {
        self.control
    }

    pub(crate) fn len(&self) -> usize {
        self.own.len() + self.shared.len()
    }

    /// Writes what the socket takes of it at once.
    fn write(&self, stream: &Transport) -> io::Result<usize> {
        if self.shared.is_empty() {
            stream.try_write(&self.own)
        } else {
            stream.try_write_vectored(&[IoSlice::new(&self.own), IoSlice::new(&self.shared)])
        }
    }

    /// Takes written bytes off the front; returns how many of `count` were not this frame's.
    fn advance(&mut self, count: usize) -> usize {
        let own = count.min(self.own.len());
        self.own.advance(own);
        let shared = (count - own).min(self.shared.len());
        self.shared.advance(shared);
        count - own - shared
    }
}

/// A frame's header and these pieces; `more` payload bytes are written after it.
fn framed(opcode: OpCode, pieces: &[&[u8]], more: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(pieces.iter().map(|piece| piece.len()).sum::<usize>() + HEADER_BYTES);
    frame(&mut bytes, opcode, pieces, more);
    bytes.into()
}

fn frame(bytes: &mut Vec<u8>, opcode: OpCode, pieces: &[&[u8]], more: usize) {
    let length = pieces.iter().map(|piece| piece.len()).sum::<usize>() + more;
    let header = FrameHeader { is_final: true, rsv1: false, rsv2: false, rsv3: false, opcode, mask: None };
    header.format(length as u64, bytes).expect("writing to memory can't fail");
    pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sent {
    /// All of it is in the kernel's hands.
    Whole,
    /// It waits, wholly or in part; somebody must write when the socket can take more.
    Waits,
    /// It was dropped; its subscription will be shown whole later.
    Dropped,
    /// Not even what must not be dropped has room.
    Full,
    /// The connection is broken.
    Broken,
}

/// The queue of one socket.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// With the subscription that a frame draws fragments for: such a one may be dropped, since the room is shown whole
    /// later.
    waiting: VecDeque<(Frame, Option<SubscriptionId>)>,
    bytes: usize,
    /// The first frame was begun: its rest must follow.
    begun: bool,
    /// The transport took something that the kernel has not.
    held: bool,
    stale: Vec<SubscriptionId>,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && !self.held
    }

    /// Sends a frame, or keeps what the socket does not take, `limit` bytes in all. A frame that finds nothing waiting
    /// is taken whatever its size.
    pub(crate) fn send(
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
                    self.held = stream.try_flush().is_err();
                    return if self.held { Sent::Waits } else { Sent::Whole };
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
        self.waiting.push_back((rest, drawing));
        Sent::Waits
    }

    /// Drops fragments that wait, but for the rest of a frame begun. Their subscriptions are shown whole later.
    pub(crate) fn drop_drawings(&mut self) {
        let first = usize::from(self.begun);
        let dropped: Vec<_> = self.waiting.iter().skip(first).filter_map(|(_, drawing)| *drawing).collect();
        dropped.into_iter().for_each(|subscription| self.expect_whole(subscription));
        let mut index = 0;
        self.waiting.retain(|(_, drawing)| {
            index += 1;
            index <= first || drawing.is_none()
        });
        self.bytes = self.waiting.iter().map(|(frame, _)| frame.len()).sum();
    }

    fn expect_whole(&mut self, subscription: SubscriptionId) {
        if !self.stale.contains(&subscription) {
            self.stale.push(subscription);
        }
    }

    /// The subscriptions that have lost fragments, once: from now on they are sent fragments again.
    pub(crate) fn take_stale(&mut self) -> Vec<SubscriptionId> {
        std::mem::take(&mut self.stale)
    }

    /// Writes what waits, many frames in one write. Returns how many bytes the socket took.
    pub(crate) fn write(&mut self, stream: &Transport) -> io::Result<usize> {
        let mut taken = 0;
        while !self.waiting.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
            let mut used = 0;
            for (frame, _) in self.waiting.iter().take(PIECES_MAX / 2) {
                for piece in [&frame.own, &frame.shared].into_iter().filter(|piece| !piece.is_empty()) {
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
        let held = match stream.try_flush() {
            Ok(()) => false,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => true,
            Err(error) => return Err(error),
        };
        let gone = std::mem::replace(&mut self.held, held) && !held;
        Ok(taken + usize::from(gone))
    }

    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some((first, _)) = self.waiting.front_mut() {
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
