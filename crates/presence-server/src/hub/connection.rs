//! The writing half of one WebSocket: what is sent, what waits, and whether its browser is still there.

use std::net::Shutdown;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use presence_cable::Encoder;
use presence_core::{ConnectionId, Input, RoomView, SubscriptionId};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tungstenite::protocol::frame::coding::Control;

use super::audience::Audience;
use super::counts_queue::CountsQueue;
use super::frame::Frame;
use super::keepalive::{Keepalive, KeepaliveAction, Tick};
use super::outbox::{Outbox, Sent};
use super::prefix::Prefix;
use super::protocols::ProtocolId;
use super::shared::HubShared;
use crate::close_reason::CloseReason;
use crate::transport::Transport;

/// How long a browser has to end the connection after a close frame.
const GOODBYE_MS: u64 = 2_000;

/// One subscription.
#[derive(Debug)]
struct Subscribed {
    id: SubscriptionId,
    prefix: Prefix,
    /// Where it listens to counts.
    counts: Option<Arc<Audience<CountsQueue>>>,
    /// The ordinal up to which all drawings are part of what it was shown.
    shown_upto: u64,
}

/// Nothing is drawn before the first whole showing, which has all of it.
const NOT_YET: u64 = u64::MAX;

/// Whether a message may be dropped where the socket is too slow for it, since newer ones say everything later.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DropPolicy {
    MayDrop,
    Keep,
}

/// One WebSocket as the hub knows it. The reading task only reads from it.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) stream: Transport,
    protocol: ProtocolId,
    shared: Arc<HubShared>,
    inputs: mpsc::Sender<Input>,
    subscriptions: Mutex<Vec<Subscribed>>,
    /// Subscriptions whose users were made to leave, until the reading task takes note.
    dismissed: Mutex<Vec<SubscriptionId>>,
    state: Mutex<ConnectionState>,
}

#[derive(Debug)]
struct ConnectionState {
    outbox: Outbox,
    keepalive: Keepalive,
    closing: Option<(CloseReason, u64)>,
}

impl Connection {
    pub(super) fn new(
        id: ConnectionId,
        protocol: ProtocolId,
        stream: Transport,
        shared: Arc<HubShared>,
        inputs: mpsc::Sender<Input>,
        now_ms: u64,
    ) -> Arc<Self> {
        let keepalive = Keepalive::new(shared.protocols.encoder(protocol).ping_after(), now_ms);
        let state = ConnectionState { outbox: Outbox::default(), keepalive, closing: None };
        let (subscriptions, dismissed, state) = (Mutex::default(), Mutex::default(), Mutex::new(state));
        Arc::new(Self { id, stream, protocol, shared, inputs, subscriptions, dismissed, state })
    }

    /// The queue through which the driver is told what the browser does.
    pub(crate) fn inputs(&self) -> &mpsc::Sender<Input> {
        &self.inputs
    }

    /// Adds a subscription, so that messages to it find their way.
    pub(crate) fn subscribe(&self, id: SubscriptionId, prefix: Prefix) {
        self.add(Subscribed { id, prefix, counts: None, shown_upto: NOT_YET });
    }

    /// Adds a subscription to the counts of a room.
    pub(super) fn subscribe_counts(&self, id: SubscriptionId, prefix: Prefix, counts: Arc<Audience<CountsQueue>>) {
        self.add(Subscribed { id, prefix, counts: Some(counts), shown_upto: 0 });
    }

    fn add(&self, subscribed: Subscribed) {
        let mut subscriptions = self.subscriptions.lock();
        // A page has three; growth by doubling would keep room for a fourth in every socket.
        subscriptions.reserve_exact(1);
        subscriptions.push(subscribed);
    }

    pub(crate) fn unsubscribe(&self, subscription: SubscriptionId) {
        self.subscriptions.lock().retain(|subscribed| subscribed.id != subscription);
    }

