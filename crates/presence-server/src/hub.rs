//! Which connections listen to which stream; the only writer of sockets. Without it a change would reach no page.

mod audience;
mod audiences;
mod connection;
mod counts_queue;
mod fragment_queue;
mod identifier_pool;
mod keepalive;
mod listeners;
mod message_queue;
mod outbox;
mod pubsub;
mod streamed;
mod wheel;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use presence_cable::{Answer, EMBED_PING, Identifier, answer, morphs};
use presence_core::{ConnectionId, Fragment, Input, Output, Room, Stream, StreamName, SubscriptionId};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use self::audiences::Audiences;
use self::connection::Shared;
pub(crate) use self::connection::{Connection, Speaks};
use self::counts_queue::CountsQueue;
use self::fragment_queue::FragmentQueue;
use self::identifier_pool::IdentifierPool;
use self::keepalive::{Clock, Tick, slot};
use self::message_queue::MessageQueue;
pub(crate) use self::outbox::Frame;
pub(crate) use self::pubsub::Capabilities;
pub(crate) use self::streamed::{Dismissals, StreamedVisitors};
use self::wheel::Wheel;
use crate::clock::{millis, wall_ms};
use crate::close_reason::CloseReason;
use crate::config::Limits;
use crate::history::History;
use crate::transport::Transport;

/// Connections and audiences are spread over this many locks, each held for a look-up only.
const SHARDS: usize = 16;
/// Delivery many sockets are written to or looked at before other tasks have their turn: about 2 ms.
const PART: usize = 256;
/// Longer between two looks at the clock, and the node was away: nobody else is to blame for that time.
const AWAY: Duration = Duration::from_secs(1);

/// Who listens to what on this node. Shared by all sockets and the driver; it never waits for anybody.
pub(crate) struct Hub {
    pub(crate) limits: Limits,
    connections: [Mutex<HashMap<ConnectionId, Arc<Connection>>>; SHARDS],
    streams: Audiences<Stream, FragmentQueue>,
    counts: Audiences<Room, CountsQueue>,
    pub(crate) streamed: StreamedVisitors,
    /// By what their listeners can make of a message.
    named: Audiences<(StreamName, Capabilities), MessageQueue>,
    pub(crate) history: History,
    interned: IdentifierPool,
    count: AtomicUsize,
    /// Told when the last socket has gone.
    empty: Notify,
    shared: Arc<Shared>,
    clock: Clock,
    /// Delivery many drawings were ordered: the driver alone orders them, one after the other.
    ordinal: AtomicU64,
    /// The body that was shown last: all who join at one moment are shown the same.
    shown: Mutex<Option<(Arc<[Fragment]>, Bytes)>>,
}

