//! What a monitoring system reads: `/metrics` and `/metrics/sites`, in the OpenMetrics format or the older one of Prometheus.
//!
//! Each part of the node counts for itself; this folder only reads. No label holds a room, a user or an address.

mod mesh;
mod node;
mod process;
mod sites;
mod visitors;
mod writer;

use std::fmt::{self, Debug};
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text, text};
use prometheus_client::registry::Registry;

use self::writer::MetricWriter;
use super::api_key::{GivenKey, KeyRight};
use super::listen::HttpPeer;
use super::state::HttpState;
use super::tls::BrowserTls;
use crate::driver::Inputs;
use crate::mesh::Counts;
use crate::node_reports::NodeReports;
use crate::problem::Problem;
use crate::store::StoreWatch;
use crate::supervision::Supervisor;
use crate::traces::Traces;
use crate::webhooks::WebhookStats;

/// The content type of the OpenMetrics text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a node is, and the parts of it that pages have nothing to do with.
pub(crate) struct ObservedNode {
    pub(crate) region: String,
    pub(crate) name: String,
    pub(crate) inputs: Inputs,
    pub(crate) store: Option<StoreWatch>,
    pub(crate) webhooks: Option<Arc<WebhookStats>>,
    /// What other nodes say of themselves.
    pub(crate) reports: Arc<NodeReports>,
    /// Set once the mesh listens.
    pub(crate) mesh: Arc<OnceLock<Arc<Counts>>>,
    pub(crate) tls: Option<BrowserTls>,
    pub(crate) traces: Traces,
    pub(crate) supervisor: Supervisor,
}

/// All metrics of a node.
pub(crate) struct Metrics {
    node: Registry,
    sites: Registry,
}

impl Metrics {
    pub(crate) fn new(state: &Arc<HttpState>, node: Arc<ObservedNode>) -> Arc<Self> {
        let mut registry = Registry::default();
        let ours = registry.sub_registry_with_prefix("presence");
        state.requests.register(ours);
        ours.register_collector(Box::new(NodeCollector { state: Arc::clone(state), node }));
        // Named without a prefix, as monitoring systems know them.
        registry.register_collector(Box::new(process::ProcessCollector::default()));
        let mut sites = Registry::default();
        let of_sites = Box::new(SiteCollector(Arc::clone(state)));
        sites.sub_registry_with_prefix("presence").register_collector(of_sites);
        Arc::new(Self { node: registry, sites })
    }

    /// Metrics as text, in the format that these headers ask for.
    fn text(registry: &Registry, headers: &HeaderMap) -> Result<Response, fmt::Error> {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let mut body = String::new();
        let format = if accept.contains("application/openmetrics-text") {
            text::encode(&mut body, registry)?;
            OPEN_METRICS
        } else {
            prometheus_text::encode(&mut body, registry)?;
            prometheus_text::CONTENT_TYPE
        };
        let headers = [(header::CONTENT_TYPE, format), (header::CACHE_CONTROL, "no-store")];
        Ok((headers.map(|(name, value)| (name, HeaderValue::from_static(value))), body).into_response())
    }
}

/// Lets only requests with the API key pass, and those of this machine if the node has none.
pub(super) async fn key_holder_only(
    State(state): State<Arc<HttpState>>,
    Extension(peer): Extension<HttpPeer>,
    request: Request,
    next: Next,
) -> Response {
    let key = state.key_of(request.headers());
    let is_local = state.is_local_without_keys(peer.address.ip(), request.version(), request.headers());
    let (status, detail) = match key {
        _ if key.allows_everywhere(KeyRight::Read) || is_local => return next.run(request).await,
        GivenKey::Known(_) => {
            (StatusCode::FORBIDDEN, "This API key may not read metrics. Use one that may read on all sites.")
        }
        GivenKey::Wrong => {
            tokio::time::sleep(state.wrong_keys.told(peer.address.ip())).await;
            (
                StatusCode::UNAUTHORIZED,
                "This is no API key of this node. Send \"Authorization: Bearer\" and one that is.",
            )
        }
        GivenKey::None if state.has_api_key() => (
            StatusCode::UNAUTHORIZED,
            "This needs an API key. Send \"Authorization: Bearer\" and a key for all sites that may read.",
        ),
        GivenKey::None => (
            StatusCode::FORBIDDEN,
            "This needs an API key, and this node has none. Start it with GP_API_KEY in its environment, or with --metrics-listen.",
        ),
    };
    Problem::new(status, detail).into_response()
}

/// Answers with the metrics of the node.
async fn node_metrics(State(metrics): State<Arc<Metrics>>, headers: HeaderMap) -> Response {
    Metrics::text(&metrics.node, &headers).expect("writing to a string can't fail")
}

/// Answers with the metrics of sites.
async fn site_metrics(State(metrics): State<Arc<Metrics>>, headers: HeaderMap) -> Response {
    Metrics::text(&metrics.sites, &headers).expect("writing to a string can't fail")
}

/// The routes of metrics, the only ones of the listener for monitoring systems.
pub(crate) fn metrics_router(metrics: &Arc<Metrics>) -> Router {
    Router::new()
        .route("/metrics", get(node_metrics))
        .route("/metrics/sites", get(site_metrics))
        .with_state(Arc::clone(metrics))
}

/// Reads the parts of a node when a monitoring system asks.
struct NodeCollector {
    state: Arc<HttpState>,
    node: Arc<ObservedNode>,
}

impl Debug for NodeCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeCollector").field("name", &self.node.name).finish_non_exhaustive()
    }
}

impl Collector for NodeCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = MetricWriter::new(encoder);
        node::write(&mut to, &self.state, &self.node)?;
        visitors::write(&mut to, &self.state)?;
        mesh::write(&mut to, &self.state, &self.node)
    }
}

/// Reads what sites use when a monitoring system asks.
struct SiteCollector(Arc<HttpState>);

impl Debug for SiteCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SiteCollector").finish_non_exhaustive()
    }
}

impl Collector for SiteCollector {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        sites::write(&mut MetricWriter::new(encoder), &self.0)
    }
}
