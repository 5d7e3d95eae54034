//! One message over HTTP: signed, with a time limit, redirects not followed. Without it nothing would leave the node.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::event::Letter;
use super::sign::SigningKeys;
use crate::clock::wall_ms;
use crate::config::WebhookUrl;

/// A receiver must have answered within this time.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
/// A connection that is not used this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// A receiver that asks for more time than this gets this.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(300);

/// Why a message did not arrive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// It is worth trying again, at the earliest after this time where the receiver named one.
    Again { reason: String, after: Option<Duration> },
    /// The receiver wants no more messages at all.
    Gone,
}

/// Sends to all receivers; cheap to clone.
#[derive(Clone)]
pub(super) struct Poster {
    client: Client<HttpsConnector<HttpConnector>, Body>,
    keys: SigningKeys,
}

impl Poster {
    /// With the system's certificates; where it has none, with Mozilla's.
    pub(super) fn new(keys: SigningKeys) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(ANSWERED_WITHIN / 2));
        let builder = HttpsConnectorBuilder::new();
        let builder = builder.with_native_roots().unwrap_or_else(|reason| {
            tracing::debug!("Mozilla's certificates are used, since the system has none: {reason}");
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
    pub(super) async fn post(&self, url: &WebhookUrl, letter: &Letter) -> Result<(), Failure> {
        let now_s = wall_ms() / 1_000;
        let request = Request::builder()
            .method(Method::POST)
            .uri(url.uri())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "global-presence")
            .header("webhook-id", &letter.id)
            .header("webhook-timestamp", now_s)
            .header("webhook-signature", self.keys.signature(&letter.id, now_s, &letter.body))
            .body(Body::from(letter.body.clone()))
            .expect("addresses, ids and signatures are visible ASCII");
        let again = |reason: String| Failure::Again { reason, after: None };
        let answered = tokio::time::timeout(ANSWERED_WITHIN, self.client.request(request)).await;
        let answer = answered
            .map_err(|_| again(format!("no answer within {} s", ANSWERED_WITHIN.as_secs())))?
            .map_err(|error| again(whole(&error)))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            StatusCode::GONE => Err(Failure::Gone),
            status => Err(Failure::Again { reason: format!("it answered {status}"), after: after(answer.headers()) }),
        }
    }
}

/// `Retry-After` in seconds.
fn after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// An error with its causes: the outermost alone only says that it could not connect.
fn whole(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_may_ask_for_time_but_not_for_ever() {
        let headers = |value: &str| HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
        assert_eq!(after(&headers("7")), Some(Duration::from_secs(7)));
        assert_eq!(after(&headers("999999")), Some(RETRY_AFTER_MAX));
        for wrong in ["", "-1", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(after(&headers(wrong)), None, "{wrong}");
        }
    }
}
