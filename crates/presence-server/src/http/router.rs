//! The list of routes, and what applies to all of them: hosts, headers, panics.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tracing::Instrument as _;

use super::api_key::{GivenKey, KeyRight};
use super::embeds::{badge, event_stream, frame, framed_files};
use super::framing::{FRAMED_SCRIPT, FRAMED_SOCKET, FRAMED_STREAM, FRAMED_WORDS};
use super::listen::HttpPeer;
use super::metrics::{Metrics, ObservedNode, key_holder_only, metrics_router};
use super::page_request::reads;
use super::readiness::ReportReader;
use super::reports::report_routes;
use super::request_log::RequestLog;
use super::request_stats::MeasuredRequest;
use super::state::HttpState;
use super::{api, cors, files, pages, sign_in, upgrade};
use crate::problem::Problem;

/// All routes. Health checks are answered under every host, since load balancers know only an address.
pub(crate) fn router(state: &Arc<HttpState>, metrics: &Arc<Metrics>, node: &Arc<ObservedNode>) -> Router {
    let own = Router::new()
        .merge(api::routes(state))
        .fallback_service(own_routes(state))
        .layer(CompressionLayer::new().gzip(true))
        .route("/cable", get(upgrade::cable))
        .route("/presence", get(upgrade::presence))
        .route("/presence/events", get(event_stream::events))
        .route("/embed", get(frame::embed))
        .route("/embed/printed", get(frame::printed))
        .route(FRAMED_SCRIPT, get(framed_files::script))
        .route(FRAMED_SOCKET, get(upgrade::presence))
        .route(FRAMED_STREAM, get(event_stream::events))
        .route(FRAMED_WORDS, get(framed_files::words))
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
    let measured = metrics_router(metrics)
        .layer(from_fn_with_state(Arc::clone(state), key_holder_only))
        .method_not_allowed_fallback(method_not_allowed);
    let reports = report_routes(state, node).method_not_allowed_fallback(method_not_allowed);
    own.merge(health)
        .merge(reports)
        .merge(measured)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(state), for_all_requests))
}

/// What applies to every request. It is one layer, since each costs time.
async fn for_all_requests(State(state): State<Arc<HttpState>>, mut request: Request, next: Next) -> Response {
    let log = RequestLog::begin(&state, &request);
    log.trace().and_then(|trace| request.extensions_mut().insert(trace));
    let measured = MeasuredRequest::begin(&request);
    let mut response = match with_one_host(request) {
        Ok(request) => next.run(request).instrument(log.span()).await,
        Err(problem) => problem.into_response(),
    };
    measured.end(&state.requests, response.status());
    set_default_headers(response.headers_mut());
    log.end(response)
}

async fn method_not_allowed() -> Problem {
    let detail = "This address does not answer that method. The Allow header lists those it answers.";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail)
}

async fn health_methods() -> Response {
    (StatusCode::NO_CONTENT, [(header::ALLOW, "GET, HEAD, OPTIONS")]).into_response()
}

/// A request has one host (RFC 9112, section 3.2). That of an absolute address is what counts.
fn with_one_host(mut request: Request) -> Result<Request, Problem> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts > 1 {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "Send one Host header, not several."));
    }
    if hosts == 0 && request.version() == Version::HTTP_11 {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "Send a Host header with the address of this server."));
    }
    let absolute = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(host) = absolute {
        request.headers_mut().insert(header::HOST, host);
    }
    Ok(request)
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

/// The app's own routes; what is none of theirs is a file or a page.
fn own_routes(state: &Arc<HttpState>) -> Router {
    let rest = Router::new().fallback(file_or_page).with_state(Arc::clone(state));
    let own = state.router.clone();
    if !own.has_routes() {
        return rest;
    }
    let page = Arc::clone(state);
    // A route for forms may have the address of the page with the form.
    own.method_not_allowed_fallback(move |request: Request| file_or_page(State(page), request))
        .route_layer(from_fn_with_state(Arc::clone(state), sign_in::offer))
        .fallback_service(rest)
}

async fn file_or_page(State(state): State<Arc<HttpState>>, request: Request) -> Response {
    match state.files.get(request.uri().path()) {
        Some(_) if !reads(&request) => pages::method_not_allowed(),
        Some(file) => files::answer(file, request.headers()),
        None => pages::answer(&state, &request),
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
    version: Version,
    headers: HeaderMap,
) -> Response {
    let key = state.key_of(&headers);
    let is_local = state.is_local_without_keys(peer.address.ip(), version, &headers);
    let reader = match key {
        _ if key.allows_everywhere(KeyRight::Read) || is_local => ReportReader::Key,
        GivenKey::None | GivenKey::Known(_) => ReportReader::Anybody,
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
fn set_default_headers(headers: &mut HeaderMap) {
    let defaults = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (cors::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        // An answer that is not a page may do nothing when it is opened as one.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in defaults {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

fn panicked(_reason: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("a request handler panicked; the panic is logged before this line");
    let detail = "Something is broken in this server. Its log says what.";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
}
