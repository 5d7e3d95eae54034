//! What waits for a socket that can't take it now: bounded, and honest about what was dropped.

use std::collections::VecDeque;
use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use presence_core::SubscriptionId;
use tokio::net::TcpStream;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// A shared body up to this size is copied behind its opening: one plain write costs less than two pieces do.
const COPIED_BYTES_MAX: usize = 4_096;
/// How many pieces leave in one write.
const PIECES_MAX: usize = 64;

/// A WebSocket frame as it is written: header and all that is a socket's own, then what is shared by many.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    own: Bytes,
    shared: Bytes,
    /// The subscription that it draws fragments for: such a frame may be dropped, since the room is shown whole later.
    drawing: Option<SubscriptionId>,
    /// The page's script never sees it.
    control: bool,
}

impl Frame {
    fn new(own: Bytes, shared: Bytes) -> Self {
        Self { own, shared, drawing: None, control: false }
    }

    /// Text that is never dropped.
    pub(crate) fn text(text: &str) -> Self {
        Self::new(framed(OpCode::Data(Data::Text), &[text.as_bytes()], 0), Bytes::new())
    }

    /// A message to one subscription; `body` is shared with others where it is large.
    pub(crate) fn message(opening: &str, body: &Bytes) -> Self {
        if body.len() <= COPIED_BYTES_MAX {
            return Self::whole_message(opening, body);
        }
        Self::new(framed(OpCode::Data(Data::Text), &[opening.as_bytes()], body.len()), body.clone())
    }

    /// The same in one piece, for many subscriptions that have one key.
    pub(crate) fn whole_message(opening: &str, body: &Bytes) -> Self {
        Self::new(framed(OpCode::Data(Data::Text), &[opening.as_bytes(), body], 0), Bytes::new())
    }

    /// A ping, a pong or a close frame; never dropped.
    pub(crate) fn control(control: Control, payload: &[u8]) -> Self {
        Self { control: true, ..Self::new(framed(OpCode::Control(control), &[payload], 0), Bytes::new()) }
    }

    /// It draws fragments for that subscription, and may be dropped.
    pub(crate) fn drawing(self, subscription: SubscriptionId) -> Self {
        Self { drawing: Some(subscription), ..self }
    }

    pub(crate) fn is_control(&self) -> bool {
        self.control
    }

    pub(crate) fn len(&self) -> usize {
        self.own.len() + self.shared.len()
    }

    /// Writes what the socket takes of it at once.
    fn write(&self, stream: &TcpStream) -> io::Result<usize> {
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
    let length = pieces.iter().map(|piece| piece.len()).sum::<usize>();
    let mut bytes = Vec::with_capacity(length + 10);
    let header = FrameHeader { is_final: true, rsv1: false, rsv2: false, rsv3: false, opcode, mask: None };
    header.format((length + more) as u64, &mut bytes).expect("writing to memory can't fail");
    pieces.iter().for_each(|piece| bytes.extend_from_slice(piece));
    bytes.into()
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
    waiting: VecDeque<Frame>,
    bytes: usize,
    /// The first frame was begun: its rest must follow.
    begun: bool,
    stale: Vec<SubscriptionId>,
}

impl Outbox {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Sends a frame, or keeps what the socket does not take, `limit` bytes in all. A frame that finds nothing waiting
    /// is taken whatever its size.
    pub(crate) fn send(&mut self, mut frame: Frame, stream: &TcpStream, limit: usize) -> Sent {
        if frame.drawing.is_some_and(|subscription| self.stale.contains(&subscription)) {
            return Sent::Dropped;
        }
        if self.waiting.is_empty() {
            match frame.write(stream) {
                Ok(count) if count == frame.len() => return Sent::Whole,
                Ok(count) => {
                    self.begun = count > 0;
                    frame.advance(count);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.begun = false,
                Err(_) => return Sent::Broken,
            }
        } else if self.bytes + frame.len() > limit {
            self.drop_drawings();
            if let Some(subscription) = frame.drawing {
                self.expect_whole(subscription);
                return Sent::Dropped;
            }
            if self.bytes + frame.len() > limit {
                return Sent::Full;
            }
        }
        self.bytes += frame.len();
        self.waiting.push_back(frame);
        Sent::Waits
    }

    /// Drops fragments that wait, but for the rest of a frame begun. Their subscriptions are shown whole later.
    pub(crate) fn drop_drawings(&mut self) {
        let first = usize::from(self.begun);
        let dropped: Vec<_> = self.waiting.iter().skip(first).filter_map(|frame| frame.drawing).collect();
        dropped.into_iter().for_each(|subscription| self.expect_whole(subscription));
        let mut index = 0;
        self.waiting.retain(|frame| {
            index += 1;
            index <= first || frame.drawing.is_none()
        });
        self.bytes = self.waiting.iter().map(Frame::len).sum();
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
    pub(crate) fn write(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let mut taken = 0;
        while !self.waiting.is_empty() {
            let mut pieces = [IoSlice::new(&[]); PIECES_MAX];
            let mut used = 0;
            for frame in self.waiting.iter().take(PIECES_MAX / 2) {
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
        Ok(taken)
    }

    fn advance(&mut self, mut count: usize) {
        self.bytes -= count;
        while let Some(first) = self.waiting.front_mut() {
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
