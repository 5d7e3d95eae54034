//! One WebSocket's reading half: frames in, inputs to the driver. Without it nobody could join a room or click.

mod action_cable;
mod cable_context;
mod frames;
mod members;
mod presence_v1;
mod protocol;
mod pubsub;
mod rate_limit;
mod resumable;

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use presence_core::{ConnectionId, Input, UserId};
use socket2::SockRef;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tungstenite::protocol::frame::coding::Control;

use self::action_cable::Session;
pub(crate) use self::cable_context::Cable;
use self::frames::{Fault, Frames, HEADER_BYTES_MAX, Taken};
pub(crate) use self::members::{Known, who};
use self::presence_v1::Embed;
pub(crate) use self::presence_v1::{EmbedShared, EmbedVisitor};
use self::protocol::Protocol;
pub(crate) use self::resumable::Resumes;
use crate::close_reason::CloseReason;
use crate::hub::{Connection, Frame, Hub, Speaks};
use crate::sites::Grant;
use crate::transport::Transport;

/// Delivery much is read at once, besides a frame that is not whole yet.
const READ_BYTES: usize = 16 * 1_024;

thread_local! {
    /// What all sockets of one worker thread read into, one after the other: a quiet connection keeps no buffer.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Whose socket it is, as the upgrade's request said.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// The user of its cookie, if it has one.
    pub(crate) user: Option<UserId>,
    /// It speaks the extended protocol.
    pub(crate) extended: bool,
    /// The session that it wants to go on with.
    pub(crate) sid: Option<String>,
    /// What its token opens, if it brought one.
    pub(crate) grant: Option<Grant>,
}

/// What is going to be spoken, and what is needed for it.
pub(crate) enum Language {
    /// Action Cable.
    Cable {
        /// What all sockets share that speak it.
        cable: Arc<Cable>,
        /// Whose socket it is.
        visitor: Visitor,
    },
    /// `presence-v1`.
    Embed {
        /// Whose page it is.
        visitor: EmbedVisitor,
        /// What all embeds share.
        shared: EmbedShared,
    },
}

/// One WebSocket that is ready to be served. `id` is its number, never used again while the process runs; `unread` is
/// what the upgrade had read already. Everything else that is known of it is told to the driver, the end included.
///
/// What it returns is kept small: it is all that a quiet socket's task holds. `held` is given back at its end.
pub(crate) fn serve<H: Send + 'static>(
    transport: Transport,
    unread: Bytes,
    id: ConnectionId,
    language: Language,
    (hub, inputs): (Arc<Hub>, mpsc::Sender<Input>),
    held: H,
) -> impl Future<Output = CloseReason> + Send + use<H> {
    // Without these a broadcast would wait for the one before, and a browser that does not read be noticed late. Where
    // the system refuses, the socket works all the same.
    let _slower = transport.stream().set_nodelay(true);
    let _later = SockRef::from(transport.stream()).set_send_buffer_size(hub.limits.send_buffer);
    let connection = hub.admit(id, language.speaks(), transport, inputs);
    let talk = language.begin(&connection, &hub);
    let (frames, kept) = (Frames::default(), unread.into());
    Reader { connection, hub, talk, frames, kept, backlog: true, _held: held }.serve()
}

impl Language {
    fn speaks(&self) -> Speaks {
        match self {
            Self::Cable { .. } => Speaks::Cable,
            Self::Embed { .. } => Speaks::Embed,
        }
    }

    fn begin(self, connection: &Arc<Connection>, hub: &Arc<Hub>) -> Protocol {
        let (connection, hub) = (Arc::clone(connection), Arc::clone(hub));
        match self {
            Self::Cable { cable, visitor } => {
                Protocol::Cable(Box::new(Session::begin(connection, hub, cable, visitor)))
            }
            Self::Embed { visitor, shared } => Protocol::Embed(Box::new(Embed::new(connection, hub, shared, visitor))),
        }
    }
}

