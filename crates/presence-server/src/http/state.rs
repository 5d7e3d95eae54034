//! What pages, the API and embeds share: the views they read, the limits they keep and the caches they fill.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use presence_core::{ConnectionId, EntryId, Found, Input, Query, Room};
use tokio::sync::{Semaphore, mpsc};

use super::address_limit::{AddressLimit, AddressLoad, AddressPermit};
use super::api_key::{GivenKey, WrongKeys};
use super::files;
use super::gzip_cache::GzipCache;
use super::open_streams::OpenStreams;
use super::printed_tabs::PrintedTabs;
use super::reader::CountsReader;
use super::readiness::Readiness;
use super::request_info::{ProxyRules, RequestInfo};
use super::roll_up_cache::RollUpCache;
use super::view_cache::ViewCache;
use crate::config::{Config, Origin};
use crate::contained_app::ContainedApp;
use crate::driver::Inputs;
use crate::hub::Hub;
use crate::identity::{BrowserId, Cookies, EmbedId, SignedNames};
use crate::problem::Problem;
use crate::queries::Queries;
use crate::sites::SitePage;
use crate::socket::{ActionCableContext, EmbedContext};
use crate::views::Views;
use crate::{Asset, Site};

/// Sockets leave at most this many connections free.
const RESERVE_MAX: usize = 64;
/// A visitor that was refused for want of memory may try again after this many seconds.
const MEMORY_RETRY_S: u32 = 10;
/// How long an input waits for room in the driver's queue.
const QUEUED_WITHIN: Duration = Duration::from_secs(1);

/// The state of all routes.
pub(crate) struct HttpState {
    pub(super) app: Arc<ContainedApp>,
    /// The room of the page at `/`.
    pub(super) room: Room,
    pub(super) files: HashMap<String, Asset>,
    pub(super) gzip_cache: GzipCache,
    pub(super) view_cache: ViewCache,
    pub(super) rules: ProxyRules,
    address_limit: Arc<AddressLimit>,
    api_key: Option<String>,
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
    next_connection: AtomicU64,
    connection_permits: Arc<Semaphore>,
    /// Connections that sockets leave free, so that a node full of them still answers health checks.
    reserve: usize,
}

/// The services that [`HttpState`] is built on.
pub(crate) struct Services {
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

/// Why a node does not take a request now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unavailable {
    /// The node is about to stop.
    Draining,
    /// All connections but the reserve are taken.
    Full,
    /// The node uses nearly all the memory that it may.
    Memory,
    /// The visitor's address holds all the sockets that it may.
    AddressLimit,
    /// The driver is behind.
    Overloaded,
}

impl From<Unavailable> for Problem {
    fn from(reason: Unavailable) -> Self {
        let (status, detail) = match reason {
            Unavailable::Draining => (
                StatusCode::SERVICE_UNAVAILABLE,
                "This node is about to stop. Connect again: another node will answer.",
            ),
            Unavailable::Full => (StatusCode::SERVICE_UNAVAILABLE, "This node is full. Try again, or another node."),
            Unavailable::Memory => (
                StatusCode::SERVICE_UNAVAILABLE,
                "This node has no memory left for more visitors. Try again, or another node.",
            ),
            Unavailable::AddressLimit => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many sockets are open from your network. Close some pages and try again.",
            ),
            Unavailable::Overloaded => {
                (StatusCode::SERVICE_UNAVAILABLE, "This node is overloaded. Try again in a second.")
            }
        };
        let problem = Self::new(status, detail);
        if reason == Unavailable::Memory { problem.retry_after(MEMORY_RETRY_S) } else { problem }
    }
}

impl HttpState {
    pub(crate) fn new(config: &Config, site: Site, services: Services) -> Self {
        let connections = services.connection_permits.available_permits();
        Self {
            app: Arc::clone(&services.cable.app),
            room: Room::new(site.name).expect("a site's name is short and not empty"),
            files: files::by_path(site.assets),
            gzip_cache: GzipCache::default(),
            view_cache: ViewCache::default(),
            rules: ProxyRules::new(config),
            address_limit: AddressLimit::new(config.limits.sockets_per_address.min(connections - connections / 8)),
            api_key: config.secrets.api_key.clone(),
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
            next_connection: AtomicU64::new(1),
            reserve: (connections / 10).clamp(1, RESERVE_MAX),
            connection_permits: services.connection_permits,
        }
    }

    /// An id that no other socket or stream of this node has.
    pub(super) fn connection_id(&self) -> ConnectionId {
        ConnectionId(self.next_connection.fetch_add(1, Relaxed))
    }

    /// Lets a visitor open one more socket or stream.
    pub(super) fn admit(&self, visitor: &RequestInfo) -> Result<AddressPermit, Unavailable> {
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
        if load == AddressLoad::High && visitor.names_others {
            self.readiness.suspect_proxy(visitor.address);
        }
        permit.ok_or(Unavailable::AddressLimit)
    }

    /// The API key of a request.
    pub(super) fn key_of(&self, headers: &HeaderMap) -> GivenKey {
        GivenKey::of(headers, self.api_key.as_deref())
    }

    /// Whether this node has an API key.
    pub(super) fn has_api_key(&self) -> bool {
        self.api_key.is_some()
    }

    /// The browser of a request's cookie.
    pub(super) fn browser(&self, headers: &HeaderMap, info: &RequestInfo) -> Option<BrowserId> {
        cookie_headers(headers).find_map(|header| self.cookies.read(header, info.secure))
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
        let answer = match reader {
            CountsReader::Key => self.queries.ask_first(query).await,
            CountsReader::Anybody(_) => self.queries.ask(query).await,
        };
        answer.ok_or(Unavailable::Overloaded)
    }

    /// Removes facts, in every region.
    pub(super) async fn remove_fact(
        &self,
        room: Room,
        key: String,
        entry: Option<EntryId>,
    ) -> Result<usize, Unavailable> {
        self.queries.remove_fact(room, key, entry).await.ok_or(Unavailable::Overloaded)
    }

    /// Hands an input to the driver, waiting a while for room in its queue.
    pub(super) async fn send(&self, input: Input) -> Result<(), Unavailable> {
        self.inputs.send_timeout(input, QUEUED_WITHIN).await.map_err(|_| Unavailable::Overloaded)
    }
}

fn cookie_headers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok())
}
