//! Links to other nodes: authenticated, each failing and returning independently of the others.
//!
//! The mesh decides nothing: core says which addresses to dial, what to publish and ask; what arrives becomes an
//! [`Input`]. For every ordered pair of nodes there is one connection, dialled by the one that reads; the other
//! publishes and answers there.
//!
//! Nothing here waits for a peer. What arrives goes to the driver over a bounded queue, and what overflows is dropped and
//! counted (gaps are repaired). All tasks run where the mesh was started.

mod connection;
mod delay;
mod dial;
mod inbound;
mod links;
mod quic;
mod strangers;
mod tls;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use presence_core::{DialError, Input, NodeHash, NodeKey, NodeName, Output};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::certificate::tls::SharedTrust;
use crate::certificate::{Authority, renewals};
use crate::config::{MeshAddress, MeshProtocol, OwnAddresses};
use crate::identity::sha256;
use crate::mux;
use crate::resolver::{ResolvedNames, Resolver};
use connection::MeshConnection;
use dial::Dialler;
use futures_util::FutureExt as _;
pub(crate) use inbound::Inbound;
use links::Links;
use quic::Quic;
use strangers::Strangers;
use tls::Tls;

/// No message between nodes is longer: pages are at most 250 KB.
pub(crate) const MESSAGE_BYTES_MAX: usize = mux::BYTES_MAX;
/// A message that could not be sent for this long is dropped: its author has sent a newer one since.
const MESSAGE_WITHIN: Duration = Duration::from_secs(1);
/// A question is answered within this time or not at all.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How long a port may be taken: a process leaves its port some 0.1 s after its end.
const LISTEN_WITHIN: Duration = Duration::from_secs(3);
const LISTEN_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// How long [`Mesh::close`] may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(3);

/// The settings of a mesh.
#[derive(Clone, Debug)]
pub struct MeshConfig {
    /// Where other nodes reach us, `quic/host:port` or `tls/host:port`, the host a number; a wildcard stands for every
    /// interface, now and later, port 0 for any free one.
    pub listen: Vec<String>,
    /// The same as others see it; empty if that is no different.
    pub advertise: Vec<String>,
    /// Other nodes; a host is a number or a name that stands for one node or many.
    pub peers: Vec<String>,
    /// This node's name.
    pub name: NodeName,
    /// The authority whose nodes are let in.
    pub authority: Authority,
    /// Signs QUIC's stateless resets, so that the others learn at once that this node was restarted. The same at each start,
    /// and secret.
    pub reset_key: [u8; 32],
    /// Simulated latency: what arrives from an address waits this one-way delay.
    pub delays: Vec<(String, Duration)>,
}

/// What was sent or received of one kind of message.
#[derive(Debug, Default)]
pub(crate) struct LinkTraffic {
    pub(crate) count: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

impl LinkTraffic {
    fn add(&self, bytes: &[u8]) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }
}

/// What was sent, or what was received.
#[derive(Debug, Default)]
pub(crate) struct LinkDirection {
    pub(crate) messages: LinkTraffic,
    pub(crate) questions: LinkTraffic,
    pub(crate) answers: LinkTraffic,
}

/// Counters of what goes over the links and of what was dropped, for metrics.
#[derive(Debug, Default)]
pub struct Counts {
    pub(crate) sent: LinkDirection,
    pub(crate) received: LinkDirection,
    /// Messages and questions that found the driver's queue full.
    pub inputs_dropped: AtomicU64,
    /// Messages that one reader had no room for.
    pub messages_dropped: AtomicU64,
    /// Messages over 1 MiB that were not sent.
    pub oversized: AtomicU64,
    dials_failed: [AtomicU64; DialError::ALL.len()],
    /// The certificates of links; not set where NATS carries them.
    pub(crate) trust: OnceLock<SharedTrust>,
}

impl Counts {
    /// Dials that ended without a link, for this reason.
    pub fn dials_failed(&self, reason: DialError) -> u64 {
        self.dials_failed[reason.index()].load(Ordering::Relaxed)
    }

    pub(crate) fn dial_failed(&self, reason: DialError) {
        Self::count(&self.dials_failed[reason.index()]);
    }

    /// Counts what core orders to send; what is published to all nodes is one message.
    pub(crate) fn sent(&self, output: &Output) {
        match output {
            Output::Publish { bytes, .. } => self.sent.messages.add(bytes),
            Output::Ask { bytes, .. } => self.sent.questions.add(bytes),
            Output::Reply { bytes, .. } => self.sent.answers.add(bytes),
            _ => {}
        }
    }

    /// Counts what came over a link, and hands it on.
    pub(crate) fn received(&self, input: Input) -> Input {
        match &input {
            Input::Received { bytes, .. } => self.received.messages.add(bytes),
            Input::Asked { bytes, .. } => self.received.questions.add(bytes),
            Input::Answered { bytes: Some(bytes), .. } => self.received.answers.add(bytes),
            _ => {}
        }
        input
    }

    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// The links of this node, for as long as it runs. If it is dropped, they close.
pub struct Mesh {
    links: Arc<Links>,
    inbound: Inbound,
    advertised: Vec<MeshAddress>,
    key: NodeKey,
}

impl Mesh {
    /// Listens, and begins to resolve the configured names, in tasks of the current runtime. Fails if an address is wrong or in
    /// use, or a certificate can't be used.
    pub async fn start(config: MeshConfig, inputs: mpsc::Sender<Input>) -> anyhow::Result<Self> {
        let inbound = Inbound::new(inputs);
        let key = config.authority.node_key(config.name.as_str())?;
        let (links, advertised) = open(&config, &inbound).await?;
        Ok(Self { links, inbound, advertised, key })
    }

