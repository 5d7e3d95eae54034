//! The list of routes, and what applies to all of them: hosts, headers, panics.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use super::api_key::GivenKey;
use super::embeds::{badge, event_stream, frame};
use super::framing::{FRAMED_SCRIPT, FRAMED_SOCKET, FRAMED_STREAM};
use super::listen::HttpPeer;
use super::readiness::ReportReader;
use super::state::HttpState;
use super::{api, cors, files, pages, upgrade};
use crate::contained_app::AppFailed;
use crate::problem::Problem;
use crate::sites::normalised;

/// When a page that too many wait for may be asked for again.
const OVERLOADED_FOR_S: u32 = 5;

/// All routes. Health checks are answered under every host, since load balancers know only an address.
pub(crate) fn router(state: &Arc<HttpState>) -> Router {
    let own = Router::new()
        .merge(api::routes(state))
        .fallback(file_or_page)
        .layer(CompressionLayer::new().gzip(true))
        .route("/cable", get(upgrade::cable))
        .route("/presence", get(upgrade::presence))
        .route("/presence/events", get(event_stream::events))
        .route("/embed", get(frame::embed))
        .route("/embed/printed", get(frame::printed))
        .route(FRAMED_SCRIPT, get(frame::script))
        .route(FRAMED_SOCKET, get(upgrade::presence))
        .route(FRAMED_STREAM, get(event_stream::events))
        .route("/badge.svg", get(badge::badge))
        // Before the layers, so that they apply to this answer, too.
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(Arc::clone(state), cors::share))
        .layer(from_fn_with_state(Arc::clone(state), own_host_only))
        .with_state(Arc::clone(state));
    let health = Router::new()
        .route("/healthz", get(healthy).options(health_methods))
        .route("/readyz", get(ready).options(health_methods))
        .method_not_allowed_fallback(method_not_allowed)
        .with_state(Arc::clone(state));
    own.merge(health)
        .layer(from_fn(one_host))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(map_response(with_default_headers))
}

async fn method_not_allowed() -> Problem {
    let detail = "This address does not answer that method. The Allow header lists those it answers.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

async fn health_methods() -> Response {
    (StatusCode::NO_CONTENT, [(header::ALLOW, "GET, HEAD, OPTIONS")]).into_response()
}

/// A request has one host (RFC 9112, section 3.2). That of an absolute address is what counts.
async fn one_host(mut request: Request, next: Next) -> Response {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts > 1 {
        return Problem::new(StatusCode::BAD_REQUEST, "Send one Host header, not several.").into_response();
    }
    if hosts == 0 && request.version() == Version::HTTP_11 {
        return Problem::new(StatusCode::BAD_REQUEST, "Send a Host header with the address of this server.")
            .into_response();
    }
    let absolute = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = absolute {
        request.headers_mut().insert(header::HOST, host);
    }
    next.run(request).await
}

async fn own_host_only(State(state): State<Arc<HttpState>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<HttpPeer>().expect("every connection has a peer");
    match state.rules.resolve(request.headers(), peer.address.ip(), peer.secure) {
        Ok(info) => {
            request.extensions_mut().insert(info);
            next.run(request).await
        }
        Err(problem) => {
            let mut refusal = problem.into_response();
            cors::explain(request.uri().path(), request.headers().get(header::ORIGIN).cloned(), &mut refusal);
            refusal
        }
    }
}

async fn file_or_page(State(state): State<Arc<HttpState>>, request: Request) -> Response {
    let path = request.uri().path();
    let file = state.files.get(path);
    let room = if file.is_none() { state.app.room(&state.room, path) } else { Ok(None) };
    let room = room.map(|room| room.and_then(normalised));
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match (file, room) {
        (None, Err(failed)) => app_failed(failed),
        (None, Ok(None)) => Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.").into_response(),
        _ if !reads => {
            let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address answers GET and HEAD only.");
            ([(header::ALLOW, "GET, HEAD")], problem).into_response()
        }
        (Some(file), _) => files::answer(file, request.headers()),
        (None, Ok(Some(room))) => pages::answer(&state, &room, &request).unwrap_or_else(app_failed),
    }
}

async fn healthy(State(state): State<Arc<HttpState>>) -> Response {
    match state.readiness.failure().await {
        None => "This process works.\n".into_response(),
        Some(failure) => {
            let detail = format!("This process does not work: {failure}. Restart it.");
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).into_response()
        }
    }
}

async fn ready(
    State(state): State<Arc<HttpState>>,
    Extension(peer): Extension<HttpPeer>,
    headers: HeaderMap,
) -> Response {
    let reader = match state.key_of(&headers) {
        GivenKey::Right => ReportReader::Key,
        GivenKey::None => ReportReader::Anybody,
        GivenKey::Wrong => {
            tokio::time::sleep(state.wrong_keys.told(peer.address.ip())).await;
            ReportReader::Anybody
        }
    };
    let report = state.readiness.report(&state.views.mesh(), reader);
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, report.json()).into_response()
}

/// Adds the headers that an answer does not set itself.
async fn with_default_headers(mut response: Response) -> Response {
    let defaults = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (cors::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        // An answer that is not a page may do nothing when it is opened as one.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in defaults {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn app_failed(failed: AppFailed) -> Response {
    match failed {
        AppFailed::Panicked => {
            let detail = "This page could not be drawn. The node's log says why.";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
        }
        AppFailed::Overloaded => {
            let detail = "This page takes too long to draw. Try again later; the node's log says why.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).retry_after(OVERLOADED_FOR_S).into_response()
        }
    }
}

fn panicked(_reason: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a request handler panicked; the panic is logged before this line");
    let detail = "Something is broken in this server. Its log says what.";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}
