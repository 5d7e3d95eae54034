//! The HTTP API: counts, members, publishing and the state of the mesh, for anything that speaks HTTP, and the document
//! that describes it. Without it only pages of our own could use what a node knows.

mod asked;
mod busiest;
mod counts;
mod dismiss;
mod document;
mod events;
mod given;
mod key;
mod members;
mod mesh;
mod publish;
mod readable;
mod rollups;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use presence_core::{MeshView, RegionState, RegionView, Room};
use serde::Serialize;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::rollups::RollUps;
use crate::moment::written;
use crate::problem::Problem;
use crate::web::Web;

/// Everything below `/api`.
pub(crate) fn routes() -> Router<Arc<Web>> {
    parts().0
}

/// What is served, and what is said of it: one list, so that neither can lack what the other has.
fn parts() -> (Router<Arc<Web>>, OpenApi) {
    OpenApiRouter::with_openapi(document::opening())
        .routes(routes!(counts::rooms))
        .routes(routes!(counts::room))
        .routes(routes!(events::events))
        .routes(routes!(members::members))
        .routes(routes!(busiest::busiest))
        .routes(routes!(dismiss::dismiss))
        .routes(routes!(mesh::mesh))
        .routes(routes!(publish::publish))
        .routes(routes!(document::document))
        .split_for_parts()
}

/// The mesh now, and how much older than this moment its figures are.
struct Known {
    mesh: Arc<MeshView>,
    age_ms: u64,
}

impl Known {
    fn of(web: &Web) -> Self {
        let (mesh, age) = web.views.mesh_and_age();
        Self { mesh, age_ms: u64::try_from(age.as_millis()).unwrap_or(u64::MAX) }
    }

    fn as_of(&self) -> String {
        written(self.mesh.as_of_ms.saturating_add(self.age_ms))
    }

    fn heard_ms_ago(&self, region: &RegionView, own: bool) -> u64 {
        if own { 0 } else { region.heard_ms_ago.saturating_add(self.age_ms) }
    }

    fn heard(&self) -> usize {
        self.mesh.regions.iter().filter(|region| region.state == RegionState::Live && region.whole).count()
    }
}

fn room_named(name: &str) -> Result<Room, Problem> {
    Room::new(name).ok_or_else(|| {
        let detail = format!("A room's name has 1 to {} bytes of UTF-8.", Room::NAME_BYTES_MAX);
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })
}

/// Who may keep an answer, and for how long.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// Caches of all kinds, for a second: a whole shop's visitors cost a node one answer.
    ByAllForASecond,
    /// Nobody: it tells what only the holder of a key may know, or what must be new.
    ByNobody,
}

fn json(status: StatusCode, kept: Kept, answer: &impl Serialize) -> Response {
    let body = serde_json::to_string(answer).expect("texts and numbers are always JSON");
    let kept = match kept {
        Kept::ByAllForASecond => "public, max-age=1",
        Kept::ByNobody => "no-store",
    };
    let fixed = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, kept)];
    (status, fixed.map(|(name, value)| (name, HeaderValue::from_static(value))), body).into_response()
}
