//! Which answers the pages of sites may read: by default browsers let no other origin read any.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::request_info::RequestInfo;
use super::state::HttpState;

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
        "/presence/events" => Some(CorsPolicy::Visitor),
        _ if path.starts_with("/api/v1/rooms/") => Some(CorsPolicy::Counts),
        _ => None,
    }
}

/// Names the page that may read a shared answer: one of a site, or one of this server.
pub(super) async fn share(State(state): State<Arc<HttpState>>, request: Request, next: Next) -> Response {
    let Some(shared) = shared(request.uri().path()) else { return next.run(request).await };
    let origin = request.headers().get(header::ORIGIN).cloned();
    let info = request.extensions().get::<RequestInfo>().cloned();
    let mut response = next.run(request).await;
    let allowed = origin.filter(|origin| {
        let known = origin.to_str().ok().zip(info.as_ref());
        known.is_some_and(|(origin, info)| state.page(origin, info).is_some())
    });
    let refused = response.status().is_client_error();
    allow(response.headers_mut(), shared, allowed, refused);
    response
}

fn allow(headers: &mut HeaderMap, shared: CorsPolicy, origin: Option<HeaderValue>, refused: bool) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = origin else {
        // Without this, no script of the refused page could read why.
        if refused {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        return;
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    if shared == CorsPolicy::Visitor {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// The header that says whether pages of other origins may embed an answer, as an image or a script.
pub(super) const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