/// What a reading task does next.
enum Next {
    /// Wait until there is something to read.
    Wait,
    /// Let this time pass before anything else is read.
    Pause(Duration),
    /// It is over.
    End(CloseReason),
}

struct Reader<H> {
    connection: Arc<Connection>,
    hub: Arc<Hub>,
    talk: Protocol,
    frames: Frames,
    /// Bytes that are no whole frame yet, or that wait for a pause to end.
    kept: Vec<u8>,
    /// What is kept may hold whole frames.
    backlog: bool,
    _held: H,
}

/// What has to wait for the driver, and waits outside of its socket's task.
type Later = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<H> Reader<H> {
    async fn serve(mut self) -> CloseReason {
        let reason = loop {
            let next = BUFFER.with_borrow_mut(|buffer| self.step(buffer));
            let inputs = self.talk.take_inputs();
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
                // Seldom: a quiet socket has no room for it in its task.
                Next::Pause(time) => Box::pin(tokio::time::sleep(time)).await,
                Next::End(reason) => break reason,
            }
        };
        self.talk.end();
        self.hub.dismiss(&self.connection);
        let ended = Input::Disconnected { connection: self.connection.id, ended: reason.ended() };
        if let Ok(Some(later)) = self.tell(vec![ended]) {
            later.await;
        }
        tracing::debug!(connection.id = self.connection.id.0, reason = reason.as_str(), "a socket ended");
        reason
    }

    /// Tells the driver; what it has no room for goes later. Fails where it has ended, and with it the node.
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
                            // Fails where it has ended: the next turn notices.
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
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Next::Wait,
                Err(_) => return Next::End(self.connection.closing().unwrap_or(CloseReason::Lost)),
            }
        }
        if self.connection.closing().is_some() {
            // Nobody listens any more; reading on lets the close frame arrive before the connection is gone.
            self.kept = Vec::new();
            return Next::Wait;
        }
        let (used, next) = self.handle(&mut buffer[..filled]);
        // A new allocation of its size, or none: a quiet connection keeps no memory.
        self.kept = buffer[used..filled].to_vec();
        next
    }

    /// Handles the frames that `bytes` hold; returns how many bytes were used.
    fn handle(&mut self, bytes: &mut [u8]) -> (usize, Next) {
        let mut at = 0;
        if let Some(pause) = self.talk.resume() {
            self.backlog = true;
            return (at, Next::Pause(pause));
        }
        loop {
            let (length, taken) = match self.frames.take(&mut bytes[at..], self.hub.limits.frame_size) {
                Ok(taken) => taken,
                Err(fault) => {
                    self.connection.close(fault.into(), self.hub.now_ms());
                    return (bytes.len(), Next::Wait);
                }
            };
            at += length;
            match taken {
                Taken::Nothing => return (at, Next::Wait),
                Taken::Part => {}
                Taken::Text(text) => {
                    if let Some(pause) = self.talk.text(&text) {
                        self.backlog = true;
                        return (at, Next::Pause(pause));
                    }
                }
                Taken::Ping(payload) => {
                    self.connection.send(&Frame::control(Control::Pong, payload), self.hub.now_ms());
                }
                Taken::Pong(payload) => {
                    let round_trip_ms = self.connection.ponged(payload, self.hub.now_ms());
                    self.talk.ponged(round_trip_ms);
                }
                Taken::Close(_) => {
                    self.connection.close(CloseReason::Closed, self.hub.now_ms());
                    return (bytes.len(), Next::End(self.connection.closing().unwrap_or(CloseReason::Closed)));
                }
            }
        }
    }
}

impl From<Fault> for CloseReason {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Protocol => Self::Protocol,
            Fault::Text => Self::Text,
            Fault::Binary => Self::Binary,
            Fault::Size => Self::Size,
        }
    }
}

#[cfg(test)]
mod tests;
