//! The reading half of one WebSocket: frames in, inputs to the driver.

mod action_cable;
mod action_cable_context;
mod frame_decoder;
mod history_fetch;
mod members;
mod presence_v1;
mod protocol;
mod rate_limit;
mod refused;
mod resumable;
mod session;
mod subscription_target;

use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use presence_core::{ConnectionId, Input};
use socket2::SockRef;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;
use tungstenite::protocol::frame::coding::Control;

pub(crate) use self::action_cable_context::{ActionCableContext, Visitor};
use self::frame_decoder::{Decoded, FrameDecoder, FrameError, HEADER_BYTES_MAX};
pub(crate) use self::presence_v1::{EmbedContext, EmbedVisitor};
use self::protocol::Protocol;
pub(crate) use self::protocol::{ENCODERS, SessionStart};
use self::rate_limit::RateLimit;
pub(crate) use self::refused::{RefusedClient, refuse};
pub(crate) use self::resumable::ResumableSessions;
use crate::close_reason::CloseReason;
use crate::hub::{Connection, Frame, Hub};
use crate::transport::Transport;

/// How much is read at once, besides an incomplete frame.
const READ_BYTES: usize = 16 * 1_024;
/// What a control frame or a part of a message counts in bytes, at least: handling an empty one is not free.
const FRAME_BYTES_MIN: usize = 1_024;

thread_local! {
    /// The buffer that all sockets of one worker thread read into, one after the other: a quiet connection keeps none.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// A connection that was upgraded to a WebSocket.
pub(crate) struct UpgradedSocket {
    pub(crate) transport: Transport,
    /// What the upgrade had read already.
    pub(crate) unread: Bytes,
    /// Its number, never used again while the process runs.
    pub(crate) id: ConnectionId,
}

/// Serves one WebSocket. Everything that is known of it is told to the driver, its end included.
///
/// The future is kept small: it is all that a quiet socket's task holds. `permits` are released at its end.
pub(crate) fn serve<P: Send + 'static>(
    socket: UpgradedSocket,
    start: SessionStart,
    hub: Arc<Hub>,
    inputs: mpsc::Sender<Input>,
    permits: P,
) -> impl Future<Output = CloseReason> + Send + use<P> {
    let UpgradedSocket { transport, unread, id } = socket;
    // Without the first a broadcast would wait for the one before; without the second a browser that does not read
    // would be noticed late. Where the system refuses one, the socket still works.
    let _slower = transport.stream().set_nodelay(true);
    let _later = SockRef::from(transport.stream()).set_send_buffer_size(hub.limits.send_buffer);
    let connection = hub.admit(id, start.encoder, transport, inputs);
    let session = (start.begin)(Arc::clone(&connection), Arc::clone(&hub));
    let (frames, kept, bytes) = (FrameDecoder::default(), unread.into(), RateLimit::of_bytes(&hub.limits));
    let mut reader = SocketReader { connection, hub, session, frames, kept, backlog: true, bytes, _permits: permits };
    // Lent: a future that was given it would have room for it twice, as an argument and as a variable.
    async move { reader.serve().await }
}

/// What a reading task does next.
enum Next {
    /// Wait for bytes.
    Wait,
    /// Let this time pass before reading on.
    Pause(Duration),
    /// It is over.
    End(CloseReason),
}

struct SocketReader<P> {
    connection: Arc<Connection>,
    hub: Arc<Hub>,
    session: Box<dyn Protocol>,
    frames: FrameDecoder,
    /// Bytes of an incomplete frame, or that wait for a pause to end.
    kept: Vec<u8>,
    /// Whether the kept bytes may hold whole frames.
    backlog: bool,
    /// How many bytes the browser may send.
    bytes: RateLimit,
    _permits: P,
}