/// What a panic elsewhere leaves behind is still whole: nobody else has to end for it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Hub {
    /// A hub without sockets. The epoch names the order in which messages arrive here. Its wheel turns until the hub is dropped; needs a runtime.
    pub(crate) fn start(limits: Limits, epoch: u64) -> Arc<Self> {
        let slot = slot(&limits);
        let shared = Shared { queue_bytes: limits.socket_queue, wheel: Wheel::new(millis(slot)) };
        let hub = Arc::new(Self {
            limits,
            connections: Default::default(),
            streams: Audiences::default(),
            counts: Audiences::default(),
            streamed: StreamedVisitors::default(),
            named: Audiences::default(),
            history: History::new(epoch),
            interned: IdentifierPool::default(),
            count: AtomicUsize::new(0),
            empty: Notify::new(),
            shared: Arc::new(shared),
            clock: Clock::default(),
            ordinal: AtomicU64::new(0),
            shown: Mutex::default(),
        });
        tokio::spawn(turn(Arc::downgrade(&hub), slot));
        hub
    }

    /// Carries out [`Output::Broadcast`], [`Output::Show`], [`Output::Answer`], [`Output::Deliver`] and
    /// [`Output::Dismiss`]; others are not the
    /// hub's. Never waits.
    pub(crate) fn carry_out(&self, output: Output) {
        match output {
            Output::Broadcast { stream, fragments } => {
                if let Some(audience) = self.streams.find(&stream) {
                    audience.broadcast((fragments, self.ordinal.fetch_add(1, Relaxed) + 1), &self.clock);
                }
            }
            Output::Show { connection, subscription, fragments, whole } => {
                if let Some(connection) = self.connection(connection) {
                    if whole {
                        connection.shown(subscription, self.ordinal.load(Relaxed));
                    }
                    connection.tell(subscription, &self.show(fragments), true, self.now_ms());
                }
            }
            Output::Answer { connection, subscription, echo, outcome } => {
                if let Some(connection) = self.connection(connection) {
                    let body = answer(Answer::from(&outcome), &echo).into();
                    connection.tell(subscription, &body, false, self.now_ms());
                }
            }
            Output::Dismiss { connection, subscription } => match self.connection(connection) {
                Some(socket) => socket.dismiss(subscription, self.now_ms()),
                None => self.streamed.dismiss(connection, subscription),
            },
            Output::Deliver { message } => self.deliver(&message),
            _ => {}
        }
    }

    /// Delivery many sockets there are.
    pub(crate) fn sockets(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Closes all sockets over this time, in random order, so that their clients don't come back all at once. Clicks on
    /// those that are still open are taken. Returns when all are gone, or 2 s after the last was told.
    pub(crate) async fn close_all(&self, over: Duration) {
        let begun = Instant::now();
        let mut open = self.all();
        // The hasher's key is random, and with it this order.
        let hasher = RandomState::new();
        open.sort_by_cached_key(|connection| hasher.hash_one(connection.id));
        let each = over / u32::try_from(open.len().max(1)).unwrap_or(u32::MAX);
        for (index, connection) in (1_u32..).zip(open) {
            tokio::time::sleep_until(begun + each * index).await;
            connection.close(CloseReason::Drained, self.now_ms());
        }
        // Who came meanwhile.
        self.all().iter().for_each(|connection| connection.close(CloseReason::Drained, self.now_ms()));
        let gone = async {
            loop {
                let empty = self.empty.notified();
                if self.sockets() == 0 {
                    return;
                }
                empty.await;
            }
        };
        // Who has not gone by then never will.
        drop(tokio::time::timeout(Duration::from_secs(2), gone).await);
    }

    /// Milliseconds that pass for sockets: they stand still while the whole node is away.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Takes over a socket: from now on only the hub writes to it.
    pub(crate) fn admit(
        &self,
        id: ConnectionId,
        speaks: Speaks,
        stream: Transport,
        inputs: mpsc::Sender<Input>,
    ) -> Arc<Connection> {
        let now_ms = self.now_ms();
        let connection = Connection::new(id, speaks, stream, Arc::clone(&self.shared), inputs, now_ms);
        lock(self.shard(id)).insert(id, Arc::clone(&connection));
        self.count.fetch_add(1, Relaxed);
        // Not before it can be found: what the wheel gives and nobody knows is forgotten.
        self.shared.wheel.at(id, now_ms);
        connection
    }

    /// The end of it. Its subscriptions must have been ended before.
    pub(crate) fn dismiss(&self, connection: &Connection) {
        connection.end();
        let known = lock(self.shard(connection.id)).remove(&connection.id).is_some();
        if known && self.count.fetch_sub(1, Relaxed) == 1 {
            self.empty.notify_waiters();
        }
    }

    /// The key of a subscription: one allocation for all that have the same.
    pub(crate) fn identifier(&self, key: &str) -> Identifier {
        self.interned.intern(Identifier::new(key))
    }

    /// A subscription listens to a stream.
    pub(crate) fn listen(
        &self,
        stream: &Stream,
        identifier: Identifier,
        subscription: SubscriptionId,
        connection: &Arc<Connection>,
    ) {
        self.streams.join(stream, identifier, subscription, connection);
    }

    /// A subscription listens no more.
    pub(crate) fn ignore(&self, stream: &Stream, identifier: &Identifier, connection: ConnectionId) {
        self.streams.leave(stream, identifier, connection);
    }

    fn show(&self, fragments: Arc<[Fragment]>) -> Bytes {
        let mut shown = lock(&self.shown);
        if let Some((_, body)) = shown.as_ref().filter(|(same, _)| Arc::ptr_eq(same, &fragments)) {
            return body.clone();
        }
        let body = Bytes::from(morphs(&fragments));
        *shown = Some((fragments, body.clone()));
        body
    }

    fn all(&self) -> Vec<Arc<Connection>> {
        self.connections.iter().flat_map(|shard| lock(shard).values().cloned().collect::<Vec<_>>()).collect()
    }

    fn connection(&self, id: ConnectionId) -> Option<Arc<Connection>> {
        lock(self.shard(id)).get(&id).cloned()
    }

    fn shard(&self, id: ConnectionId) -> &Mutex<HashMap<ConnectionId, Arc<Connection>>> {
        &self.connections[id.0 as usize % SHARDS]
    }
}

/// Turns the wheel for as long as there is a hub, and looks at the sockets that are due.
async fn turn(hub: Weak<Hub>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut before, mut woken_ms) = (Instant::now(), 0);
    let (mut second, mut ping, embed_ping) = (0, Frame::text(""), Frame::text(EMBED_PING));
    loop {
        ticks.tick().await;
        let Some(hub) = hub.upgrade() else { return };
        let passed = before.elapsed();
        before += passed;
        let ms = hub.clock.advance(passed.min(AWAY));
        let unix_seconds = wall_ms() / 1_000;
        if unix_seconds != second {
            (second, ping) = (unix_seconds, Frame::text(&presence_cable::ping(unix_seconds)));
        }
        if passed > AWAY {
            woken_ms = ms;
        }
        let tick = Tick::new(&hub.limits, ms, woken_ms, [ping.clone(), embed_ping.clone()]);
        for part in hub.shared.wheel.turn(ms).chunks(PART) {
            for connection in part.iter().filter_map(|id| hub.connection(*id)) {
                let next_ms = connection.poll(&tick);
                next_ms.into_iter().for_each(|next_ms| hub.shared.wheel.at(connection.id, next_ms));
            }
            tokio::task::yield_now().await;
        }
        if woken_ms == ms {
            // Nobody was told anything meanwhile.
            for connection in hub.all() {
                let _on_the_wheel = connection.poll(&tick);
            }
        }
    }
}
