//! Which connections listen to which stream, and what is written to their sockets. It knows no protocol: each brings an
//! encoder.

mod audience;
mod audiences;
mod connection;
mod counts_queue;
mod drain;
mod flush;
mod fragment_queue;
mod frame;
mod keepalive;
mod listeners;
mod message_queue;
mod outbox;
mod prefix;
mod protocols;
mod pubsub;
mod shared;
mod shares_queue;
mod socket_stats;
mod streamed;
mod subscriptions;
mod tabs;
mod time_histogram;
mod wheel;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use presence_cable::Encoder;
use presence_core::{ClickAnswer, ConnectionId, Drawn, Fragment, Input, Output, Room, Stream, StreamName, Viewers};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use self::audiences::Audiences;
pub(crate) use self::connection::Connection;
use self::connection::DropPolicy;
use self::counts_queue::CountsQueue;
use self::fragment_queue::{FragmentQueue, QueuedDrawing};
pub(crate) use self::frame::Frame;
use self::keepalive::{Tick, slot};
pub(crate) use self::listeners::Subscriber;
use self::message_queue::MessageQueue;
pub(crate) use self::prefix::Prefix;
use self::prefix::PrefixPool;
use self::protocols::{ProtocolId, ProtocolSet};
use self::shared::HubShared;
use self::shares_queue::SharesQueue;
pub(crate) use self::socket_stats::{ProtocolStats, SocketStats};
pub(crate) use self::streamed::{Dismissals, StreamedVisitors};
use self::tabs::TabSockets;
pub(crate) use self::time_histogram::TimeHistogram;
use crate::clock::wall_ms;
use crate::close_reason::CloseReason;
use crate::config::Limits;
use crate::history::History;
use crate::supervision::Supervisor;
use crate::transport::Transport;

/// Connections and audiences are spread over this many locks, each held for a look-up only.
const SHARDS: usize = 16;
/// How many sockets are written to or polled before other tasks have their turn: about 2 ms.
const SOCKETS_PER_TURN: usize = 256;
/// A longer time between two turns of the wheel means that the process was suspended: no browser is to blame for it.
const SUSPENDED_AFTER: Duration = Duration::from_secs(1);

/// Which subscriptions listen to what on this node. Shared by all sockets and the driver; it never waits.
pub(crate) struct Hub {
    pub(crate) limits: Limits,
    connections: [Mutex<HashMap<ConnectionId, Arc<Connection>>>; SHARDS],
    pages: Audiences<Stream, FragmentQueue>,
    counts: Audiences<Room, CountsQueue>,
    shares: Audiences<Room, SharesQueue>,
    streams: Audiences<StreamName, MessageQueue>,
    pub(crate) streamed: StreamedVisitors,
    pub(crate) history: History,
    tabs: TabSockets,
    prefixes: PrefixPool,
    count: AtomicUsize,
    /// Notified when the last socket has gone.
    empty: Notify,
    shared: Arc<HubShared>,
    /// The protocols that have presence.
    hearing_presence: ProtocolSet,
    /// How many drawings were sent. Those of one room are sent one after the other.
    ordinal: AtomicU64,
    /// The body that was shown last: all who join at one moment are shown the same.
    shown: Mutex<Option<ShownBody>>,
}

struct ShownBody {
    protocol: ProtocolId,
    fragments: Arc<[Fragment]>,
    body: Bytes,
}

