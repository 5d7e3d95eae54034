//! The HTTP API: counts, members, facts, publishing, the log and the state of the mesh, and the OpenAPI document that describes it.

mod access;
mod busiest;
mod counts;
mod dismiss;
mod document;
mod events;
pub(crate) mod fact_transfer;
pub(crate) mod facts;
mod history;
mod json_body;
mod log;
mod members;
mod mesh;
mod publish;
mod query_params;
mod sites;
mod text;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use presence_core::{MeshView, Region, RegionView};
use serde::Serialize;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::state::HttpState;
use crate::clock::millis;
use crate::rfc3339::rfc3339;

/// The routes, each with its description. A node makes them one by one when it starts and keeps no description: together they
/// take a megabyte, and few nodes are ever asked for them.
const ROUTES: &[fn() -> UtoipaMethodRouter<Arc<HttpState>>] = &[
    || routes!(counts::rooms),
    || routes!(counts::room),
    || routes!(events::events),
    || routes!(history::history),
    || routes!(members::members),
    || routes!(busiest::busiest),
    || routes!(dismiss::dismiss),
    || routes!(facts::list, facts::delete),
    || routes!(fact_transfer::export),
    || routes!(fact_transfer::import),
    || routes!(log::read, log::change),
    || routes!(mesh::mesh),
    || routes!(publish::publish),
    || routes!(sites::list),
    || routes!(sites::read, sites::set, sites::remove),
    || routes!(document::document),
];

/// Everything below `/api`.
pub(super) fn routes(state: &Arc<HttpState>) -> Router<Arc<HttpState>> {
    let served = ROUTES.iter().map(|route| OpenApiRouter::new().routes(route()).split_for_parts().0);
    served
        .fold(Router::new(), Router::merge)
        // Described nowhere: they only say what is wrong with the address.
        .route("/api/v1/rooms/{room}/{*rest}", get(counts::room_in_path))
        .route("/api/v1/sites/{host}/{*rest}", any(sites::address))
        .route_layer(from_fn_with_state(Arc::clone(state), access::refuse_wrong_keys))
}

/// The description of all routes.
fn description() -> OpenApi {
    let described = OpenApiRouter::with_openapi(document::base());
    ROUTES.iter().fold(described, |described, route| described.routes(route())).into_openapi()
}

/// The newest view of the mesh, and how old it is.
struct MeshSnapshot {
    mesh: Arc<MeshView>,
    age_ms: u64,
}

impl MeshSnapshot {
    fn of(state: &HttpState) -> Self {
        let (mesh, age) = state.views.mesh_and_age();
        Self { mesh, age_ms: millis(age) }
    }

    fn as_of(&self) -> String {
        rfc3339(self.mesh.as_of_ms.saturating_add(self.age_ms))
    }

    fn heard_ms_ago(&self, region: &RegionView, here: &Region) -> u64 {
        if region.region == *here { 0 } else { region.heard_ms_ago.saturating_add(self.age_ms) }
    }

    fn regions_heard(&self) -> usize {
        self.mesh.regions.iter().filter(|region| region.is_heard()).count()
    }

    fn regions_known(&self) -> usize {
        self.mesh.regions.len()
    }
}

/// The `Cache-Control` of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Caching {
    /// Any cache may keep it for a second, so that a shop's visitors together cost the node one answer a second.
    OneSecond,
    /// No cache may keep it: it is for the holder of the key only, or must be new.
    Never,
}

fn json(status: StatusCode, caching: Caching, answer: &impl Serialize) -> Response {
    let body = serde_json::to_string(answer).expect("texts and numbers are always JSON");
    let caching = match caching {
        Caching::OneSecond => "public, max-age=1",
        Caching::Never => "no-store",
    };
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, caching)];
    (status, headers.map(|(name, value)| (name, HeaderValue::from_static(value))), body).into_response()
}