    /// Carries out core's outputs for the mesh and ignores others. Never waits.
    pub fn carry_out(&self, output: Output) {
        self.inbound.counts().sent(&output);
        match output {
            Output::Publish { to, bytes, urgency } => self.links.publish(&to, bytes, urgency),
            Output::Reply { question, bytes, urgency } => self.links.reply(question, bytes, urgency),
            Output::Ask { link, question, bytes, urgency } => self.links.ask(link, question, bytes, urgency),
            Output::Dial { address } => self.links.dial(address),
            Output::HangUp { link } => self.links.hang_up(link),
            _ => {}
        }
    }

    /// This node's addresses as others reach them, for core's settings. Later ones are told by [`Input::Readdressed`].
    pub fn advertised(&self) -> Vec<String> {
        self.advertised.iter().map(ToString::to_string).collect()
    }

    /// The key that signs what others relay for this node, for core's settings.
    pub fn node_key(&self) -> NodeKey {
        self.key.clone()
    }

    /// Counters of what goes over the links and of what is dropped.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(self.inbound.counts())
    }

    /// Closes every link. The others know at once; without it they would notice the silence.
    pub async fn close(self) {
        if tokio::time::timeout(CLOSE_WITHIN, Arc::clone(&self.links).close()).await.is_err() {
            tracing::warn!("the links to other nodes did not close within {} s", CLOSE_WITHIN.as_secs());
        }
    }
}

impl Drop for Mesh {
    fn drop(&mut self) {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(Arc::clone(&self.links).close());
        }
    }
}

/// The carriers of connections: QUIC, and TLS where UDP is blocked. A node may dial over either.
struct Carriers {
    quic: Quic,
    tls: Tls,
}

impl Carriers {
    /// Listens there, for `links`; returns the port, which the system chooses if it is 0.
    fn listen(&self, at: &MeshAddress, links: &Arc<Links>) -> anyhow::Result<u16> {
        let (to, links) = (at.socket()?, Arc::clone(links));
        match at.protocol {
            MeshProtocol::Quic => {
                self.quic.listen(to, Arc::new(move |quic| links.clone().welcome(MeshConnection::Quic(quic)).boxed()))
            }
            MeshProtocol::Tls => {
                self.tls.listen(to, Arc::new(move |tls| links.clone().welcome(MeshConnection::Tls(tls)).boxed()))
            }
        }
    }

    async fn dial(&self, protocol: MeshProtocol, to: SocketAddr, name: &str) -> Result<MeshConnection, DialError> {
        match protocol {
            MeshProtocol::Quic => self.quic.dial(to, name).await.map(MeshConnection::Quic),
            MeshProtocol::Tls => self.tls.dial(to, name).await.map(MeshConnection::Tls),
        }
    }

    async fn close(&self) {
        self.tls.close();
        self.quic.close().await;
    }
}

async fn open(config: &MeshConfig, inbound: &Inbound) -> anyhow::Result<(Arc<Links>, Vec<MeshAddress>)> {
    let parse = |all: &[String]| all.iter().map(|text| MeshAddress::parse(text)).collect::<anyhow::Result<Vec<_>>>();
    let (known, strangers) = (ResolvedNames::default(), Strangers::default());
    let (name, node) = (config.name.as_str(), NodeHash::of(&config.name, sha256));
    let trust = renewals::begin(&config.authority, name, node)?;
    drop(inbound.counts().trust.set(Arc::clone(&trust)));
    let quic = Quic::new(Arc::clone(&trust), name, config.reset_key, strangers.clone());
    let carriers = Arc::new(Carriers { quic, tls: Tls::new(Arc::clone(&trust), strangers.clone()) });
    let dialler = Dialler { node, carriers: Arc::clone(&carriers), trust, known: known.clone() };
    let delays = config.delays.iter().map(|(at, delay)| Ok((MeshAddress::parse(at)?, *delay)));
    let links = Arc::new(Links::new(dialler, inbound.clone(), delays.collect::<anyhow::Result<_>>()?));
    let mut own = OwnAddresses { listen: parse(&config.listen)?, advertise: parse(&config.advertise)? };
    for address in &mut own.listen {
        address.port = listen(&carriers, &links, address).await?;
        tracing::info!("listening for other nodes at {address}");
    }
    let interfaces = OwnAddresses::interfaces()?;
    let advertised = own.advertised(&interfaces);
    let resolver = Resolver::new(parse(&config.peers)?, own, interfaces, known);
    tokio::spawn(resolver.follow(inbound.inputs()));
    tokio::spawn(strangers.tell());
    Ok((links, advertised))
}

async fn listen(carriers: &Carriers, links: &Arc<Links>, at: &MeshAddress) -> anyhow::Result<u16> {
    let began = Instant::now();
    loop {
        match carriers.listen(at, links) {
            Ok(port) => return Ok(port),
            Err(error) if began.elapsed() > LISTEN_WITHIN => {
                return Err(error)
                    .with_context(|| format!("--mesh-listen {at} is taken, or is not an address of this machine"));
            }
            Err(_) => tokio::time::sleep(LISTEN_AGAIN_AFTER).await,
        }
    }
}
