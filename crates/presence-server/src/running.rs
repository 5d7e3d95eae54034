//! Starts a node's parts, and stops them in the right order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use presence_core::{App, Input, Node, NodeHash, NodeName, Place, Region, Room, Settings};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::Site;
use crate::certificate::Authority;
use crate::clock::{Clocks, wall_ms};
use crate::config::Config;
use crate::driver::{Driver, Ending, Inputs, Outlets, queues};
use crate::http::listen::{HttpServer, bind, connections_max};
use crate::http::tls::{CertificateFiles, acceptor};
use crate::http::{HttpState, Readiness, Services, router};
use crate::hub::Hub;
use crate::identity::{Cookies, EmbedIds, MemberIds, SignedNames, sha256};
use crate::mesh::{Mesh, MeshConfig};
use crate::presence_events::PresenceEvents;
use crate::queries::Queries;
use crate::secret::{Purpose, Secret, random};
use crate::sites::Sites;
use crate::socket::{ActionCableContext, ENCODERS, EmbedContext, ResumableSessions};
use crate::store::{Store, StoredState};
use crate::streams::StreamAccess;
use crate::views::Views;
use crate::webhooks::Webhooks;

/// The goodbye is repeated for 1 s. A node that takes much longer has failed.
const GOODBYE_WITHIN: Duration = Duration::from_secs(5);
/// How long open requests may take to finish.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// A node that serves, made by [`Server::start`](crate::Server::start); an example is at [`Server`](crate::Server).
pub struct Running {
    address: SocketAddr,
    drain_over: Duration,
    readiness: Arc<Readiness>,
    hub: Arc<Hub>,
    inputs: Inputs,
    driver: JoinHandle<Ending>,
    permits: Arc<Semaphore>,
    connections: u32,
    closing: watch::Sender<bool>,
}

pub(crate) async fn start(config: Config, app: Arc<dyn App>, site: Site) -> anyhow::Result<Running> {
    config.check().map_err(|mistake| anyhow!(mistake))?;
    let region = config.own_region();
    let place = place(&config, &site, &region);
    let readiness = Arc::new(Readiness::new(config.mesh_listen.is_some()));
    let (store, kept) = open_store(&config, &readiness).await?;
    let (secret, warning) = Secret::find(&config.secrets, config.data_dir.as_deref());
    warning.inspect(|warning| tracing::warn!("{warning}"));
    let (name, incarnation) = identify(&config, store.as_ref(), &kept);
    let tls = open_tls(&config)?;
    let listener = bind(config.listen).await?;
    let address = listener.local_addr().context("the listener has no address")?;
    let (inputs, waiting) = queues();
    let hub = Hub::start(config.limits.clone(), incarnation, ENCODERS);
    let views = Arc::new(Views::new(region.clone(), place.clone(), wall_ms()));
    let mesh = open_mesh(&config, &secret, &name, &inputs).await?;
    let settings = settings(region.clone(), place.clone(), name.clone(), incarnation, mesh.as_ref());
    let clock = Clocks::started();
    let records: Vec<Vec<u8>> = kept.records.into_values().collect();
    let webhooks = Webhooks::start(&config, name.clone(), incarnation, clock, &views)?;
    let node = Node::new(settings, Arc::clone(&app), &records, kept.addresses, clock.now());
    let queries = Queries::new(inputs.sockets.clone());
    let presence_events = PresenceEvents::new(Arc::clone(&hub), Arc::clone(&views), queries.clone());
    let outlets = Outlets {
        hub: Arc::clone(&hub),
        views: Arc::clone(&views),
        presence_events,
        queries: queries.pending(),
        store,
        mesh,
        webhooks,
    };
    let driver = tokio::spawn(Driver { node, clock, waiting, outlets }.run());
    let (connections, permits) = connection_permits(&config);
    let services = Services {
        cookies: Cookies::new(secret.keys(Purpose::Session), site.name),
        cable: Arc::new(cable(&config, &secret, &site, &queries)),
        embed: embed(&config, &secret, &site, &views),
        views,
        queries,
        hub: Arc::clone(&hub),
        inputs: inputs.clone(),
        readiness: Arc::clone(&readiness),
        connection_permits: Arc::clone(&permits),
    };
    let router = router(&Arc::new(HttpState::new(&config, app, site, services)));
    let (closing, closed) = watch::channel(false);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let header_within = config.limits.header_within;
    let server = HttpServer { listener, tls, router, header_within, permits: Arc::clone(&permits), closing: closed };
    tokio::spawn(server.run());
    tracing::info!(node.region = %region, node.name = %name, node.incarnation = incarnation, "serving on {scheme}://{address}");
    Ok(Running {
        address,
        drain_over: config.limits.drain_over,
        readiness,
        hub,
        inputs,
        driver,
        permits,
        connections,
        closing,
    })
}

fn settings(region: Region, place: Place, name: NodeName, incarnation: u64, mesh: Option<&Mesh>) -> Settings {
    Settings {
        region,
        place,
        name,
        incarnation,
        birth: u64::from_ne_bytes(random()),
        advertised: mesh.map(Mesh::advertised).unwrap_or_default(),
        meshed: mesh.is_some(),
        digest: sha256,
        key: mesh.map(Mesh::node_key),
    }
}

/// How many connections the node accepts, and a permit for each.
fn connection_permits(config: &Config) -> (u32, Arc<Semaphore>) {
    let connections = u32::try_from(connections_max(config.limits.connections)).unwrap_or(u32::MAX);
    (connections, Arc::new(Semaphore::new(connections as usize)))
}

