//! Sends one message over HTTP: signed, with a time limit, without following redirects.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::message::WebhookMessage;
use super::signature::SigningKeys;
use crate::clock::wall_ms;
use crate::config::WebhookUrl;

/// How long a receiver's answer may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// An unused connection is closed after this time.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// The longest pause that a receiver can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Why a message was not delivered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum DeliveryError {
    /// It may be sent again, at the earliest after the time that the receiver named.
    Temporary { reason: String, after: Option<Duration> },
    /// The receiver wants no messages at all.
    Gone,
}

/// Sends to all receivers; cheap to clone.
#[derive(Clone)]
pub(super) struct WebhookClient {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    keys: SigningKeys,
}

impl WebhookClient {
    /// Trusts the system's certificates, or Mozilla's if the system has none.
    pub(super) fn new(keys: SigningKeys) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(ANSWERED_WITHIN / 2));
        let builder = HttpsConnectorBuilder::new();
        let builder = builder.with_native_roots().unwrap_or_else(|reason| {
            tracing::debug!(%reason, "the system has no certificates; webhooks trust Mozilla's");
            HttpsConnectorBuilder::new().with_webpki_roots()
        });
        let connector = builder.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(connector);
        Self { client, keys }
    }

    /// Sends one message once.
    pub(super) async fn post(&self, url: &WebhookUrl, message: &WebhookMessage) -> Result<(), DeliveryError> {
        let now_s = wall_ms() / 1_000;
        let request = Request::builder()
            .method(Method::POST)
            .uri(url.uri())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "global-presence")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now_s)
            .header("webhook-signature", self.keys.signature(&message.id, now_s, &message.body))
            .body(Body::from(message.body.clone()))
            .expect("addresses, ids and signatures are visible ASCII");
        let temporary = |reason: String| DeliveryError::Temporary { reason, after: None };
        let answered = tokio::time::timeout(ANSWERED_WITHIN, self.client.request(request)).await;
        let answer = answered
            .map_err(|_| temporary(format!("no answer within {} s", ANSWERED_WITHIN.as_secs())))?
            .map_err(|error| temporary(with_causes(&error)))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::GONE => Err(DeliveryError::Gone),
            status => Err(DeliveryError::Temporary {
                reason: format!("the receiver answered {status}"),
                after: retry_after(answer.headers()),
            }),
        }
    }
}

/// `Retry-After` in seconds.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// An error with its causes, since the outermost says only that the connection failed.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_may_ask_for_a_bounded_pause() {
        let headers = |value: &str| HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
        assert_eq!(retry_after(&headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers("999999")), Some(RETRY_AFTER_MAX));
        for wrong in ["", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(retry_after(&headers(wrong)), None, "{wrong}");
        }
    }
}