    fn prefix(&self, subscription: SubscriptionId) -> Option<Prefix> {
        self.find(subscription, |subscribed| subscribed.prefix.clone())
    }

    fn find<T>(&self, subscription: SubscriptionId, get: impl FnOnce(&Subscribed) -> T) -> Option<T> {
        self.subscriptions.lock().iter().find(|subscribed| subscribed.id == subscription).map(get)
    }

    fn counts(&self, subscription: SubscriptionId) -> Option<Arc<Audience<CountsQueue>>> {
        self.find(subscription, |subscribed| subscribed.counts.clone()).flatten()
    }

    fn encoder(&self, protocol: ProtocolId) -> &'static dyn Encoder {
        self.shared.protocols.encoder(protocol)
    }

    /// Ends a subscription whose user was made to leave: its page is told, and stays away.
    pub(super) fn dismiss(self: &Arc<Self>, subscription: SubscriptionId, now_ms: u64) {
        let Some(prefix) = self.prefix(subscription) else { return };
        if let Some(counts) = self.counts(subscription) {
            counts.leave(&prefix, self.id);
        }
        self.unsubscribe(subscription);
        self.dismissed.lock().push(subscription);
        self.send(&Frame::text(&self.encoder(prefix.protocol()).dismissed(prefix.as_str())), now_ms);
        let (inputs, connection) = (self.inputs.clone(), self.id);
        // The driver, which ordered this, must not wait for room in its own queue.
        tokio::spawn(async move { inputs.send(Input::Unsubscribed { connection, subscription }).await });
    }

    /// Takes the subscriptions that were dismissed.
    pub(crate) fn take_dismissed(&self) -> Vec<SubscriptionId> {
        std::mem::take(&mut self.dismissed.lock())
    }

    /// Sends a frame now, or when the socket can take it. Never waits.
    pub(crate) fn send(self: &Arc<Self>, frame: &Frame, now_ms: u64) {
        self.write(frame, None, now_ms);
    }

    /// Sends a frame that draws fragments for this subscription: it is dropped where the socket is too slow for it, and the
    /// room is shown whole later.
    pub(super) fn draw(self: &Arc<Self>, frame: &Frame, subscription: SubscriptionId, ordinal: u64, now_ms: u64) {
        if self.awaits(subscription, ordinal) {
            self.write(frame, Some(subscription), now_ms);
        }
    }

    /// Whether a drawing has something that this subscription was not shown. While thousands join a room they would be
    /// sent its counts twice otherwise, and before they are shown the rest.
    fn awaits(&self, subscription: SubscriptionId, ordinal: u64) -> bool {
        self.find(subscription, |subscribed| subscribed.shown_upto < ordinal).unwrap_or(false)
    }

    /// A subscription is about to be shown everything up to this ordinal.
    pub(super) fn shown(&self, subscription: SubscriptionId, ordinal: u64) {
        let mut subscriptions = self.subscriptions.lock();
        let found = subscriptions.iter_mut().filter(|subscribed| subscribed.id == subscription);
        found.for_each(|subscribed| subscribed.shown_upto = ordinal);
    }

    fn write(self: &Arc<Self>, frame: &Frame, drawing: Option<SubscriptionId>, now_ms: u64) {
        let mut state = self.state.lock();
        if state.closing.is_none() {
            self.write_locked(&mut state, frame, drawing, now_ms);
        }
    }

    fn write_locked(
        self: &Arc<Self>,
        state: &mut ConnectionState,
        frame: &Frame,
        drawing: Option<SubscriptionId>,
        now_ms: u64,
    ) {
        let waited = !state.outbox.is_empty();
        match state.outbox.send(frame, drawing, &self.stream, self.shared.queue_bytes) {
            Sent::Whole if !frame.is_control() => state.keepalive.sent(now_ms),
            Sent::Waits if !waited => {
                state.keepalive.waits(now_ms);
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
                let mut state = self.state.lock();
                match state.outbox.write(&self.stream) {
                    Ok(0) => {}
                    Ok(_) => state.keepalive.took(),
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
                if let Some(counts) = self.counts(subscription) {
                    counts.newest().iter().for_each(|view| self.tell_counts(subscription, view, 0));
                    continue;
                }
                // The driver's queue may be full; then this task waits for room, and no other does.
                let _ended = self.inputs.send(Input::Refreshed { connection: self.id, subscription }).await;
            }
            return;
        }
    }

    /// Begins to end the connection for this reason, unless it is ending already: with a close frame if there is a code
    /// for it. The reading task notices, and tells the driver.
    pub(crate) fn close(self: &Arc<Self>, reason: CloseReason, now_ms: u64) {
        self.close_locked(&mut self.state.lock(), reason, now_ms);
    }

    fn close_locked(self: &Arc<Self>, state: &mut ConnectionState, reason: CloseReason, now_ms: u64) {
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

    /// Why it ends, if it is ending.
    pub(crate) fn closing(&self) -> Option<CloseReason> {
        self.state.lock().closing.map(|(reason, _)| reason)
    }

    /// Sends the pings that are due, ends what is over. Returns when to poll again, if at all.
    pub(super) fn poll(self: &Arc<Self>, tick: &Tick) -> Option<u64> {
        let mut state = self.state.lock();
        if let Some((_, since_ms)) = state.closing {
            if tick.ms.saturating_sub(since_ms) >= GOODBYE_MS {
                self.stream.shut(Shutdown::Both);
            }
            return None;
        }
        let queue = state.outbox.state();
        match state.keepalive.poll(tick, queue) {
            KeepaliveAction::Close(reason) => self.close_locked(&mut state, reason, tick.ms),
            KeepaliveAction::Signs { probe, ping } => {
                let ping = ping.then(|| tick.ping(self.protocol));
                let signs = match (probe, ping) {
                    (Some(probe), Some(ping)) => Some(&Frame::both_pings(probe, ping)),
                    (Some(probe), None) => Some(&Frame::control(Control::Ping, &probe)),
                    (None, ping) => ping,
                };
                signs.into_iter().for_each(|signs| self.write_locked(&mut state, signs, None, tick.ms));
            }
        }
        let queue = state.outbox.state();
        state.closing.is_none().then(|| state.keepalive.next_ms(tick, queue))
    }

    /// Handles a pong: returns the round trip in ms, if it answers the last ping and neither end was suspended meanwhile.
    pub(crate) fn ponged(&self, payload: &[u8], now_ms: u64) -> Option<u32> {
        self.state.lock().keepalive.ponged(payload, now_ms, Instant::now())
    }

    /// Notes that the page's script said that it is there.
    pub(crate) fn alive(&self, now_ms: u64) {
        self.state.lock().keepalive.alive(now_ms);
    }

    /// Ends the connection: a task that waits to write ends, too.
    pub(crate) fn end(&self) {
        self.stream.shut(Shutdown::Both);
    }

    /// Sends a message to one subscription; nothing where it is gone, or where its protocol has no body for it.
    pub(super) fn tell(
        self: &Arc<Self>,
        subscription: SubscriptionId,
        policy: DropPolicy,
        now_ms: u64,
        body: impl FnOnce(ProtocolId, &dyn Encoder) -> Option<Bytes>,
    ) {
        let Some(prefix) = self.prefix(subscription) else { return };
        if let Some(body) = body(prefix.protocol(), self.encoder(prefix.protocol())) {
            let drawing = (policy == DropPolicy::MayDrop).then_some(subscription);
            self.write(&Frame::message(prefix.as_str(), &body), drawing, now_ms);
        }
    }

    /// Sends one subscription the counts of a room.
    pub(super) fn tell_counts(self: &Arc<Self>, subscription: SubscriptionId, view: &RoomView, now_ms: u64) {
        self.tell(subscription, DropPolicy::MayDrop, now_ms, |_, encoder| encoder.counts(view).map(Bytes::from));
    }
}
