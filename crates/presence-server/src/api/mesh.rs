//! `/api/v1/mesh`: how the other regions are; without it an operator would have to guess.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use presence_core::NodeView;
use serde::Serialize;
use utoipa::ToSchema;

use super::counts::StateName;
use super::key::holds_key;
use super::{Kept, Known, json};
use crate::problem::Problem;
use crate::web::Web;

/// The mesh, as the node that answers knows it.
#[derive(Serialize, ToSchema)]
pub(super) struct Mesh {
    /// Every known region.
    regions: Vec<MeshRegion>,
    /// How many regions are live and fully known here.
    regions_heard: usize,
    /// How many regions are known.
    regions_known: usize,
    /// Equal on nodes that hold equal facts.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    facts_root: String,
    /// When this was true.
    #[schema(format = DateTime)]
    as_of: String,
    /// Every known node, by name: for who sends the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<MeshNode>, required = false)]
    nodes: Option<Vec<MeshNode>>,
    /// Whole tables that this node has asked for since its start: for who sends the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    tables_asked: Option<u64>,
    /// Differences that should not have been, since its start: for who sends the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    root_faults: Option<u64>,
}

/// One region.
#[derive(Serialize, ToSchema)]
struct MeshRegion {
    /// Its code.
    region: String,
    /// Its name, for people.
    name: String,
    state: StateName,
    /// Whether everything of it is known here.
    whole: bool,
    /// Round-trip time.
    round_trip_ms: Option<u32>,
    /// How long ago it was heard.
    heard_ms_ago: u64,
}

/// One node.
#[derive(Serialize, ToSchema)]
struct MeshNode {
    node: String,
    region: String,
    /// Rises at every start of that node.
    incarnation: u64,
    /// The number of its newest change that is known here.
    sequence: u64,
    /// The number up to which nothing is missing here.
    whole: u64,
    /// `live`, `silent`, `draining`, `departed` or `gone`.
    #[schema(pattern = "^(live|silent|draining|departed|gone)$")]
    state: &'static str,
    /// The node through which it is heard, where not directly.
    via: Option<String>,
    heard_ms_ago: u64,
    round_trip_ms: Option<u32>,
}

/// The state of the mesh
///
/// Regions, for everybody. Nodes, incarnations and sequences too, for who sends the key.
#[utoipa::path(
    get, path = "/api/v1/mesh", tag = "mesh",
    responses((status = 200, body = Mesh, description = "The mesh as this node knows it")),
    security((), ("key" = [])),
)]
pub(super) async fn mesh(State(web): State<Arc<Web>>, headers: HeaderMap) -> Result<Response, Problem> {
    let inside = holds_key(&headers, &web)?;
    let known = Known::of(&web);
    let own = web.views.here();
    let regions = known.mesh.regions.iter().map(|region| MeshRegion {
        region: region.region.to_string(),
        name: region.place.name.clone(),
        state: region.state.into(),
        whole: region.whole,
        round_trip_ms: region.round_trip_ms,
        heard_ms_ago: known.heard_ms_ago(region, region.region == *own),
    });
    let answer = Mesh {
        regions: regions.collect(),
        regions_heard: known.heard(),
        regions_known: known.mesh.regions.len(),
        facts_root: known.mesh.facts_root.clone(),
        as_of: known.as_of(),
        nodes: inside.then(|| known.mesh.nodes.iter().map(node).collect()),
        tables_asked: inside.then_some(known.mesh.tables_asked),
        root_faults: inside.then_some(known.mesh.root_faults),
    };
    Ok(json(StatusCode::OK, Kept::ByNobody, &answer))
}

fn node(view: &NodeView) -> MeshNode {
    MeshNode {
        node: view.name.to_string(),
        region: view.region.to_string(),
        incarnation: view.incarnation,
        sequence: view.sequence,
        whole: view.whole,
        state: view.state,
        via: view.via.as_ref().map(ToString::to_string),
        heard_ms_ago: view.heard_ms_ago,
        round_trip_ms: view.round_trip_ms,
    }
}
