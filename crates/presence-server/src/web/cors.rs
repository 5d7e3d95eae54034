//! Which answers the pages of sites may read: by default a browser lets no foreign page read anything of ours.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::Response;

use super::Web;
use super::came::Came;

/// What is shared with pages of sites.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Shared {
    /// The same for everybody.
    Counts,
    /// Made for one visitor, whose cookie comes along.
    Visitor,
}

fn shared(path: &str) -> Option<Shared> {
    match path {
        "/api/v1/rooms" => Some(Shared::Counts),
        "/presence/events" => Some(Shared::Visitor),
        _ if path.starts_with("/api/v1/rooms/") => Some(Shared::Counts),
        _ => None,
    }
}

/// Says in each answer that is shared which page may read it: one of a site, or our own.
pub(super) async fn share(State(web): State<Arc<Web>>, request: Request, next: Next) -> Response {
    let Some(shared) = shared(request.uri().path()) else { return next.run(request).await };
    let origin = request.headers().get(header::ORIGIN).cloned();
    let came = request.extensions().get::<Came>().cloned();
    let mut response = next.run(request).await;
    let allowed = origin.filter(|origin| {
        let known = origin.to_str().ok().zip(came.as_ref());
        known.is_some_and(|(origin, came)| web.site(origin, came).is_some())
    });
    allow(response.headers_mut(), shared, allowed);
    response
}

fn allow(headers: &mut HeaderMap, shared: Shared, origin: Option<HeaderValue>) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let Some(origin) = origin else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    if shared == Shared::Visitor {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}

/// Who may put an answer into a page, as an image or a script: set to `cross-origin` where everybody may.
pub(super) const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
