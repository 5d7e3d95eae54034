//! Other nodes, and the only file (with its folder) that names the engine, Zenoh. Without it every node is alone.
//!
//! It carries and decides nothing: core says whom to dial, what to publish and ask; what arrives becomes an
//! [`Input`]. A node listens in one session, where it publishes and answers; for every other node it opens one
//! session of its own to that one address, where it reads and asks. So every ordered pair is one direct link, which
//! comes, fails and goes without touching another.
//!
//! Nothing here waits for a peer and nobody here is waited for: orders go to the mesh's own thread over a bounded
//! queue, what arrives goes to the driver over another, and what overflows is dropped and counted (gaps heal).

mod address;
mod delay;
mod engine;
mod link;
mod listener;
mod names;
#[cfg(test)]
mod outside;
mod questions;
mod reasons;
mod sink;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use presence_core::{Input, NodeHash, NodeName, Output};
use tokio::sync::{mpsc, oneshot};

pub use address::{Address, Protocol};
pub use reasons::layer;

use crate::certificate::Authority;
use address::Own;
use engine::Engine;
use link::Links;
use listener::Listener;
use sink::Sink;

/// Orders that wait for the mesh's thread; it takes them in microseconds, so that more means it is stuck.
const ORDERS_MAX: usize = 4_096;

/// No message between nodes is longer: pages are at most 250 KB.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// How long [`Mesh::close`] may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// Directives for a log filter that silence the engine: what an operator must know, this module says itself.
pub const LOG_DIRECTIVES: &str = "zenoh=off,quinn=off,quinn_proto=off,rustls=off";

/// What a mesh is told at its start.
#[derive(Clone, Debug)]
pub struct MeshConfig {
    /// Where other nodes reach us, `quic/host:port`; a wildcard stands for every interface, port 0 for any free one.
    pub listen: Vec<String>,
    /// The same as others see it; empty where that is no different.
    pub advertise: Vec<String>,
    /// Other nodes; a host is a number or a name that stands for one node or many.
    pub peers: Vec<String>,
    /// This node's name.
    pub name: NodeName,
    /// Its hash: what is published to one reader carries it.
    pub hash: NodeHash,
    /// Who is let in.
    pub authority: Authority,
    /// The simulated ocean: what arrives from an address waits its one-way delay.
    pub delays: Vec<(String, Duration)>,
}

/// What went wrong without anybody waiting for it; for metrics.
#[derive(Debug, Default)]
pub struct Counts {
    /// Orders that found the mesh's queue full.
    pub orders_dropped: AtomicU64,
    /// Messages that found the driver's queue full.
    pub inputs_dropped: AtomicU64,
    /// Messages over 1 MiB, in or out.
    pub oversized: AtomicU64,
    /// Dials that ended without a link.
    pub dials_failed: AtomicU64,
}

impl Counts {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The links of this node, for as long as it runs.
#[derive(Debug)]
pub struct Mesh {
    orders: mpsc::Sender<Order>,
    sink: Sink,
    own: Arc<Own>,
    counts: Arc<Counts>,
    tasks: tokio::task::JoinSet<()>,
}

enum Order {
    CarryOut(Output),
    Close(oneshot::Sender<()>),
}

/// A node publishes every second at least: after a longer silence it was frozen, and its links are gone by the
/// engine's lease of 2.5 s.
const AWAY: Duration = Duration::from_secs(4);

impl Mesh {
    /// Listens, and begins to resolve the configured names. Needs a multi-threaded tokio runtime. Fails with a
    /// sentence where an address is wrong or in use, or a certificate can't be made.
    pub async fn start(config: MeshConfig, inputs: mpsc::Sender<Input>) -> anyhow::Result<Self> {
        let own = Arc::new(Own::find(&config.listen, &config.advertise)?);
        let peers: Vec<_> = config.peers.iter().map(|text| Address::parse(text)).collect::<Result<_, _>>()?;
        engine::warn_of_few_threads(own.listen.iter().chain(&peers));
        let certificate = config.authority.certify(config.name.as_str(), &own.hosts())?;
        let engine = Arc::new(Engine::new(certificate));
        let counts = Arc::new(Counts::default());
        let sink = Sink::new(inputs, Arc::clone(&counts));
        let door = Door {
            engine: Arc::clone(&engine),
            own: Arc::clone(&own),
            sink: sink.clone(),
            counts: Arc::clone(&counts),
        };
        let listener = door.open().await?;
        let names = names::Names::new(peers, Arc::clone(&own));
        let links = Links::new(engine, config.hash, sink.clone(), names.known(), delay::table(&config.delays)?);

        let mut tasks = tokio::task::JoinSet::new();
        tasks.spawn(names.resolve_for_ever(sink.clone()));
        tasks.spawn(reasons::tell_of_strangers());
        let (orders, queue) = mpsc::channel(ORDERS_MAX);
        let runtime = tokio::runtime::Handle::current();
        let carrying = move || {
            carry_out_all(queue, listener, &links, |listener: &Listener| runtime.block_on(door.reopen(listener)))
        };
        std::thread::Builder::new().name("mesh".to_owned()).spawn(carrying)?;
        for address in &own.listen {
            tracing::info!("listening for other nodes at {address}");
        }
        Ok(Self { orders, sink, own, counts, tasks })
    }

