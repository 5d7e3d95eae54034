//! Makes the parts of a node from its options.

use std::sync::Arc;

use anyhow::Context as _;
use presence_core::{FactSettings, NodeName, Place, Region, Room, Settings};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::Site;
use crate::clock::wall_ms;
use crate::config::Config;
use crate::contained_app::ContainedApp;
use crate::drawing_queue::DrawingQueue;
use crate::driver::{Inputs, Outlets};
use crate::http::api_key::ApiKeys;
use crate::http::listen::{bind, connections_max};
use crate::http::metrics::ObservedNode;
use crate::http::tls::{self, BrowserTls, CertificateFiles};
use crate::http::{Readiness, Services};
use crate::hub::Hub;
use crate::identity::{Cookies, EmbedIds, MemberIds, SealedGuests, SignedNames, sha256};
use crate::monitor;
use crate::presence_events::PresenceEvents;
use crate::queries::Queries;
use crate::secret::{Purpose, Secret, random};
use crate::service_manager;
use crate::sites::{Sites, shared};
use crate::socket::{ActionCableContext, EmbedContext, ResumableSessions};
use crate::store::{Store, StoredState};
use crate::streams::StreamAccess;
use crate::supervision::Supervisor;
use crate::traces::Traces;
use crate::views::Views;
use crate::webhooks::Webhooks;

/// What a node is told at its start. The mesh adds what only it knows.
pub(crate) fn settings(
    region: Region,
    place: Place,
    name: NodeName,
    incarnation: u64,
    meshed: bool,
    facts: FactSettings,
) -> Settings {
    Settings {
        region,
        place,
        name,
        incarnation,
        birth: u64::from_ne_bytes(random()),
        advertised: Vec::new(),
        meshed,
        digest: sha256,
        key: None,
        facts,
    }
}

/// What metrics say of a node besides what its pages know.
pub(super) fn observed(
    region: &Region,
    name: &NodeName,
    inputs: &Inputs,
    store: Option<&Store>,
    webhooks: Option<&Webhooks>,
    traces: &Traces,
    supervisor: &Supervisor,
) -> ObservedNode {
    ObservedNode {
        region: region.to_string(),
        name: name.to_string(),
        inputs: inputs.clone(),
        store: store.map(Store::watch),
        webhooks: webhooks.map(Webhooks::stats),
        reports: Arc::default(),
        mesh: Arc::default(),
        tls: None,
        traces: traces.clone(),
        supervisor: supervisor.clone(),
    }
}

/// The socket that pages are served on: the service manager's, or one of its own.
pub(super) async fn listener(config: &Config) -> anyhow::Result<TcpListener> {
    match service_manager::listener().context("the socket on standard input can't be used")? {
        Some(listener) => Ok(listener),
        None => bind("--listen", config.listen).await,
    }
}

/// How many connections the node accepts, and a permit for each.
pub(super) fn connection_permits(config: &Config) -> (u32, Arc<Semaphore>) {
    let connections = u32::try_from(connections_max(config.limits.connections)).unwrap_or(u32::MAX);
    (connections, Arc::new(Semaphore::new(connections as usize)))
}

/// The node's name, from the options, the disk or at random, and the incarnation of this start. Both are stored.
pub(super) fn identify(config: &Config, store: Option<&Store>, kept: &StoredState) -> (NodeName, u64) {
    let name = config.own_name().or_else(|| kept.node.clone()).unwrap_or_else(|| random_name(&config.own_region()));
    let incarnation = wall_ms().max(kept.incarnation.saturating_add(1));
    if let Some(store) = store {
        store.remember_name(&name, incarnation);
    }
    (name, incarnation)
}

/// What visitors read and write, once the node runs.
pub(super) struct LiveParts {
    pub(super) app: Arc<ContainedApp>,
    pub(super) views: Arc<Views>,
    pub(super) queries: Queries,
    pub(super) hub: Arc<Hub>,
    pub(super) inputs: Inputs,
    pub(super) readiness: Arc<Readiness>,
    pub(super) traces: Traces,
}

impl LiveParts {
    /// Takes over the sites that the API sets, and looks every second at what no event reports, for as long as the node runs.
    pub(super) fn watch(&self, sites: &Arc<Sites>, supervisor: &Supervisor) {
        let (followed, views) = (Arc::downgrade(sites), Arc::clone(&self.views));
        supervisor.spawn("monitor", monitor::run(Arc::downgrade(&self.readiness)));
        supervisor.spawn("sites", shared::follow(followed, views, self.queries.clone()));
    }
}