impl Hub {
    /// Starts a hub without sockets, for clients of these protocols. The epoch names the order in which messages arrive
    /// here. Its wheel turns until the hub is dropped; needs a runtime.
    pub(crate) fn start(
        limits: Limits,
        epoch: u64,
        encoders: &'static [&'static dyn Encoder],
        supervisor: &Supervisor,
    ) -> Arc<Self> {
        let slot = slot(&limits);
        let shared = Arc::new(HubShared::new(limits.socket_queue, slot, encoders, supervisor.clone()));
        let hub = Arc::new(Self {
            limits,
            connections: Default::default(),
            pages: Audiences::default(),
            counts: Audiences::default(),
            shares: Audiences::default(),
            streams: Audiences::default(),
            streamed: StreamedVisitors::default(),
            history: History::new(epoch),
            tabs: TabSockets::default(),
            prefixes: PrefixPool::default(),
            count: AtomicUsize::new(0),
            empty: Notify::new(),
            hearing_presence: shared.protocols.hearing_presence(),
            shared,
            ordinal: AtomicU64::new(0),
            shown: Mutex::default(),
        });
        supervisor.spawn("timer wheel", turn_wheel(Arc::downgrade(&hub), slot));
        hub
    }

    /// Sends what the app has drawn. Never waits.
    pub(crate) fn draw(&self, Drawn { to, fragments }: Drawn) {
        match to {
            // Each of them is drawn alone: see `Drawing::each`.
            Viewers::Users(_) => {}
            Viewers::Stream(stream) => {
                if let Some(audience) = self.pages.find(&stream) {
                    let ordinal = self.ordinal.fetch_add(1, Relaxed) + 1;
                    audience.broadcast(QueuedDrawing { fragments, ordinal }, &self.shared);
                }
            }
            Viewers::Subscription { connection, subscription, whole } => {
                if let Some(connection) = self.connection(connection) {
                    if whole {
                        connection.shown(subscription, self.ordinal.load(Relaxed));
                    }
                    connection.tell(subscription, DropPolicy::MayDrop, self.now_ms(), |protocol, encoder| {
                        self.show(protocol, encoder, fragments)
                    });
                }
            }
        }
    }

    /// Carries out [`Output::Answer`], [`Output::Deliver`], [`Output::Dismiss`] and [`Output::Close`]; others are not the hub's.
    pub(crate) fn carry_out(&self, output: Output) {
        match output {
            Output::Answer { answer: ClickAnswer { connection, subscription, echo }, outcome, .. } => {
                self.shared.stats.clicked(&outcome);
                if let Some(connection) = self.connection(connection) {
                    connection.answer(subscription, &outcome, &echo, self.now_ms());
                }
            }
            Output::Dismiss { connection, subscription } => match self.connection(connection) {
                Some(socket) => socket.dismiss(subscription, self.now_ms()),
                None => self.streamed.dismiss(connection, subscription),
            },
            Output::Close { connection } => self.close_moved(connection),
            Output::Deliver { message, id } => {
                self.shared.stats.arrived();
                self.deliver(&message, id);
            }
            _ => {}
        }
    }

    /// How many sockets there are.
    pub(crate) fn sockets(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Milliseconds that pass for sockets: they stand still while the process is suspended.
    pub(crate) fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    /// Takes over a socket that speaks the protocol of this encoder: from now on only the hub writes to it.
    pub(crate) fn admit(
        &self,
        id: ConnectionId,
        encoder: &dyn Encoder,
        stream: Transport,
        inputs: mpsc::Sender<Input>,
    ) -> Arc<Connection> {
        let now_ms = self.now_ms();
        let protocol = self.shared.protocols.find(encoder);
        let connection = Connection::new(id, protocol, stream, Arc::clone(&self.shared), inputs, now_ms);
        self.shard(id).lock().insert(id, Arc::clone(&connection));
        self.count.fetch_add(1, Relaxed);
        self.shared.stats.opened(protocol);
        // Not before it can be found: an unknown connection that the wheel names is forgotten.
        self.shared.wheel.at(id, now_ms);
        connection
    }

    /// Forgets a socket that has ended for this reason. Its subscriptions must have been ended before.
    pub(crate) fn release(&self, connection: &Connection, reason: CloseReason) {
        connection.end();
        self.shared.stats.closed(connection.protocol(), reason);
        self.forget_tab(connection);
        let known = self.shard(connection.id).lock().remove(&connection.id).is_some();
        if known && self.count.fetch_sub(1, Relaxed) == 1 {
            self.empty.notify_waiters();
        }
    }

    /// The prefix of a subscription in the protocol of this encoder: one allocation for all that have the same.
    pub(crate) fn prefix(&self, encoder: &dyn Encoder, text: String) -> Prefix {
        self.prefixes.get(self.shared.protocols.find(encoder), text)
    }

    /// A subscription begins to listen to the changes of a page.
    pub(crate) fn listen(&self, stream: &Stream, subscriber: &Subscriber<'_>) {
        self.pages.join(stream, subscriber);
    }

    /// Ends what [`Hub::listen`] began.
    pub(crate) fn ignore(&self, stream: &Stream, prefix: &Prefix, connection: ConnectionId) {
        self.pages.leave(stream, prefix, connection);
    }

    fn show(&self, protocol: ProtocolId, encoder: &dyn Encoder, fragments: Arc<[Fragment]>) -> Option<Bytes> {
        let mut shown = self.shown.lock();
        let same = |shown: &&ShownBody| shown.protocol == protocol && Arc::ptr_eq(&shown.fragments, &fragments);
        if let Some(ShownBody { body, .. }) = shown.as_ref().filter(same) {
            return Some(body.clone());
        }
        let body = Bytes::from(encoder.fragments(&fragments)?);
        *shown = Some(ShownBody { protocol, fragments, body: body.clone() });
        Some(body)
    }

    fn all(&self) -> Vec<Arc<Connection>> {
        self.connections.iter().flat_map(|shard| shard.lock().values().cloned().collect::<Vec<_>>()).collect()
    }

    fn connection(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        self.shard(id).lock().get(&id).cloned()
    }

    fn shard(&self, id: ConnectionId) -> &Mutex<HashMap<ConnectionId, Arc<Connection>>> {
        &self.connections[id.0 as usize % SHARDS]
    }
}

/// Turns the wheel for as long as there is a hub, and polls the sockets that are due.
async fn turn_wheel(hub: Weak<Hub>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut before, mut woken_ms) = (Instant::now(), 0);
    let (mut second, mut pings) = (0, Arc::default());
    loop {
        ticks.tick().await;
        let Some(hub) = hub.upgrade() else { return };
        let passed = before.elapsed();
        before += passed;
        let ms = hub.shared.clock.advance(passed.min(SUSPENDED_AFTER));
        let unix_seconds = wall_ms() / 1_000;
        if unix_seconds != second {
            (second, pings) = (unix_seconds, hub.shared.protocols.pings(unix_seconds).into());
            hub.prefixes.forget_unused(unix_seconds);
        }
        if passed > SUSPENDED_AFTER {
            woken_ms = ms;
        }
        let tick = Tick::new(&hub.limits, ms, woken_ms, &pings);
        for part in hub.shared.wheel.turn(ms).chunks(SOCKETS_PER_TURN) {
            for connection in part.iter().filter_map(|id| hub.connection(*id)) {
                let next_ms = connection.poll(&tick);
                next_ms.into_iter().for_each(|next_ms| hub.shared.wheel.at(connection.id, next_ms));
            }
            tokio::task::yield_now().await;
        }
        if woken_ms == ms {
            // Nothing was sent meanwhile.
            for connection in hub.all() {
                let _on_the_wheel = connection.poll(&tick);
            }
        }
    }
}
