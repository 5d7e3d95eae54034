//! Sends one message over HTTP: signed, with a time limit, without following redirects.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};

use super::message::WebhookMessage;
use super::signature::SigningKeys;
use crate::config::WebhookUrl;
use crate::https_client::{HttpsClient, https_client, with_causes};

/// How long a receiver's answer may take.
const ANSWERED_WITHIN: Duration = Duration::from_secs(10);
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
    client: HttpsClient,
    keys: SigningKeys,
}

impl WebhookClient {
    pub(super) fn new(keys: SigningKeys) -> Self {
        let client = https_client(ANSWERED_WITHIN / 2);
        Self { client, keys }
    }

    /// Sends one message once. The time is the node's, in ms since 1970.
    pub(super) async fn post(
        &self,
        url: &WebhookUrl,
        message: &WebhookMessage,
        now_ms: u64,
    ) -> Result<(), DeliveryError> {
        let now_s = now_ms / 1_000;
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
                after: retry_after(answer.headers(), now_ms),
            }),
        }
    }
}

/// `Retry-After`, in seconds or as a date.
fn retry_after(headers: &HeaderMap, now_ms: u64) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let now = UNIX_EPOCH + Duration::from_millis(now_ms);
    let until = |date: SystemTime| date.duration_since(now).unwrap_or_default();
    let seconds = text.parse().ok().map(Duration::from_secs);
    let after = seconds.or_else(|| httpdate::parse_http_date(text).ok().map(until))?;
    Some(after.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_may_ask_for_a_bounded_pause() {
        let headers = |value: &str| HeaderMap::from_iter([(header::RETRY_AFTER, value.parse().unwrap())]);
        let now_ms = 1_792_567_660_000;
        assert_eq!(retry_after(&headers("7"), now_ms), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&headers("999999"), now_ms), Some(RETRY_AFTER_MAX));
        assert_eq!(retry_after(&headers("Wed, 21 Oct 2026 07:28:00 GMT"), now_ms), Some(Duration::from_secs(20)));
        assert_eq!(
            retry_after(&headers("Wed, 21 Oct 2026 07:27:00 GMT"), now_ms),
            Some(Duration::ZERO),
            "it has passed"
        );
        assert_eq!(retry_after(&headers("Wed, 21 Oct 2099 07:28:00 GMT"), now_ms), Some(RETRY_AFTER_MAX));
        for wrong in ["", "-1", "tomorrow"] {
            assert_eq!(retry_after(&headers(wrong), now_ms), None, "{wrong}");
        }
    }
}