    /// Carries out what core orders of the mesh; other outputs are none of its business. Never blocks: where the
    /// queue is full the order is dropped and counted, and whoever waits for its answer is told that there is none.
    pub fn carry_out(&self, output: Output) {
        if let Err(error) = self.orders.try_send(Order::CarryOut(output)) {
            Counts::count(&self.counts.orders_dropped);
            match error.into_inner() {
                Order::CarryOut(Output::Ask { question, .. }) => {
                    self.sink.deliver(Input::Answered { question, bytes: None });
                }
                Order::CarryOut(Output::Dial { address }) => {
                    let result = Err("this node is too busy to dial.".to_owned());
                    self.sink.deliver(Input::Dialled { address, result });
                }
                Order::CarryOut(_) | Order::Close(_) => {}
            }
        }
    }

    /// This node's addresses as others reach them, for core's settings.
    pub fn advertised(&self) -> Vec<String> {
        self.own.advertised.iter().map(ToString::to_string).collect()
    }

    /// What was dropped so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Closes every link, after all orders before it. The others know at once; without it they would know by our
    /// silence.
    pub async fn close(mut self) {
        self.tasks.abort_all();
        let (closed_tx, closed_rx) = oneshot::channel();
        let close = async {
            // An error means that the mesh's thread has ended already.
            if self.orders.send(Order::Close(closed_tx)).await.is_ok() {
                let _ = closed_rx.await;
            }
        };
        if tokio::time::timeout(CLOSE_WITHIN, close).await.is_err() {
            tracing::warn!("the links to other nodes did not close within {} s", CLOSE_WITHIN.as_secs());
        }
    }
}

/// What it takes to listen, and to listen anew.
struct Door {
    engine: Arc<Engine>,
    own: Arc<Own>,
    sink: Sink,
    counts: Arc<Counts>,
}

impl Door {
    async fn open(&self) -> anyhow::Result<Listener> {
        Listener::open(&self.engine, &self.own.listen, &self.sink, Arc::clone(&self.counts)).await
    }

    /// While a node is frozen the others' dials pile up at its port, and the engine takes them one after the other:
    /// each that has been given up meanwhile would keep the living waiting. A new port buffer has none of them.
    /// What was given up may hold the port for a while: then it is tried again at the next order.
    async fn reopen(&self, listener: &Listener) -> Option<Listener> {
        listener.close();
        match self.open().await {
            Ok(anew) => Some(anew),
            Err(error) => {
                tracing::warn!("this node was away and can't listen for others yet; trying again: {error:#}");
                None
            }
        }
    }
}

/// The mesh's own thread: the engine's calls block the one that makes them, if only for milliseconds.
fn carry_out_all(
    mut orders: mpsc::Receiver<Order>,
    mut listener: Listener,
    links: &Arc<Links>,
    reopen: impl Fn(&Listener) -> Option<Listener>,
) {
    let (mut last, mut deaf) = (std::time::Instant::now(), false);
    while let Some(order) = orders.blocking_recv() {
        deaf |= last.elapsed() > AWAY;
        if deaf && let Some(anew) = reopen(&listener) {
            (listener, deaf) = (anew, false);
        }
        last = std::time::Instant::now();
        match order {
            Order::CarryOut(Output::Publish { to, bytes, urgency }) => listener.publish(to, bytes, urgency),
            // The answer travels as urgently as its question: the engine knows no other way.
            Order::CarryOut(Output::Reply { question, bytes, .. }) => listener.reply(question, bytes),
            Order::CarryOut(Output::Ask { link, question, bytes, urgency }) => {
                links.ask(link, question, bytes, urgency)
            }
            Order::CarryOut(Output::Dial { address }) => links.dial(address),
            Order::CarryOut(Output::HangUp { link }) => links.hang_up(link),
            Order::CarryOut(_) => {}
            Order::Close(closed) => {
                listener.close();
                links.close();
                let _ = closed.send(());
                return;
            }
        }
    }
    // The mesh was dropped without a goodbye.
    listener.close();
    links.close();
}
