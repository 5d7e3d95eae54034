//! The writing half of one WebSocket: what is sent, what waits, and whether anybody is still there.

use std::net::Shutdown;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use presence_cable::{Identifier, embed_left};
use presence_core::{ConnectionId, Input, SubscriptionId};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tungstenite::protocol::frame::coding::Control;

use super::audience::Audience;
use super::counts_queue::CountsQueue;
use super::keepalive::{Keepalive, KeepaliveAction, Tick};
use super::lock;
use super::outbox::{Frame, Outbox, Sent};
use super::wheel::Wheel;
use crate::close_reason::CloseReason;
use crate::transport::Transport;

/// Delivery long a browser has to end the connection after a close frame.
const GOODBYE_MS: u64 = 2_000;

/// The language of a socket: it decides what a sign of life looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Speaks {
    /// Action Cable.
    Cable,
    /// `presence-v1`.
    Embed,
}

/// One subscription, for what is written to it alone.
#[derive(Debug)]
struct Subscribed {
    id: SubscriptionId,
    identifier: Identifier,
    /// Where it is told counts.
    counts: Option<Arc<Audience<CountsQueue>>>,
    /// What was ordered to be drawn up to here is part of what it was shown.
    shown: u64,
}

/// Nothing is drawn before the first whole showing, which has all of it.
const NOT_YET: u64 = u64::MAX;

/// What all sockets of a hub have in common.
#[derive(Debug)]
pub(super) struct Shared {
    /// What may wait for one socket.
    pub(super) queue_bytes: usize,
    /// When each is looked at.
    pub(super) wheel: Wheel,
}

/// One WebSocket as the hub knows it. The reading task owns nothing of it but the right to read.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) stream: Transport,
    speaks: Speaks,
    shared: Arc<Shared>,
    inputs: mpsc::Sender<Input>,
    subscriptions: Mutex<Vec<Subscribed>>,
    /// Subscriptions whose users were made to leave, until the reading task has heard of it.
    dismissed: Mutex<Vec<SubscriptionId>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    outbox: Outbox,
    pulse: Keepalive,
    closing: Option<(CloseReason, u64)>,
}

impl Connection {
    pub(super) fn new(
        id: ConnectionId,
        speaks: Speaks,
        stream: Transport,
        shared: Arc<Shared>,
        inputs: mpsc::Sender<Input>,
        now_ms: u64,
    ) -> Arc<Self> {
        let state = State { outbox: Outbox::default(), pulse: Keepalive::new(speaks, now_ms), closing: None };
        let (subscriptions, dismissed, state) = (Mutex::default(), Mutex::default(), Mutex::new(state));
        Arc::new(Self { id, stream, speaks, shared, inputs, subscriptions, dismissed, state })
    }

    /// Where the driver is told what its browser does.
    pub(crate) fn inputs(&self) -> &mpsc::Sender<Input> {
        &self.inputs
    }

    /// From now on messages to this subscription find their way.
    pub(crate) fn subscribe(&self, id: SubscriptionId, identifier: Identifier) {
        self.add(Subscribed { id, identifier, counts: None, shown: NOT_YET });
    }

    /// The same for one that is told the counts of a room.
    pub(super) fn subscribe_counts(
        &self,
        id: SubscriptionId,
        identifier: Identifier,
        counts: Arc<Audience<CountsQueue>>,
    ) {
        self.add(Subscribed { id, identifier, counts: Some(counts), shown: 0 });
    }

    fn add(&self, subscribed: Subscribed) {
        let mut subscriptions = lock(&self.subscriptions);
        // A page has three; growing by doubling would keep room for a fourth in every socket.
        subscriptions.reserve_exact(1);
        subscriptions.push(subscribed);
    }

    pub(crate) fn unsubscribe(&self, subscription: SubscriptionId) {
        lock(&self.subscriptions).retain(|subscribed| subscribed.id != subscription);
    }

    pub(crate) fn identifier(&self, subscription: SubscriptionId) -> Option<Identifier> {
        self.subscribed(subscription).map(|(identifier, _)| identifier)
    }

    fn subscribed(&self, subscription: SubscriptionId) -> Option<(Identifier, Option<Arc<Audience<CountsQueue>>>)> {
        let subscriptions = lock(&self.subscriptions);
        let found = subscriptions.iter().find(|subscribed| subscribed.id == subscription);
        found.map(|subscribed| (subscribed.identifier.clone(), subscribed.counts.clone()))
    }

    /// Ends a subscription whose user was made to leave: its page is told, and does not come back by itself.
    pub(super) fn dismiss(self: &Arc<Self>, subscription: SubscriptionId, now_ms: u64) {
        let Some((identifier, counts)) = self.subscribed(subscription) else { return };
        if let Some(counts) = counts {
            counts.leave(&identifier, self.id);
        }
        self.unsubscribe(subscription);
        lock(&self.dismissed).push(subscription);
        let farewell = match self.speaks {
            Speaks::Cable => identifier.reject(),
            Speaks::Embed => embed_left(&identifier),
        };
        self.send(&Frame::text(&farewell), now_ms);
        let (inputs, connection) = (self.inputs.clone(), self.id);
        // The driver, which ordered this, must not wait for room in its own queue.
        tokio::spawn(async move { inputs.send(Input::Unsubscribed { connection, subscription }).await });
    }

    /// The subscriptions that were ended so, once.
    pub(crate) fn take_dismissed(&self) -> Vec<SubscriptionId> {
        std::mem::take(&mut lock(&self.dismissed))
    }

