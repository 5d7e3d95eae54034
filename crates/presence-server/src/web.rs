//! Routes: pages, their files, the socket's door, health. Without it nothing would be served.

mod badge;
mod came;
mod compressed;
mod cors;
mod crowd;
mod event_stream;
mod files;
mod frame;
pub(crate) mod listen;
mod made;
mod page;
mod readiness;
mod stay;
pub(crate) mod tls;
mod upgrade;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use presence_core::{App, Input, Room};
use tokio::sync::{Semaphore, mpsc};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

pub(crate) use self::came::Came;
use self::came::Rules;
use self::compressed::Compressed;
use self::crowd::Crowd;
pub(crate) use self::crowd::Seat;
use self::listen::Peer;
use self::made::Visited;
pub(crate) use self::readiness::Readiness;
use crate::config::Config;
use crate::driver::Inputs;
use crate::hub::Hub;
use crate::identity::{Names, Session, Sessions};
use crate::problem::Problem;
use crate::queries::Queries;
use crate::socket::{Cable, EmbedShared};
use crate::views::Views;
use crate::{Asset, Site, api};

/// Places that sockets leave free at most.
const RESERVE_MAX: usize = 64;

/// What answers are made from. Nothing here is waited for.
pub(crate) struct Web {
    app: Arc<dyn App>,
    room: Room,
    assets: HashMap<String, Asset>,
    compressed: Compressed,
    visited: Visited,
    rules: Rules,
    crowd: Arc<Crowd>,
    pub(crate) api_key: Option<String>,
    sessions: Sessions,
    names: Arc<Names>,
    cable: Arc<Cable>,
    pub(crate) embed: EmbedShared,
    pub(crate) views: Arc<Views>,
    pub(crate) queries: Queries,
    pub(crate) roll_ups: api::RollUps,
    hub: Arc<Hub>,
    pub(crate) inputs: mpsc::Sender<Input>,
    pub(crate) readiness: Arc<Readiness>,
    connections: AtomicU64,
    places: Arc<Semaphore>,
    /// So many places are kept from sockets, or a node full of them would look dead to whoever asks for its health.
    reserve: usize,
}

/// What `Web` is built of, besides settings and site.
pub(crate) struct Parts {
    pub(crate) sessions: Sessions,
    pub(crate) cable: Arc<Cable>,
    pub(crate) embed: EmbedShared,
    pub(crate) views: Arc<Views>,
    pub(crate) queries: Queries,
    pub(crate) hub: Arc<Hub>,
    pub(crate) inputs: Inputs,
    pub(crate) readiness: Arc<Readiness>,
    pub(crate) places: Arc<Semaphore>,
}

impl Web {
    pub(crate) fn new(config: &Config, app: Arc<dyn App>, site: Site, parts: Parts) -> Self {
        Self {
            app,
            room: Room::new(site.name).expect("a site's name is short and not empty"),
            assets: files::all(site.assets),
            compressed: Compressed::default(),
            visited: Visited::default(),
            rules: Rules::new(config),
            crowd: Crowd::new(config.limits.sockets_per_address),
            api_key: config.secrets.api_key.clone(),
            sessions: parts.sessions,
            names: Arc::clone(&parts.cable.names),
            cable: parts.cable,
            embed: parts.embed,
            views: parts.views,
            queries: parts.queries,
            roll_ups: api::RollUps::default(),
            hub: parts.hub,
            inputs: parts.inputs.sockets,
            readiness: parts.readiness,
            connections: AtomicU64::new(1),
            reserve: (parts.places.available_permits() / 10).min(RESERVE_MAX),
            places: parts.places,
        }
    }

    /// All routes. Health is answered under every host, since those who ask know only an address.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        let ours = Router::new()
            .merge(api::routes())
            .fallback(other)
            .layer(CompressionLayer::new().gzip(true))
            .route("/cable", get(upgrade::cable))
            .route("/presence", get(upgrade::presence))
            .route("/presence/events", get(event_stream::events))
            .route("/embed", get(frame::embed))
            .route("/badge.svg", get(badge::badge))
            .layer(from_fn_with_state(Arc::clone(self), cors::share))
            .layer(from_fn_with_state(Arc::clone(self), own_host_only))
            .with_state(Arc::clone(self));
        let health = Router::new()
            .route("/healthz", get(|| async { "This process works.\n" }))
            .route("/readyz", get(ready))
            .with_state(Arc::clone(self));
        ours.merge(health)
            .method_not_allowed_fallback(|| async {
                Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address is not asked so. The Allow header says how.")
            })
            .layer(CatchPanicLayer::custom(panicked))
            .layer(map_response(with_plain_headers))
    }
}

/// The session of a request's cookie.
fn cookie(headers: &HeaderMap, web: &Web, came: &Came) -> Option<Session> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies.filter_map(|cookies| web.sessions.read(cookies, came.secure)).next()
}

async fn own_host_only(State(web): State<Arc<Web>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>().expect("every connection says who it is");
    match web.rules.judge(request.headers(), peer.address.ip(), peer.secure) {
        Ok(came) => {
            request.extensions_mut().insert(came);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

/// What no route names: a file, a page of the app, or nothing.
async fn other(State(web): State<Arc<Web>>, request: Request) -> Response {
    let path = request.uri().path();
    let file = web.assets.get(path);
    let room = if file.is_none() { web.app.room(&web.room, path) } else { None };
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match (file, room) {
        (None, None) => Problem::new(StatusCode::NOT_FOUND, "There is nothing at this address.").into_response(),
        _ if !reads => {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "Only GET and HEAD are answered here.").into_response()
        }
        (Some(file), _) => files::answer(file, request.headers()),
        (None, Some(room)) => page::answer(&web, &room, &request),
    }
}

async fn ready(State(web): State<Arc<Web>>) -> Response {
    let (ready, body) = web.readiness.report(&web.views.mesh());
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let fixed = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, fixed, body).into_response()
}

async fn with_plain_headers(mut response: Response) -> Response {
    let plain = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "strict-origin-when-cross-origin"),
        (cors::CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        // Nothing but a page may do anything where it is opened as one.
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in plain {
        // What an answer says itself it means.
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

fn panicked(_reason: Box<dyn std::any::Any + Send + 'static>) -> Response {
    tracing::error!("an answer was given up: its code panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Something is broken here. It has been logged.").into_response()
}
