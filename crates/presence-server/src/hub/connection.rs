//! The writing half of one WebSocket: what is sent, what waits, and whether its browser is still there.

use std::net::Shutdown;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use presence_core::{ConnectionId, Input, SubscriptionId, TabId};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tungstenite::protocol::frame::coding::Control;

use super::frame::Frame;
use super::keepalive::{Keepalive, KeepaliveAction, Tick};
use super::outbox::{Outbox, Sent};
use super::protocols::ProtocolId;
use super::shared::HubShared;
use super::socket_stats::SocketStats;
use super::subscriptions::Subscribed;
use crate::close_reason::CloseReason;
use crate::transport::Transport;

/// How long a browser has to end the connection after a close frame.
const GOODBYE_MS: u64 = 2_000;

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
    pub(super) shared: Arc<HubShared>,
    inputs: mpsc::Sender<Input>,
    pub(super) subscriptions: Mutex<Vec<Subscribed>>,
    /// Subscriptions whose users were made to leave, until the reading task takes note.
    pub(super) dismissed: Mutex<Vec<SubscriptionId>>,
    /// Which tab it belongs to, once its page has said so.
    pub(super) tab: OnceLock<TabId>,
    /// Whether its last click failed.
    pub(super) failed: AtomicBool,
    state: Mutex<ConnectionState>,
}

#[derive(Debug)]
struct ConnectionState {
    outbox: Outbox,
    keepalive: Keepalive,
    closing: Option<(CloseReason, u64)>,
    /// Bytes of frames that were sent, or wait.
    sent_bytes: u64,
    /// How many of those bytes metrics were told of, and frames that they were not told of yet: an atomic counter at each
    /// frame would cost more.
    told_bytes: u64,
    untold_frames: u32,
    /// What waits, as metrics were told.
    queued_bytes: usize,
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
        let state = ConnectionState {
            outbox: Outbox::default(),
            keepalive,
            closing: None,
            sent_bytes: 0,
            told_bytes: 0,
            untold_frames: 0,
            queued_bytes: 0,
        };
        let (subscriptions, dismissed, state) = (Mutex::default(), Mutex::default(), Mutex::new(state));
        let (tab, failed) = (OnceLock::new(), AtomicBool::default());
        Arc::new(Self { id, stream, protocol, shared, inputs, subscriptions, dismissed, tab, failed, state })
    }

    pub(super) fn protocol(&self) -> ProtocolId {
        self.protocol
    }

    /// The queue through which the driver is told what the browser does.
    pub(crate) fn inputs(&self) -> &mpsc::Sender<Input> {
        &self.inputs
    }

    /// Bytes of all frames that were sent, or wait.
    pub(crate) fn sent_bytes(&self) -> u64 {
        self.state.lock().sent_bytes
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

    pub(super) fn write(self: &Arc<Self>, frame: &Frame, drawing: Option<SubscriptionId>, now_ms: u64) {
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
        let sent = state.outbox.send(frame, drawing, &self.stream, self.shared.queue_bytes);
        if matches!(sent, Sent::Whole | Sent::Waits) {
            state.sent_bytes += frame.len() as u64;
            state.untold_frames += frame.count();
        }
        if waited || sent != Sent::Whole {
            state.tell_queued(&self.shared.stats);
        }
        match sent {
            Sent::Whole if !frame.is_control() => state.keepalive.sent(now_ms),
            Sent::Waits if !waited => {
                state.keepalive.waits(now_ms);
                self.shared.runtime.spawn(Arc::clone(self).write_when_writable());
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
                let written = state.outbox.write(&self.stream);
                state.tell_queued(&self.shared.stats);
                match written {
                    Ok(0) => {}
                    Ok(count) => state.keepalive.took(count),
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
                if let Some(source) = self.source(subscription) {
                    self.tell_newest(subscription, &source);
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
        state.tell_queued(&self.shared.stats);
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
        state.tell_sent(&self.shared.stats);
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
        let round_trip_ms = self.state.lock().keepalive.ponged(payload, now_ms, Instant::now());
        round_trip_ms.inspect(|ms| self.shared.stats.pongs.add(Duration::from_millis(u64::from(*ms))))
    }

    /// Notes that the page's script said that it is there.
    pub(crate) fn alive(&self, now_ms: u64) {
        self.state.lock().keepalive.alive(now_ms);
    }

    /// Ends the connection: a task that waits to write ends, too.
    pub(crate) fn end(&self) {
        self.stream.shut(Shutdown::Both);
    }
}

impl ConnectionState {
    /// Tells metrics what was sent since they were last told.
    fn tell_sent(&mut self, stats: &SocketStats) {
        stats.sent.bytes.add(self.sent_bytes - self.told_bytes);
        self.told_bytes = self.sent_bytes;
        stats.sent.frames.add(u64::from(std::mem::take(&mut self.untold_frames)));
    }

    /// Tells metrics how much waits.
    fn tell_queued(&mut self, stats: &SocketStats) {
        let bytes = self.outbox.bytes();
        stats.queued(std::mem::replace(&mut self.queued_bytes, bytes), bytes);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let (state, stats) = (self.state.get_mut(), &self.shared.stats);
        state.tell_sent(stats);
        stats.queued(state.queued_bytes, 0);
        stats.unsubscribed(self.subscriptions.get_mut().len());
    }
}
