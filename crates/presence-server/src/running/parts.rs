//! Makes the parts of a node from its options.

use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use presence_core::{NodeName, Place, Region, Room, Settings};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use crate::Site;
use crate::certificate::Authority;
use crate::clock::wall_ms;
use crate::config::Config;
use crate::contained_app::ContainedApp;
use crate::drawing_queue::DrawingQueue;
use crate::driver::{Inputs, Outlets};
use crate::http::connections::HttpConnections;
use crate::http::listen::{HttpServer, connections_max};
use crate::http::tls::{CertificateFiles, acceptor};
use crate::http::{Readiness, Services};
use crate::hub::Hub;
use crate::identity::{Cookies, EmbedIds, MemberIds, SealedGuests, SignedNames, sha256};
use crate::mesh::MeshConfig;
use crate::presence_events::PresenceEvents;
use crate::queries::Queries;
use crate::secret::{Purpose, Secret, random};
use crate::sites::Sites;
use crate::socket::{ActionCableContext, EmbedContext, ResumableSessions};
use crate::store::{Store, StoredState};
use crate::streams::StreamAccess;
use crate::supervision::Supervisor;
use crate::views::Views;
use crate::webhooks::Webhooks;

pub(super) fn settings(region: Region, place: Place, name: NodeName, incarnation: u64, meshed: bool) -> Settings {
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
    }
}

/// Begins to accept connections, until `true` is sent.
pub(super) fn serve(
    config: &Config,
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    permits: &Arc<Semaphore>,
    supervisor: &Supervisor,
) -> watch::Sender<bool> {
    let (closing, closed) = watch::channel(false);
    let server = HttpServer {
        listener,
        tls,
        router,
        header_within: config.limits.header_within,
        permits: Arc::clone(permits),
        connections: HttpConnections::new(config),
        closing: closed,
    };
    supervisor.spawn("accept loop", server.run());
    closing
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
}

/// Where the driver's outputs go; those for other nodes once the mesh listens.
pub(super) fn outlets(
    live: &LiveParts,
    store: Option<Store>,
    webhooks: Option<Webhooks>,
    supervisor: &Supervisor,
) -> anyhow::Result<Outlets> {
    let (hub, views) = (Arc::clone(&live.hub), Arc::clone(&live.views));
    let drawings = DrawingQueue::start(Arc::clone(&live.app), Arc::clone(&hub), supervisor.clone());
    Ok(Outlets {
        presence_events: PresenceEvents::new(Arc::clone(&hub), Arc::clone(&views), live.queries.clone()),
        drawings: drawings.context("the thread that draws can't be started")?,
        hub,
        views,
        queries: live.queries.pending(),
        store,
        mesh: None,
        webhooks,
        inputs: live.inputs.mesh.downgrade(),
    })
}

pub(super) fn services(
    config: &Config,
    secret: &Secret,
    site: &Site,
    live: LiveParts,
    permits: &Arc<Semaphore>,
) -> Services {
    let LiveParts { app, views, queries, hub, inputs, readiness } = live;
    let cable = ActionCableContext {
        names: Arc::new(SignedNames::new(secret.keys(Purpose::Names), site.name)),
        members: MemberIds::new(&secret.keys(Purpose::Members)),
        guests: SealedGuests::new(secret.keys(Purpose::Guests)),
        streams: StreamAccess::new(config.public_streams.clone(), secret),
        queries: queries.clone(),
        app,
        views: Arc::clone(&views),
        resumable: ResumableSessions::default(),
        fetch_locks: Arc::default(),
    };
    Services {
        cookies: Cookies::new(secret.keys(Purpose::Session), site.name),
        cable: Arc::new(cable),
        embed: embed(config, secret, site, &views),
        views,
        queries,
        hub,
        inputs,
        readiness,
        connection_permits: Arc::clone(permits),
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

pub(super) fn place(config: &Config, site: &Site, region: &Region) -> Place {
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

pub(super) fn open_tls(config: &Config) -> anyhow::Result<Option<TlsAcceptor>> {
    let files = config.tls_cert.clone().zip(config.tls_key.clone());
    files.map(|(certificate, key)| acceptor(CertificateFiles { certificate, key })).transpose()
}

pub(super) fn mesh_config(config: &Config, secret: &Secret, name: &NodeName) -> Option<MeshConfig> {
    let listen = config.mesh_listen.clone()?;
    let authority = match (&config.mesh_ca, &config.mesh_cert, &config.mesh_key) {
        (Some(ca), Some(certificate), Some(key)) => {
            Authority::Files { ca: ca.clone(), certificate: certificate.clone(), key: key.clone() }
        }
        _ => {
            let (current, previous) = secret.pair(Purpose::MeshAuthority);
            Authority::Secret { current, previous }
        }
    };
    Some(MeshConfig {
        listen: vec![listen],
        advertise: config.mesh_advertise.clone(),
        peers: config.mesh_peer.clone(),
        name: name.clone(),
        authority,
        reset_key: secret.keys(Purpose::MeshResets).signing,
        delays: config.mesh_delay.clone(),
    })
}

fn random_name(region: &Region) -> NodeName {
    let number = u32::from_ne_bytes(random());
    NodeName::new(&format!("{region}-{number:08x}")).expect("a region's code and eight digits are a name")
}
