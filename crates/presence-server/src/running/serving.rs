//! Begins to serve pages, the API and metrics.

use std::sync::Arc;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::http::connections::HttpConnections;
use crate::http::listen::{HttpServer, bind};
use crate::http::metrics::{Metrics, ObservedNode, metrics_router};
use crate::http::reports;
use crate::http::sampling;
use crate::http::tls::BrowserTls;
use crate::http::{HttpState, router};
use crate::supervision::Supervisor;

/// Connections of monitoring systems at a time.
const METRICS_CONNECTIONS: usize = 16;

/// Begins to accept connections, also those of monitoring systems, until `true` is sent.
pub(super) async fn serve(
    config: &Config,
    listener: TcpListener,
    tls: Option<BrowserTls>,
    state: &Arc<HttpState>,
    node: ObservedNode,
    permits: &Arc<Semaphore>,
    supervisor: &Supervisor,
) -> anyhow::Result<watch::Sender<bool>> {
    let (closing, _) = watch::channel(false);
    let node = Arc::new(ObservedNode { tls: tls.clone(), ..node });
    let metrics = Metrics::new(state, Arc::clone(&node));
    if let Some(server) = metrics_server(config, &metrics, &closing).await? {
        supervisor.spawn("accept loop of metrics", server.run());
    }
    let server = HttpServer { tls, ..http_server(config, listener, router(state, &metrics, &node), permits, &closing) };
    supervisor.spawn("accept loop", server.run());
    supervisor.spawn("sampling", sampling::run(Arc::downgrade(state)));
    if config.is_meshed() {
        supervisor.spawn("status", reports::announce(Arc::downgrade(state), node));
    }
    Ok(closing)
}

/// A server for these routes, without TLS, until `closing` is true.
fn http_server(
    config: &Config,
    listener: TcpListener,
    router: Router,
    permits: &Arc<Semaphore>,
    closing: &watch::Sender<bool>,
) -> HttpServer {
    HttpServer {
        listener,
        tls: None,
        router,
        header_within: config.limits.header_within,
        permits: Arc::clone(permits),
        connections: HttpConnections::new(config),
        closing: closing.subscribe(),
    }
}

/// A server for monitoring systems, if it has an address.
async fn metrics_server(
    config: &Config,
    metrics: &Arc<Metrics>,
    closing: &watch::Sender<bool>,
) -> anyhow::Result<Option<HttpServer>> {
    let Some(address) = config.metrics_listen else { return Ok(None) };
    let listener = bind("--metrics-listen", address).await?;
    tracing::info!("serving metrics on http://{}/metrics", listener.local_addr()?);
    let permits = Arc::new(Semaphore::new(METRICS_CONNECTIONS));
    Ok(Some(http_server(config, listener, metrics_router(metrics), &permits, closing)))
}
