//! What pages, the API and embeds share: the views they read, the limits they keep and the caches they fill.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, Version, header};
use presence_core::{ConnectionId, Found, ImportResult, Input, Query, ReflexError, Room, TraceContext};
use tokio::sync::{Semaphore, mpsc};

use super::address_limit::{AddressLimit, AddressLoad, AddressPermit};
use super::api_key::{ApiKeys, GivenKey, WrongKeys};
use super::files;
use super::gzip_cache::GzipCache;
use super::occupancy::OccupancyLog;
use super::open_streams::OpenStreams;
use super::printed_tabs::PrintedTabs;
use super::reader::CountsReader;
use super::readiness::Readiness;
use super::request_info::{ProxyRules, RequestInfo};
use super::request_stats::RequestStats;
use super::roll_up_cache::RollUpCache;
use super::unavailable::Unavailable;
use super::view_cache::ViewCache;
use crate::config::{Config, Origin, SitePattern, StatusAccess};
use crate::contained_app::ContainedApp;
use crate::driver::Inputs;
use crate::hub::Hub;
use crate::identity::{BrowserId, Cookies, EmbedId, SignedNames};
use crate::policy::PolicyHeaders;
use crate::queries::Queries;
use crate::sites::{SitePage, SiteSettings, shared};
use crate::socket::{ActionCableContext, EmbedContext};
use crate::traces::SpanName;
use crate::views::Views;
use crate::{Asset, Site};

/// Sockets leave at most this many connections free.
const RESERVE_MAX: usize = 64;
/// How long an input waits for room in the driver's queue.
const QUEUED_WITHIN: Duration = Duration::from_secs(1);

/// The state of all routes.
pub(crate) struct HttpState {
    pub(super) app: Arc<ContainedApp>,
    /// The room of the page at `/`.
    pub(super) room: Room,
    pub(super) files: HashMap<String, Asset>,
    /// Routes of the app's own.
    pub(super) router: Router,
    policy: PolicyHeaders,
    pub(super) gzip_cache: GzipCache,
    pub(super) view_cache: ViewCache,
    pub(super) rules: ProxyRules,
    /// Each request is logged.
    pub(super) access_log: bool,
    address_limit: Arc<AddressLimit>,
    api_keys: Arc<ApiKeys>,
    /// Whether anybody may see `/status`.
    pub(super) status_is_public: bool,
    pub(super) wrong_keys: WrongKeys,
    pub(super) cookies: Cookies,
    pub(super) names: Arc<SignedNames>,
    pub(super) cable: Arc<ActionCableContext>,
    pub(super) embed: EmbedContext,
    pub(super) views: Arc<Views>,
    queries: Queries,
    pub(super) roll_ups: RollUpCache,
    pub(super) printed_tabs: PrintedTabs,
    pub(super) open_streams: Arc<OpenStreams>,
    pub(super) hub: Arc<Hub>,
    pub(super) inputs: mpsc::Sender<Input>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) requests: Arc<RequestStats>,
    pub(super) occupancy: OccupancyLog,
    next_connection: AtomicU64,
    connection_permits: Arc<Semaphore>,
    connections_max: usize,
    /// Connections that sockets leave free, so that a node full of them still answers health checks.
    reserve: usize,
}

/// The services that [`HttpState`] is built on.
pub(crate) struct Services {
    pub(crate) api_keys: Arc<ApiKeys>,
    pub(crate) cookies: Cookies,
    pub(crate) cable: Arc<ActionCableContext>,
    pub(crate) embed: EmbedContext,
    pub(crate) views: Arc<Views>,
    pub(crate) queries: Queries,
    pub(crate) hub: Arc<Hub>,
    pub(crate) inputs: Inputs,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) connection_permits: Arc<Semaphore>,
}

impl HttpState {
    pub(crate) fn new(config: &Config, site: Site, services: Services) -> Self {
        let connections = services.connection_permits.available_permits();
        Self {
            app: Arc::clone(&services.cable.app),
            room: Room::new(site.name).expect("a site's name is short and not empty"),
            files: files::by_path(site.assets),
            policy: site.policy.headers(site.router.has_routes()),
            router: site.router,
            gzip_cache: GzipCache::default(),
            view_cache: ViewCache::default(),
            rules: ProxyRules::new(config),
            access_log: config.access_log,
            address_limit: AddressLimit::new(config.limits.sockets_per_address.min(connections - connections / 8)),
            api_keys: services.api_keys,
            status_is_public: config.status == StatusAccess::Public,
            wrong_keys: WrongKeys::default(),
            cookies: services.cookies,
            names: Arc::clone(&services.cable.names),
            cable: services.cable,
            embed: services.embed,
            views: services.views,
            queries: services.queries,
            roll_ups: RollUpCache::default(),
            printed_tabs: PrintedTabs::default(),
            open_streams: Arc::default(),
            hub: services.hub,
            inputs: services.inputs.sockets,
            readiness: services.readiness,
            requests: Arc::new(RequestStats::new(Unavailable::ALL.map(Unavailable::code))),
            occupancy: OccupancyLog::default(),
            next_connection: AtomicU64::new(1),
            connections_max: connections,
            reserve: (connections / 10).clamp(1, RESERVE_MAX),
            connection_permits: services.connection_permits,
        }
    }

    /// Whether a request may read what takes a key on other nodes: this one has none, and the request is made on its machine.
    pub(super) fn is_local_without_keys(&self, peer: IpAddr, version: Version, headers: &HeaderMap) -> bool {
        !self.has_api_key() && self.rules.is_local(peer, version, headers)
    }