/// Where the driver's outputs go; those for other nodes once the mesh listens.
pub(super) fn outlets(
    live: &LiveParts,
    node: &ObservedNode,
    store: Option<Store>,
    webhooks: Option<Webhooks>,
    supervisor: &Supervisor,
) -> anyhow::Result<Outlets> {
    let (hub, views) = (Arc::clone(&live.hub), Arc::clone(&live.views));
    let inputs = live.inputs.mesh.downgrade();
    let traces = node.traces.clone();
    let drawings = DrawingQueue::start(
        Arc::clone(&live.app),
        Arc::clone(&hub),
        traces.clone(),
        supervisor.clone(),
        inputs.clone(),
    );
    Ok(Outlets {
        presence_events: PresenceEvents::new(Arc::clone(&hub), Arc::clone(&views), live.queries.clone()),
        drawings: drawings.context("the thread that draws can't be started")?,
        hub,
        views,
        queries: live.queries.pending(),
        node_reports: Arc::clone(&node.reports),
        store,
        carrier: None,
        webhooks,
        traces,
        inputs,
    })
}

pub(super) fn services(
    config: &Config,
    secret: &Secret,
    site: &Site,
    live: LiveParts,
    api_keys: Arc<ApiKeys>,
    sites: Arc<Sites>,
    permits: &Arc<Semaphore>,
) -> Services {
    let LiveParts { app, views, queries, hub, inputs, readiness, traces } = live;
    let cable = ActionCableContext {
        names: Arc::new(SignedNames::new(secret.keys(Purpose::Names), site.name)),
        members: MemberIds::new(secret.user_key(Purpose::Members)),
        guests: SealedGuests::new(secret.keys(Purpose::Guests)),
        streams: StreamAccess::new(config.public_streams.clone(), secret),
        queries: queries.clone(),
        app,
        site: Room::new(site.name).expect("a site's name is short and not empty"),
        views: Arc::clone(&views),
        resumable: ResumableSessions::default(),
        fetch_locks: Arc::default(),
        traces,
    };
    Services {
        api_keys,
        cookies: Cookies::new(secret.keys(Purpose::Session), site.name),
        cable: Arc::new(cable),
        embed: EmbedContext {
            sites,
            ids: Arc::new(EmbedIds::new(secret.keys(Purpose::Embed))),
            views: Arc::clone(&views),
        },
        views,
        queries,
        hub,
        inputs,
        readiness,
        connection_permits: Arc::clone(permits),
    }
}

/// The sites that may embed this server.
pub(super) fn sites(config: &Config, secret: &Secret, site: &Site) -> anyhow::Result<Arc<Sites>> {
    let reserved = Room::new(site.name).expect("a site's name is short and not empty");
    Sites::open(config, secret.clone(), reserved)
}

pub(crate) fn place(config: &Config, site: &Site, region: &Region) -> Place {
    let known = (site.place)(region);
    let location = config.region_location.map(|location| (location.latitude, location.longitude));
    let name = config.region_name.clone().or_else(|| known.as_ref().map(|place| place.name.clone()));
    Place {
        name: name.unwrap_or_else(|| region.to_string()),
        location: location.or_else(|| known.and_then(|place| place.location)),
    }
}

pub(super) async fn open_store(
    config: &Config,
    readiness: &Arc<Readiness>,
    supervisor: &Supervisor,
) -> anyhow::Result<(Option<Store>, StoredState)> {
    let Some(folder) = config.data_dir.clone() else {
        tracing::warn!("no --data-dir is set: facts are kept in memory and lost after a restart");
        return Ok((None, StoredState::default()));
    };
    let told = Arc::clone(readiness);
    let guard = supervisor.guard("store");
    let health = Box::new(move |fault| told.set_disk(fault));
    let opening = tokio::task::spawn_blocking(move || Store::open(&folder, health, Some(guard)));
    let (store, kept) = opening.await.context("opening the data directory panicked")??;
    readiness.watch_store(store.watch());
    Ok((Some(store), kept))
}

pub(crate) fn open_tls(config: &Config) -> anyhow::Result<Option<BrowserTls>> {
    let files = config.tls_cert.clone().zip(config.tls_key.clone());
    files.map(|(certificate, key)| tls::open(CertificateFiles { certificate, key })).transpose()
}

fn random_name(region: &Region) -> NodeName {
    let number = u32::from_ne_bytes(random());
    NodeName::new(&format!("{region}-{number:08x}")).expect("a region's code and eight digits are a name")
}