/// The node's name, from the options, the disk or at random, and the incarnation of this start. Both are stored.
fn identify(config: &Config, store: Option<&Store>, kept: &StoredState) -> (NodeName, u64) {
    let name = config.own_name().or_else(|| kept.node.clone()).unwrap_or_else(|| random_name(&config.own_region()));
    let incarnation = wall_ms().max(kept.incarnation.saturating_add(1));
    if let Some(store) = store {
        store.remember_name(&name, incarnation);
    }
    (name, incarnation)
}

fn cable(config: &Config, secret: &Secret, site: &Site, queries: &Queries) -> ActionCableContext {
    ActionCableContext {
        names: Arc::new(SignedNames::new(secret.keys(Purpose::Names), site.name)),
        members: MemberIds::new(&secret.keys(Purpose::Members)),
        streams: StreamAccess::new(config.public_streams.clone(), secret),
        queries: queries.clone(),
        resumable: ResumableSessions::default(),
    }
}

fn embed(config: &Config, secret: &Secret, site: &Site, views: &Arc<Views>) -> EmbedContext {
    let reserved = Room::new(site.name).expect("a site's name is short and not empty");
    EmbedContext {
        sites: Arc::new(Sites::new(config, secret.clone(), reserved)),
        ids: Arc::new(EmbedIds::new(secret.keys(Purpose::Embed))),
        views: Arc::clone(views),
    }
}

fn place(config: &Config, site: &Site, region: &Region) -> Place {
    let known = (site.place)(region);
    let location = config.region_location.map(|location| (location.latitude, location.longitude));
    let name = config.region_name.clone().or_else(|| known.as_ref().map(|place| place.name.clone()));
    Place {
        name: name.unwrap_or_else(|| region.to_string()),
        location: location.or_else(|| known.and_then(|place| place.location)),
    }
}

async fn open_store(config: &Config, readiness: &Arc<Readiness>) -> anyhow::Result<(Option<Store>, StoredState)> {
    let Some(folder) = config.data_dir.clone() else {
        tracing::warn!("no --data-dir is set: facts are kept in memory and lost after a restart");
        return Ok((None, StoredState::default()));
    };
    let readiness = Arc::clone(readiness);
    let health = Box::new(move |fault| readiness.set_disk(fault));
    let opening = tokio::task::spawn_blocking(move || Store::open(&folder, health));
    let (store, kept) = opening.await.context("opening the data directory panicked")??;
    Ok((Some(store), kept))
}

fn open_tls(config: &Config) -> anyhow::Result<Option<TlsAcceptor>> {
    let files = config.tls_cert.clone().zip(config.tls_key.clone());
    files.map(|(certificate, key)| acceptor(CertificateFiles { certificate, key })).transpose()
}

async fn open_mesh(config: &Config, secret: &Secret, name: &NodeName, inputs: &Inputs) -> anyhow::Result<Option<Mesh>> {
    let Some(listen) = config.mesh_listen.clone() else { return Ok(None) };
    let authority = match (&config.mesh_ca, &config.mesh_cert, &config.mesh_key) {
        (Some(ca), Some(certificate), Some(key)) => {
            Authority::Files { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() }
        }
        _ => {
            let (current, previous) = secret.pair(Purpose::MeshAuthority);
            Authority::Secret { current, previous }
        }
    };
    let mesh = MeshConfig {
        listen: vec![listen],
        advertise: config.mesh_advertise.clone(),
        peers: config.mesh_peer.clone(),
        name: name.clone(),
        hash: NodeHash::of(name, sha256),
        authority,
        reset_key: secret.keys(Purpose::MeshResets).signing,
        delays: config.mesh_delay.clone(),
    };
    Ok(Some(Mesh::start(mesh, inputs.mesh.clone()).await?))
}

fn random_name(region: &Region) -> NodeName {
    let number = u32::from_ne_bytes(random());
    NodeName::new(&format!("{region}-{number:08x}")).expect("a region's code and eight digits are a name")
}

impl Running {
    /// The address that it listens on, with the port that was chosen for a 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for SIGTERM or SIGINT and drains.
    ///
    /// # Errors
    ///
    /// If the node can't continue, with the reason, or if a second signal ends the drain.
    pub async fn until_signalled(mut self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("could not listen for SIGINT")?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            ended = &mut self.driver => return result(ended.context("the node panicked")?),
        }
        tokio::select! {
            drained = self.drain() => drained,
            _ = terminate.recv() => bail!("stopped at once by a second signal"),
            _ = interrupt.recv() => bail!("stopped at once by a second signal"),
        }
    }

    /// Announces the stop, closes the sockets one after the other, tells the other nodes goodbye, and writes the last facts to
    /// disk.
    ///
    /// # Errors
    ///
    /// If the node does not stop in time.
    pub async fn drain(mut self) -> anyhow::Result<()> {
        tracing::info!("draining: closing all sockets within {} s", self.drain_over.as_secs_f32());
        self.readiness.drain();
        self.tell(Input::Drained).await;
        self.hub.close_all(self.drain_over).await;
        // In the same queue as the last clicks, and so after them.
        drop(self.inputs.sockets.send(Input::Emptied).await);
        let ended = tokio::time::timeout(GOODBYE_WITHIN, &mut self.driver).await;
        self.closing.send_replace(true);
        let all = self.permits.acquire_many(self.connections);
        drop(tokio::time::timeout(ANSWERS_WITHIN, all).await);
        let ending = ended.context("the node did not stop in time")?.context("the node panicked")?;
        tracing::info!("drained");
        result(ending)
    }

    async fn tell(&self, input: Input) {
        drop(self.inputs.mesh.send(input).await);
    }
}

fn result(ending: Ending) -> anyhow::Result<()> {
    match ending {
        Ending::Finished => Ok(()),
        Ending::Aborted(reason) => Err(anyhow!(reason)),
        Ending::Deserted => Err(anyhow!("all inputs of the node were closed")),
    }
}