    /// An id that no other socket or stream of this node has.
    pub(super) fn connection_id(&self) -> ConnectionId {
        ConnectionId(self.next_connection.fetch_add(1, Relaxed))
    }

    /// How many connections are open.
    pub(super) fn connections(&self) -> usize {
        self.connections_max.saturating_sub(self.connection_permits.available_permits())
    }

    /// How many connections the node accepts.
    pub(super) fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// How many addresses hold as many sockets and streams as they may.
    pub(super) fn addresses_at_limit(&self) -> usize {
        self.address_limit.addresses_at_limit()
    }

    /// Lets a visitor open one more socket or stream.
    pub(super) fn admit(&self, visitor: &RequestInfo) -> Result<AddressPermit, Unavailable> {
        self.permit(visitor).inspect_err(|reason| self.requests.refused(reason.code()))
    }

    fn permit(&self, visitor: &RequestInfo) -> Result<AddressPermit, Unavailable> {
        if self.readiness.is_draining() {
            return Err(Unavailable::Draining);
        }
        if self.readiness.memory().is_full() {
            return Err(Unavailable::Memory);
        }
        if self.connection_permits.available_permits() < self.reserve {
            return Err(Unavailable::Full);
        }
        let (permit, load) = self.address_limit.acquire(visitor.address);
        match load {
            AddressLoad::High if visitor.names_others => self.readiness.suspect_proxy(visitor.address),
            AddressLoad::Low if visitor.names_others => self.readiness.proxy_used(visitor.address),
            AddressLoad::High | AddressLoad::Low => {}
        }
        permit.ok_or(Unavailable::AddressLimit)
    }

    /// The API key of a request.
    pub(super) fn key_of(&self, headers: &HeaderMap) -> GivenKey {
        GivenKey::of(headers, &self.api_keys)
    }

    /// The API key of a browser's request, which may be a password.
    pub(super) fn key_of_browser(&self, headers: &HeaderMap) -> GivenKey {
        GivenKey::of_browser(headers, &self.api_keys)
    }

    /// Whether this node has API keys.
    pub(super) fn has_api_key(&self) -> bool {
        self.api_keys.exist()
    }

    /// The browser of a request's cookie.
    pub(super) fn browser(&self, headers: &HeaderMap, info: &RequestInfo) -> Option<BrowserId> {
        cookie_headers(headers).find_map(|header| self.cookies.read(header, info.secure))
    }

    /// The Content-Security-Policy of an app's page.
    pub(super) fn policy(&self, info: &RequestInfo) -> HeaderValue {
        HeaderValue::try_from(self.policy.of(info.secure, &info.host)).expect("a host is visible ASCII")
    }

    /// The id of a request's embed cookie.
    pub(super) fn embed_cookie(&self, headers: &HeaderMap, info: &RequestInfo) -> Option<EmbedId> {
        cookie_headers(headers).find_map(|header| self.embed.ids.read_cookie(header, info.secure))
    }

    /// The site of pages of this origin: one that may embed this server, or this server's own.
    pub(super) fn page(&self, origin: &str, info: &RequestInfo) -> Option<SitePage> {
        let own = || {
            let origin = origin.parse::<Origin>().ok().filter(|origin| self.rules.is_own(origin, info))?;
            Some(SitePage::of(origin))
        };
        self.embed.sites.page(origin).or_else(own)
    }

    /// The node's answer to a query.
    pub(super) async fn query(&self, query: Query, reader: CountsReader) -> Result<Found, Unavailable> {
        self.queries.ask(query, reader.priority()).await.ok_or(Unavailable::Overloaded)
    }

    /// Removes facts, in every region.
    pub(super) async fn remove_fact(
        &self,
        room: Room,
        key: String,
        entry: Option<String>,
        caller: Option<&TraceContext>,
        reader: CountsReader,
    ) -> Result<usize, Unavailable> {
        // Only what a caller traces: no one asks for the trace of an operator's command otherwise.
        let trace = caller.and_then(|caller| self.cable.traces.begin(SpanName::Remove, Some(caller)));
        self.queries.remove_fact(room, key, entry, trace, reader.priority()).await.ok_or(Unavailable::Overloaded)
    }

    /// Brings in records of facts: what became of each.
    pub(super) async fn import_facts(
        &self,
        records: Vec<Vec<u8>>,
        reader: CountsReader,
    ) -> Result<Vec<ImportResult>, Unavailable> {
        self.queries.import_facts(records, reader.priority()).await.ok_or(Unavailable::Overloaded)
    }

    /// Sets what the API says of a site, or removes it, in every region. Returns once this node keeps it, or why it is refused.
    pub(super) async fn set_site(
        &self,
        site: &SitePattern,
        settings: Option<SiteSettings>,
    ) -> Result<Result<(), ReflexError>, Unavailable> {
        let written = match &settings {
            Some(settings) => shared::set(&self.queries, site, settings.clone()).await,
            None => shared::remove(&self.queries, site).await.map(|_| Ok(())),
        };
        let written = written.ok_or(Unavailable::Overloaded)?;
        if written.is_ok() {
            // What another region writes meanwhile may win.
            drop(tokio::time::timeout(QUEUED_WITHIN, self.embed.sites.until(site, settings.as_ref())).await);
        }
        Ok(written)
    }

    /// Hands an input to the driver, waiting a while for room in its queue.
    pub(super) async fn send(&self, input: Input) -> Result<(), Unavailable> {
        self.inputs.send_timeout(input, QUEUED_WITHIN).await.map_err(|_| Unavailable::Overloaded)
    }
}

fn cookie_headers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok())
}
