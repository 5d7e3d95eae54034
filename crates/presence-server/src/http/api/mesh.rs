//! `/api/v1/mesh`: the state of the other regions and nodes.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, Version};
use axum::response::Response;
use presence_core::NodeView;
use serde::Serialize;
use utoipa::ToSchema;

use super::access::may_read_all;
use super::counts::StateName;
use super::{Caching, MeshSnapshot, json};
use crate::http::listen::HttpPeer;
use crate::http::state::HttpState;
use crate::problem::Problem;

/// The mesh, as the node that answers knows it.
#[derive(Serialize, ToSchema)]
#[schema(as = Mesh)]
pub(super) struct MeshState {
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
    /// Every known node, by name. Only with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Vec<MeshNode>, required = false)]
    nodes: Option<Vec<MeshNode>>,
    /// Whole tables that this node has requested since its start. Only with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    tables_asked: Option<u64>,
    /// Replicas that differed from their original, since this node's start. Only with the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u64, required = false)]
    root_faults: Option<u64>,
}

/// One region.
#[derive(Serialize, ToSchema)]
struct MeshRegion {
    /// Its code.
    region: String,
    /// Its name in words.
    name: String,
    state: StateName,
    /// Whether everything of it is known here.
    whole: bool,
    /// Round-trip time: the shortest of the newest five; null unless the region is live.
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
    /// The node that relays it, if it is not heard directly.
    via: Option<String>,
    heard_ms_ago: u64,
    round_trip_ms: Option<u32>,
    /// Whether it counts the visitors of the node that answers: false once it has not for 5 s.
    counts_us: bool,
}

/// The state of the mesh
///
/// Regions; with the key also nodes, their incarnations and sequence numbers.
#[utoipa::path(
    get, path = "/api/v1/mesh", tag = "mesh",
    responses((status = 200, body = MeshState, description = "The mesh as this node knows it")),
    security((), ("key" = [])),
)]
pub(super) async fn mesh(
    State(state): State<Arc<HttpState>>,
    Extension(peer): Extension<HttpPeer>,
    version: Version,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let authorized =
        may_read_all(&headers, &state) || state.is_local_without_keys(peer.address.ip(), version, &headers);
    let snapshot = MeshSnapshot::of(&state);
    let here = state.views.here();
    let regions = snapshot.mesh.regions.iter().map(|region| MeshRegion {
        region: region.region.to_string(),
        name: region.place.name.clone(),
        state: region.state.into(),
        whole: region.whole,
        round_trip_ms: region.round_trip_ms,
        heard_ms_ago: snapshot.heard_ms_ago(region, here),
    });
    let answer = MeshState {
        regions: regions.collect(),
        regions_heard: snapshot.regions_heard(),
        regions_known: snapshot.regions_known(),
        facts_root: snapshot.mesh.facts_root.clone(),
        as_of: snapshot.as_of(),
        nodes: authorized.then(|| snapshot.mesh.nodes.iter().map(node).collect()),
        tables_asked: authorized.then_some(snapshot.mesh.tables_asked),
        root_faults: authorized.then_some(snapshot.mesh.root_faults),
    };
    Ok(json(StatusCode::OK, Caching::Never, &answer))
}

fn node(view: &NodeView) -> MeshNode {
    MeshNode {
        node: view.name.to_string(),
        region: view.region.to_string(),
        incarnation: view.incarnation,
        sequence: view.sequence,
        whole: view.whole,
        state: view.state.as_str(),
        via: view.via.as_ref().map(ToString::to_string),
        heard_ms_ago: view.heard_ms_ago,
        round_trip_ms: view.round_trip_ms,
        counts_us: view.counts_us,
    }
}
