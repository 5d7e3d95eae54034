//! The writing half of one WebSocket: what is sent, what waits, and whether anybody is still there.

use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use presence_cable::Identifier;
use presence_core::{ConnectionId, Input, SubscriptionId};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tungstenite::protocol::frame::coding::Control;

use super::outbox::{Frame, Outbox, Sent};
use super::pulse::{Moment, Pulse};
use crate::socket::CloseReason;

/// How long a browser has to end the connection after a close frame.
const GOODBYE_MS: u64 = 2_000;

/// One WebSocket as the hub knows it. The reading task owns nothing of it but the right to read.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) stream: TcpStream,
    queue_bytes: usize,
    inputs: mpsc::Sender<Input>,
    subscriptions: Mutex<Vec<(SubscriptionId, Identifier)>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    pulse: Pulse,
    closing: Option<(CloseReason, u64)>,
}

/// A panic elsewhere leaves these few fields as they were: nobody else has to end for it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        stream: TcpStream,
        queue_bytes: usize,
        inputs: mpsc::Sender<Input>,
        now_ms: u64,
    ) -> Arc<Self> {
        let state = State { outbox: Outbox::default(), pulse: Pulse::new(now_ms), closing: None };
        let (subscriptions, state) = (Mutex::default(), Mutex::new(state));
        Arc::new(Self { id, stream, queue_bytes, inputs, subscriptions, state })
    }

    /// From now on messages to this subscription find their way.
    pub(crate) fn subscribe(&self, subscription: SubscriptionId, identifier: Identifier) {
        lock(&self.subscriptions).push((subscription, identifier));
    }

    pub(crate) fn unsubscribe(&self, subscription: SubscriptionId) {
        lock(&self.subscriptions).retain(|(id, _)| *id != subscription);
    }

    pub(crate) fn identifier(&self, subscription: SubscriptionId) -> Option<Identifier> {
        lock(&self.subscriptions).iter().find(|(id, _)| *id == subscription).map(|(_, identifier)| identifier.clone())
    }

    /// Sends a frame now, or when the socket can take it. Never waits.
    pub(crate) fn send(self: &Arc<Self>, frame: Frame, now_ms: u64) {
        let mut state = lock(&self.state);
        if state.closing.is_none() {
            self.send_locked(&mut state, frame, now_ms);
        }
    }

    fn send_locked(self: &Arc<Self>, state: &mut State, frame: Frame, now_ms: u64) {
        let waited = !state.outbox.is_empty();
        let control = frame.is_control();
        match state.outbox.send(frame, &self.stream, self.queue_bytes) {
            Sent::Whole if !control => state.pulse.sent(now_ms),
            Sent::Waits if !waited => {
                tokio::spawn(Arc::clone(self).write_when_writable());
            }
            Sent::Whole | Sent::Waits | Sent::Dropped => {}
            Sent::Full => self.close_locked(state, CloseReason::Overflowed, now_ms),
            Sent::Broken => self.close_locked(state, CloseReason::Lost, now_ms),
        }
    }

    /// Runs while something waits: one task for a socket that is slow, none for the others.
    async fn write_when_writable(self: Arc<Self>) {
        loop {
            if self.stream.writable().await.is_err() {
                return;
            }
            let stale = {
                let mut state = lock(&self.state);
                match state.outbox.write(&self.stream) {
                    Ok(0) => {}
                    Ok(_) => state.pulse.took(),
                    Err(_) => return self.close_locked(&mut state, CloseReason::Lost, 0),
                }
                if !state.outbox.is_empty() {
                    continue;
                }
                if state.closing.is_some() {
                    return self.shut(Shutdown::Write);
                }
                state.outbox.take_stale()
            };
            for subscription in stale {
                // The driver's queue may be full; the socket waits for its room then, nobody else does.
                let _ended = self.inputs.send(Input::Refreshed { connection: self.id, subscription }).await;
            }
            return;
        }
    }

    /// Ends the connection for this reason, unless it is ending already: with a close frame where there is a code for
    /// it. The reading task notices, and tells the driver.
    pub(crate) fn close(self: &Arc<Self>, reason: CloseReason, now_ms: u64) {
        self.close_locked(&mut lock(&self.state), reason, now_ms);
    }

    fn close_locked(self: &Arc<Self>, state: &mut State, reason: CloseReason, now_ms: u64) {
        if state.closing.is_some() {
            return;
        }
        let Some(code) = reason.code() else {
            state.closing = Some((reason, now_ms));
            return self.shut(Shutdown::Both);
        };
        state.outbox.drop_drawings();
        self.send_locked(state, Frame::control(Control::Close, &code.to_be_bytes()), now_ms);
        // The frame itself may have found no room.
        if state.closing.is_none() {
            state.closing = Some((reason, now_ms));
            if state.outbox.is_empty() {
                self.shut(Shutdown::Write);
            }
        }
    }

    fn shut(&self, how: Shutdown) {
        // Fails where the connection is already gone, which is what we want.
        let _gone = SockRef::from(&self.stream).shutdown(how);
    }

    /// Why it ends, where it is ending.
    pub(crate) fn closing(&self) -> Option<CloseReason> {
        lock(&self.state).closing.map(|(reason, _)| reason)
    }

    /// Several times a second: sends what is due, ends what is over.
    pub(crate) fn beat(self: &Arc<Self>, moment: &Moment) {
        let mut state = lock(&self.state);
        if let Some((_, since_ms)) = state.closing {
            if moment.ms.saturating_sub(since_ms) >= GOODBYE_MS {
                self.shut(Shutdown::Both);
            }
            return;
        }
        let waits = !state.outbox.is_empty();
        let due = state.pulse.beat(moment, waits);
        if let Some(reason) = due.close {
            return self.close_locked(&mut state, reason, moment.ms);
        }
        if let Some(payload) = due.probe {
            self.send_locked(&mut state, Frame::control(Control::Ping, &payload), moment.ms);
        }
        if due.ping && state.closing.is_none() {
            self.send_locked(&mut state, moment.ping.clone(), moment.ms);
        }
    }

    /// A pong came: the round trip in ms, where it answers our last ping and neither end slept meanwhile.
    pub(crate) fn ponged(&self, payload: &[u8], now_ms: u64) -> Option<u32> {
        lock(&self.state).pulse.ponged(payload, now_ms, Instant::now())
    }

    /// The reading task is done: whoever still waits to write ends, too.
    pub(crate) fn end(&self) {
        self.shut(Shutdown::Both);
    }

    /// A message to one subscription; dropped in silence where it is gone.
    pub(crate) fn tell(self: &Arc<Self>, subscription: SubscriptionId, body: &Bytes, drawing: bool, now_ms: u64) {
        if let Some(identifier) = self.identifier(subscription) {
            let frame = Frame::message(identifier.opening(), body);
            self.send(if drawing { frame.drawing(subscription) } else { frame }, now_ms);
        }
    }
}
