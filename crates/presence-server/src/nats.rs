//! Links to other nodes through NATS, for operators who run that already, and for nodes that no other node can dial.
//!
//! As the embedded mesh, it decides nothing and stores nothing, and core does not know which of the two carries its messages.
//! What is published while the connection is lost is dropped, since it would be late: core repairs gaps, and nothing repairs
//! what an old message says.

mod client;
mod health;
mod links;
mod seal;
mod starts;
mod subjects;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::bail;
use data_encoding::HEXLOWER;
use futures_util::StreamExt as _;
use parking_lot::Mutex;
use presence_core::{Input, NodeHash, NodeKey, NodeName, Output, Region};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub(crate) use self::client::check_credentials;
use self::client::{ConnectionChange, NatsClients};
pub(crate) use self::health::NatsHealth;
use self::links::{NatsLinks, NatsState};
use self::seal::{Lane, Sealer, StartId};
pub(crate) use self::starts::MeshKey;
use self::subjects::Subjects;
use crate::identity::sha256;
use crate::mesh::{Counts, Inbound};
use crate::signing;

/// How often the connections are looked at.
const TICK_EVERY: Duration = Duration::from_millis(500);
/// How long a start waits for NATS. After that the node serves its region without it, and tries on.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
/// How long [`Nats::close`] may take.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// The settings of a mesh over NATS.
#[derive(Clone)]
pub struct NatsConfig {
    /// `nats://host:port` or `tls://host:port`.
    pub(crate) servers: Vec<String>,
    pub(crate) credentials: Option<PathBuf>,
    /// This node's name.
    pub(crate) name: NodeName,
    pub(crate) region: Region,
    /// The key that seals, and during a rotation the other one that opens.
    pub(crate) keys: Vec<MeshKey>,
    /// Signs what others relay for this node.
    pub(crate) node_key: NodeKey,
    /// Where it is noted what is wrong.
    pub(crate) health: Arc<NatsHealth>,
}

impl NatsConfig {
    /// Without credentials. The first key seals, and all of them open. A mesh without a name gets one for each key, so that two
    /// meshes on the same servers never meet.
    pub fn new(
        servers: Vec<String>,
        name: NodeName,
        region: Region,
        mesh: Option<&str>,
        keys: Vec<[u8; 32]>,
        node_key: NodeKey,
    ) -> Self {
        let made = |key: &[u8; 32]| HEXLOWER.encode(&signing::sign(key, b"global-presence 1 mesh name")[..8]);
        let named = |key: [u8; 32]| MeshKey { mesh: mesh.map_or_else(|| made(&key), str::to_owned), key };
        let keys = keys.into_iter().map(named).collect();
        Self { servers, credentials: None, name, region, keys, node_key, health: Arc::default() }
    }
}

/// The links of this node, for as long as it runs. If it is dropped, they are lost.
pub struct Nats {
    links: Arc<NatsLinks>,
    key: NodeKey,
    tasks: Vec<AbortHandle>,
}

impl Nats {
    /// Connects, in tasks of the current runtime. Fails if the options can't be used, or the server takes too small messages.
    /// A server that can't be reached is no failure.
    pub async fn start(config: NatsConfig, inputs: mpsc::Sender<Input>) -> anyhow::Result<Self> {
        let (name, start) = (config.name.as_str().to_owned(), StartId::new());
        let (clients, changes) = NatsClients::connect(&config).await?;
        let clients = Arc::new(clients);
        let own = &config.keys[0];
        let links = Arc::new(NatsLinks {
            subjects: Subjects {
                mesh: own.mesh.clone(),
                node: NodeHash::of(&config.name, sha256),
                region: config.region.clone(),
                name: name.clone(),
                start,
            },
            sealer: Sealer::new(&own.key, &name, start),
            keys: config.keys,
            clients: Arc::clone(&clients),
            inbound: Inbound::new(inputs),
            health: config.health,
            started: Instant::now(),
            state: Mutex::new(NatsState::new()),
        });
        let mut nats = Self { links, key: config.node_key, tasks: Vec::new() };
        nats.listen().await?;
        nats.spawn(follow(Arc::clone(&nats.links), changes));
        let servers = config.servers.join(", ");
        if client::opened(&clients, CONNECT_WITHIN).await {
            if let Some(fault) = clients.payload_fault() {
                bail!("{fault}");
            }
            tracing::info!(mesh = nats.links.subjects.mesh, "linked by NATS: {servers}");
        } else {
            tracing::warn!(
                "none of {servers} answers as a NATS server; trying on, and serving without the other nodes"
            );
        }
        nats.spawn(tick(Arc::clone(&nats.links)));
        Ok(nats)
    }

    /// Listens to the subjects of each mesh whose key is known.
    async fn listen(&mut self) -> anyhow::Result<()> {
        let mut meshes: Vec<&str> = self.links.keys.iter().map(|key| key.mesh.as_str()).collect();
        meshes.dedup();
        let all: Vec<_> = meshes.into_iter().map(|mesh| self.links.subjects.listens(mesh)).collect();
        for (messages, requests) in all {
            for (lane, subjects) in [(Lane::Messages, messages), (Lane::Requests, requests)] {
                let mut messages = self.links.clients.listen(lane, &subjects).await?;
                let links = Arc::clone(&self.links);
                self.spawn(async move {
                    while let Some(message) = messages.next().await {
                        links.arrived(&message);
                    }
                });
            }
        }
        Ok(())
    }

    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.push(tokio::spawn(task).abort_handle());
    }

    /// Carries out core's outputs for the mesh and ignores others. Never waits.
    pub fn carry_out(&self, output: Output) {
        self.links.inbound.counts().sent(&output);
        match output {
            Output::Publish { to, bytes, .. } => self.links.publish(&to, &bytes),
            Output::Reply { question, bytes, .. } => self.links.reply(question, &bytes),
            Output::Ask { link, question, bytes, .. } => self.links.ask(link, question, bytes),
            Output::Dial { address } => self.links.dial(address),
            Output::HangUp { link } => self.links.hang_up(link),
            _ => {}
        }
    }

    /// This node's address as others reach it.
    pub fn advertised(&self) -> Vec<String> {
        vec![subjects::address(&self.links.subjects.name, self.links.subjects.start)]
    }

    /// The key that signs what others relay for this node.
    pub fn node_key(&self) -> NodeKey {
        self.key.clone()
    }

    /// Counters of what goes over the links and of what is dropped.
    pub fn counts(&self) -> Arc<Counts> {
        Arc::clone(self.links.inbound.counts())
    }

    /// Tells the others that this node leaves.
    pub async fn close(self) {
        drop(tokio::time::timeout(CLOSE_WITHIN, self.links.close()).await);
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Acts on what happens to the connections.
async fn follow(links: Arc<NatsLinks>, mut changes: mpsc::Receiver<(Lane, ConnectionChange)>) {
    while let Some((lane, change)) = changes.recv().await {
        match change {
            ConnectionChange::Opened => {
                tracing::info!(connection = ?lane, "connected to a NATS server");
                links.opened();
            }
            ConnectionChange::Lost => tracing::warn!(connection = ?lane, "lost the connection to a NATS server"),
            // It would close the connection only at its very end.
            ConnectionChange::EndsSoon => {
                tracing::info!(connection = ?lane, "the NATS server is about to end; moving to another one");
                links.clients.move_elsewhere(lane).await;
            }
        }
    }
}

async fn tick(links: Arc<NatsLinks>) {
    let mut every = tokio::time::interval(TICK_EVERY);
    loop {
        every.tick().await;
        links.tick();
    }
}
