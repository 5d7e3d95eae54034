//! Requests to other servers: to receivers of webhooks, and from commands to a running node.

use std::time::Duration;

use axum::body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

/// An unused connection is closed after this time.
const IDLE_MAX: Duration = Duration::from_secs(30);

/// A client for HTTP and HTTPS; cheap to clone.
pub(crate) type HttpsClient = Client<HttpsConnector<HttpConnector>, Body>;

/// Trusts the system's certificates, or Mozilla's if the system has none.
pub(crate) fn https_client(connect_within: Duration) -> HttpsClient {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect_within));
    let builder = HttpsConnectorBuilder::new();
    let builder = builder.with_native_roots().unwrap_or_else(|reason| {
        tracing::debug!(%reason, "the system has no certificates; Mozilla's are trusted");
        HttpsConnectorBuilder::new().with_webpki_roots()
    });
    let connector = builder.https_or_http().enable_http1().wrap_connector(tcp);
    Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE_MAX).build(connector)
}

/// An error with its causes, since the outermost says only that the connection failed.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