/// Inputs that wait for room in the driver's queue, outside of their socket's task.
type Later = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<P> SocketReader<P> {
    async fn serve(&mut self) -> CloseReason {
        let reason = loop {
            let next = BUFFER.with_borrow_mut(|buffer| self.step(buffer));
            let inputs = self.session.take_inputs();
            match self.tell(inputs) {
                Ok(None) => {}
                Ok(Some(later)) => later.await,
                Err(reason) => break reason,
            }
            match next {
                Next::Wait => {
                    if self.connection.stream.readable().await.is_err() {
                        break self.connection.closing().unwrap_or(CloseReason::Lost);
                    }
                }
                // Boxed, since it is rare: a quiet socket has no room for it in its task.
                Next::Pause(time) => {
                    self.hub.socket_stats().pauses.add(1);
                    Box::pin(tokio::time::sleep(time)).await;
                }
                Next::End(reason) => break reason,
            }
        };
        self.session.end();
        self.hub.release(&self.connection, reason);
        let ended = Input::Disconnected { connection: self.connection.id, ended: reason.ended() };
        if let Ok(Some(later)) = self.tell(vec![ended]) {
            later.await;
        }
        tracing::debug!(connection.id = self.connection.id.0, reason = reason.as_str(), "socket ended");
        reason
    }

    /// Tells the driver; what it has no room for goes later. Fails if it has ended, and with it the node.
    fn tell(&self, inputs: Vec<Input>) -> Result<Option<Later>, CloseReason> {
        let mut inputs = inputs.into_iter();
        while let Some(input) = inputs.next() {
            match self.connection.inputs().try_send(input) {
                Ok(()) => {}
                Err(TrySendError::Closed(_)) => return Err(CloseReason::Drained),
                Err(TrySendError::Full(first)) => {
                    let driver = self.connection.inputs().clone();
                    return Ok(Some(Box::pin(async move {
                        for input in std::iter::once(first).chain(inputs) {
                            // Fails if it has ended: the next turn notices.
                            let _ended = driver.send(input).await;
                        }
                    })));
                }
            }
        }
        Ok(None)
    }

    /// Reads what is there and handles all of it; waits for nothing.
    fn step(&mut self, buffer: &mut Vec<u8>) -> Next {
        let room = self.hub.limits.frame_size + HEADER_BYTES_MAX + READ_BYTES;
        buffer.resize(room.max(self.kept.len()), 0);
        let mut filled = self.kept.len();
        buffer[..filled].copy_from_slice(&self.kept);
        if !std::mem::take(&mut self.backlog) {
            match self.connection.stream.try_read(&mut buffer[filled..]) {
                Ok(0) => return Next::End(self.connection.closing().unwrap_or(CloseReason::Lost)),
                Ok(count) => {
                    filled += count;
                    self.hub.socket_stats().received.bytes.add(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Next::Wait,
                Err(_) => return Next::End(self.connection.closing().unwrap_or(CloseReason::Lost)),
            }
        }
        if self.connection.closing().is_some() {
            // The session is over; reading on lets the close frame arrive before the connection is gone.
            self.kept = Vec::new();
            return Next::Wait;
        }
        let (used, next) = self.handle(&mut buffer[..filled]);
        // A new allocation of its size, or none: a quiet connection keeps no memory.
        self.kept = buffer[used..filled].to_vec();
        next
    }

    /// Handles the frames that `bytes` hold; returns how many bytes were used. Of several pings the newest is answered.
    fn handle(&mut self, bytes: &mut [u8]) -> (usize, Next) {
        let mut ping = None;
        let handled = self.handle_frames(bytes, &mut ping);
        if let Some(payload) = ping {
            self.connection.send(&Frame::control(Control::Pong, &bytes[payload]), self.hub.now_ms());
        }
        handled
    }

    /// Handles the frames that `bytes` hold; `ping` becomes the place of the newest ping's payload.
    fn handle_frames(&mut self, bytes: &mut [u8], ping: &mut Option<Range<usize>>) -> (usize, Next) {
        let mut at = 0;
        if let Some(pause) = self.session.resume() {
            self.backlog = true;
            return (at, Next::Pause(pause));
        }
        loop {
            let (length, decoded) = match self.frames.decode(&mut bytes[at..], self.hub.limits.frame_size) {
                Ok(decoded) => decoded,
                Err(fault) => {
                    self.connection.close(fault.into(), self.hub.now_ms());
                    return (bytes.len(), Next::Wait);
                }
            };
            at += length;
            if decoded != Decoded::Nothing {
                self.hub.socket_stats().received.frames.add(1);
            }
            let (mut cost, mut pause) = (length.max(FRAME_BYTES_MIN), None);
            match decoded {
                Decoded::Nothing => return (at, Next::Wait),
                Decoded::Part => {}
                Decoded::Text(text) => {
                    cost = text.len();
                    pause = self.session.text(&text);
                }
                Decoded::Ping(payload) => *ping = Some(at - payload.len()..at),
                Decoded::Pong(payload) => {
                    let round_trip_ms = self.connection.ponged(payload, self.hub.now_ms());
                    self.session.ponged(round_trip_ms);
                }
                Decoded::Close(_) => {
                    self.connection.close(CloseReason::Closed, self.hub.now_ms());
                    return (bytes.len(), Next::End(self.connection.closing().unwrap_or(CloseReason::Closed)));
                }
            }
            if let Some(pause) = pause.max(self.bytes.charge(cost, Instant::now())) {
                self.backlog = true;
                return (at, Next::Pause(pause));
            }
        }
    }
}

impl From<FrameError> for CloseReason {
    fn from(fault: FrameError) -> Self {
        match fault {
            FrameError::Protocol => Self::Protocol,
            FrameError::Text => Self::Text,
            FrameError::Binary => Self::Binary,
            FrameError::Size => Self::Size,
        }
    }
}

#[cfg(test)]
mod tests;
