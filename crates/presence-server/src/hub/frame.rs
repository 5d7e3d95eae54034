//! WebSocket frames as they are written.

use std::io::{self, IoSlice};

use bytes::{Buf, Bytes};
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::transport::Transport;

/// A shared body up to this size is copied behind its prefix: one plain write costs less than two pieces do.
const COPIED_BYTES_MAX: usize = 4_096;
/// Longest header of a frame that is not masked.
const HEADER_BYTES: usize = 10;

/// A frame, or several in one write: the part of one socket, then the part that many share.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    own: Bytes,
    shared: Bytes,
    /// What it is, if the page's script never sees it.
    control: Option<Control>,
    /// How many frames of WebSocket these are.
    count: u32,
}

impl Frame {
    fn new(own: Bytes, shared: Bytes, count: usize) -> Self {
        Self { own, shared, control: None, count: u32::try_from(count).unwrap_or(u32::MAX) }
    }

    /// Text that is never dropped.
    pub(crate) fn text(text: &str) -> Self {
        Self::new(framed(OpCode::Data(Data::Text), &[text.as_bytes()], 0), Bytes::new(), 1)
    }

    /// A message to one subscription; `body` is shared with others where it is large.
    pub(crate) fn message(prefix: &str, body: &Bytes) -> Self {
        Self::messages(prefix, std::slice::from_ref(body), 1)
    }

    /// Messages, in one write, to this many subscriptions with one prefix.
    pub(super) fn messages(prefix: &str, bodies: &[Bytes], subscriptions: usize) -> Self {
        match bodies {
            [body] if body.len() > COPIED_BYTES_MAX && subscriptions == 1 => {
                Self::new(framed(OpCode::Data(Data::Text), &[prefix.as_bytes()], body.len()), body.clone(), 1)
            }
            _ => {
                let length: usize = bodies.iter().map(|body| prefix.len() + body.len() + HEADER_BYTES).sum();
                let mut bytes = Vec::with_capacity(length);
                for body in bodies {
                    frame(&mut bytes, OpCode::Data(Data::Text), &[prefix.as_bytes(), body], 0);
                }
                Self::new(bytes.into(), Bytes::new(), bodies.len())
            }
        }
    }

    /// A ping, a pong or a close frame; never dropped.
    pub(crate) fn control(control: Control, payload: &[u8]) -> Self {
        Self { control: Some(control), ..Self::new(framed(OpCode::Control(control), &[payload], 0), Bytes::new(), 1) }
    }

    /// A ping of WebSocket and one for the page's script, in one write.
    pub(super) fn both_pings(probe: [u8; 8], ping: &Self) -> Self {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + probe.len() + ping.own.len());
        frame(&mut bytes, OpCode::Control(Control::Ping), &[&probe], 0);
        bytes.extend_from_slice(&ping.own);
        Self::new(bytes.into(), Bytes::new(), 2)
    }

    /// Text, and the close frame with this code, in one write.
    pub(crate) fn text_and_close(text: &str, code: u16) -> Self {
        let mut bytes = Vec::with_capacity(2 * HEADER_BYTES + text.len());
        frame(&mut bytes, OpCode::Data(Data::Text), &[text.as_bytes()], 0);
        frame(&mut bytes, OpCode::Control(Control::Close), &[&code.to_be_bytes()], 0);
        Self::new(bytes.into(), Bytes::new(), 2)
    }

    pub(crate) fn is_control(&self) -> bool {
        self.control.is_some()
    }

    pub(super) fn is_pong(&self) -> bool {
        self.control == Some(Control::Pong)
    }

    /// How many frames of WebSocket these are.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    pub(crate) fn len(&self) -> usize {
        self.own.len() + self.shared.len()
    }

    /// Writes as much as the socket takes at once.
    pub(crate) fn write(&self, stream: &Transport) -> io::Result<usize> {
        if self.shared.is_empty() {
            stream.try_write(&self.own)
        } else {
            stream.try_write_vectored(&[IoSlice::new(&self.own), IoSlice::new(&self.shared)])
        }
    }

    /// Removes written bytes from the front; returns how many of `count` were not this frame's.
    pub(super) fn advance(&mut self, count: usize) -> usize {
        let own = count.min(self.own.len());
        self.own.advance(own);
        let shared = (count - own).min(self.shared.len());
        self.shared.advance(shared);
        count - own - shared
    }

    /// What is still to be written, in at most two pieces.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        [&self.own[..], &self.shared[..]].into_iter().filter(|piece| !piece.is_empty())
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
