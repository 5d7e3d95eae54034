//! Which answers the pages of sites may read: by default browsers let no other origin read any.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::request_info::RequestInfo;
use super::state::HttpState;

/// How long a browser may keep the answer to a preflight, in seconds: browsers keep it no longer than two hours.
const PREFLIGHT_KEPT_S: &str = "7200";

/// An answer that pages of sites may read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum CorsPolicy {
    /// The same for every visitor.
    Counts,
    /// Made for one visitor, whose cookie is sent along.
    Visitor,
}

fn shared(path: &str) -> Option<CorsPolicy> {
    match path {
        "/api/v1/rooms" => Some(CorsPolicy::Counts),
        "/presence" | "/presence/events" => Some(CorsPolicy::Visitor),
        _ if path.starts_with("/api/v1/rooms/") => Some(CorsPolicy::Counts),
        _ => None,
    }
}

/// Names the page that may read a shared answer: one of a site, or one of this server. A refusal may be read by any page, since
/// its text says what to change and nothing else would show it to the page's author.
pub(super) async fn share(State(state): State<Arc<HttpState>>, request: Request, next: Next) -> Response {
    let Some(shared) = shared(request.uri().path()) else { return next.run(request).await };
    let origin = request.headers().get(header::ORIGIN).cloned();
    let info = request.extensions().get::<RequestInfo>().cloned();
    let may_read = origin.as_ref().is_some_and(|origin| {
        let known = origin.to_str().ok().zip(info.as_ref());
        known.is_some_and(|(origin, info)| state.page(origin, info).is_some())
    });
    let preflight = is_preflight(&request);
    let mut response = if preflight { answer_preflight(request.headers(), may_read) } else { next.run(request).await };
    let refused = !preflight && (response.status().is_client_error() || response.status().is_server_error());
    let headers = response.headers_mut();
    match origin {
        Some(origin) if may_read => allow(headers, shared, origin),
        // Without the visitor's cookie: a page that is not allowed learns of itself only.
        Some(origin) if refused => allow(headers, CorsPolicy::Counts, origin),
        _ => vary(headers),
    }
    response
}

/// Lets any page read why its request is refused, where the refusal comes before all else.
pub(super) fn explain(path: &str, origin: Option<HeaderValue>, refusal: &mut Response) {
    if let (Some(_), Some(origin)) = (shared(path), origin) {
        allow(refusal.headers_mut(), CorsPolicy::Counts, origin);
    }
}

/// A browser's question whether a page may send a request with headers of its own.
fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// Allows reading with any header: libraries add some of their own, and those that mean nothing here do no harm.
fn answer_preflight(asked: &HeaderMap, may_read: bool) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    if may_read {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD"));
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_KEPT_S));
        let named = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        headers.extend(named.map(|named| (header::ACCESS_CONTROL_ALLOW_HEADERS, named)));
    }
    headers.append(header::VARY, HeaderValue::from_static("access-control-request-headers"));
    response
}

fn vary(headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

fn allow(headers: &mut HeaderMap, shared: CorsPolicy, origin: HeaderValue) {
    vary(headers);
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    if shared == CorsPolicy::Visitor {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// The header that says whether pages of other origins may embed an answer, as an image or a script.
pub(super) const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// The header by which a page, or a frame in one, promises to embed nothing that does not allow it.
pub(super) const CROSS_ORIGIN_EMBEDDER_POLICY: HeaderName = HeaderName::from_static("cross-origin-embedder-policy");