    /// Sends a frame now, or when the socket can take it. Never waits.
    pub(crate) fn send(self: &Arc<Self>, frame: &Frame, now_ms: u64) {
        self.write(frame, None, now_ms);
    }

    /// The same for one that draws fragments for this subscription: it is dropped where the socket is too slow for it, and
    /// the room is shown whole later.
    pub(super) fn draw(self: &Arc<Self>, frame: &Frame, subscription: SubscriptionId, ordinal: u64, now_ms: u64) {
        if self.awaits(subscription, ordinal) {
            self.write(frame, Some(subscription), now_ms);
        }
    }

    /// Whether a drawing has something that this subscription was not shown. While thousands come to a room they would
    /// hear of its counts twice otherwise, and before they are shown the rest.
    fn awaits(&self, subscription: SubscriptionId, ordinal: u64) -> bool {
        let subscriptions = lock(&self.subscriptions);
        subscriptions.iter().any(|subscribed| subscribed.id == subscription && subscribed.shown < ordinal)
    }

    /// A subscription is about to be shown all that was ordered to be drawn up to here.
    pub(super) fn shown(&self, subscription: SubscriptionId, ordinal: u64) {
        let mut subscriptions = lock(&self.subscriptions);
        let found = subscriptions.iter_mut().filter(|subscribed| subscribed.id == subscription);
        found.for_each(|subscribed| subscribed.shown = ordinal);
    }

    fn write(self: &Arc<Self>, frame: &Frame, drawing: Option<SubscriptionId>, now_ms: u64) {
        let mut state = lock(&self.state);
        if state.closing.is_none() {
            self.write_locked(&mut state, frame, drawing, now_ms);
        }
    }

    fn write_locked(self: &Arc<Self>, state: &mut State, frame: &Frame, drawing: Option<SubscriptionId>, now_ms: u64) {
        let waited = !state.outbox.is_empty();
        match state.outbox.send(frame, drawing, &self.stream, self.shared.queue_bytes) {
            Sent::Whole if !frame.is_control() => state.pulse.sent(now_ms),
            Sent::Waits if !waited => {
                state.pulse.waits(now_ms);
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
                    return self.stream.shut(Shutdown::Write);
                }
                state.outbox.take_stale()
            };
            for subscription in stale {
                if let Some((_, Some(counts))) = self.subscribed(subscription) {
                    counts.newest().iter().for_each(|body| self.tell(subscription, body, true, 0));
                    continue;
                }
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
        self.shared.wheel.at(self.id, now_ms + GOODBYE_MS);
        let Some(code) = reason.code() else {
            state.closing = Some((reason, now_ms));
            return self.stream.shut(Shutdown::Both);
        };
        state.outbox.drop_drawings();
        self.write_locked(state, &Frame::control(Control::Close, &code.to_be_bytes()), None, now_ms);
        // The frame itself may have found no room.
        if state.closing.is_none() {
            state.closing = Some((reason, now_ms));
            if state.outbox.is_empty() {
                self.stream.shut(Shutdown::Write);
            }
        }
    }

    /// Why it ends, where it is ending.
    pub(crate) fn closing(&self) -> Option<CloseReason> {
        lock(&self.state).closing.map(|(reason, _)| reason)
    }

    /// Sends what is due, ends what is over. Returns when to look again, if at all.
    pub(super) fn poll(self: &Arc<Self>, tick: &Tick) -> Option<u64> {
        let mut state = lock(&self.state);
        if let Some((_, since_ms)) = state.closing {
            if tick.ms.saturating_sub(since_ms) >= GOODBYE_MS {
                self.stream.shut(Shutdown::Both);
            }
            return None;
        }
        let waits = !state.outbox.is_empty();
        match state.pulse.poll(tick, waits) {
            KeepaliveAction::Close(reason) => self.close_locked(&mut state, reason, tick.ms),
            KeepaliveAction::Signs { probe, ping } => {
                let ping = ping.then(|| tick.ping(self.speaks));
                let signs = match (probe, ping) {
                    (Some(probe), Some(ping)) => Some(&Frame::signs_of_life(probe, ping)),
                    (Some(probe), None) => Some(&Frame::control(Control::Ping, &probe)),
                    (None, ping) => ping,
                };
                signs.into_iter().for_each(|signs| self.write_locked(&mut state, signs, None, tick.ms));
            }
        }
        let waits = !state.outbox.is_empty();
        state.closing.is_none().then(|| state.pulse.next_ms(tick, waits))
    }

    /// A pong came: the round trip in ms, where it answers our last ping and neither end slept meanwhile.
    pub(crate) fn ponged(&self, payload: &[u8], now_ms: u64) -> Option<u32> {
        lock(&self.state).pulse.ponged(payload, now_ms, Instant::now())
    }

    /// The page's script said that it is there.
    pub(crate) fn alive(&self, now_ms: u64) {
        lock(&self.state).pulse.alive(now_ms);
    }

    /// The reading task is done: whoever still waits to write ends, too.
    pub(crate) fn end(&self) {
        self.stream.shut(Shutdown::Both);
    }

    /// A message to one subscription; dropped in silence where it is gone.
    pub(crate) fn tell(self: &Arc<Self>, subscription: SubscriptionId, body: &Bytes, drawing: bool, now_ms: u64) {
        if let Some(identifier) = self.identifier(subscription) {
            let frame = Frame::message(identifier.opening(), body);
            self.write(&frame, drawing.then_some(subscription), now_ms);
        }
    }
}
