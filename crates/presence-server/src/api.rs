//! The HTTP API: counts of rooms and the state of the mesh, for anything that speaks HTTP.

mod moment;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use presence_core::{MeshView, NodeView, RegionState, RegionView, Room};
use serde::Serialize;

use self::moment::written;
use crate::identity::sha256;
use crate::web::{Problem, Web};

/// Rooms that one request may ask for.
const ROOMS_MAX: usize = 100;

pub(crate) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/api/v1/rooms", get(rooms))
        .route("/api/v1/rooms/{room}", get(room))
        .route("/api/v1/mesh", get(mesh))
}

#[derive(Serialize)]
struct RoomAnswer {
    room: String,
    users: u32,
    tabs: u32,
    unsure: u32,
    regions: Vec<RegionCounts>,
    regions_heard: usize,
    regions_known: usize,
    as_of: String,
}

#[derive(Serialize)]
struct RegionCounts {
    region: String,
    users: u32,
    tabs: u32,
    unsure: u32,
    state: &'static str,
    heard_ms_ago: u64,
}

#[derive(Serialize)]
struct RoomAnswers {
    rooms: Vec<RoomAnswer>,
}

#[derive(Serialize)]
struct MeshAnswer {
    regions: Vec<RegionAnswer>,
    regions_heard: usize,
    regions_known: usize,
    facts_root: String,
    as_of: String,
    #[serde(flatten)]
    inside: Option<Inside>,
}

#[derive(Serialize)]
struct RegionAnswer {
    region: String,
    name: String,
    state: &'static str,
    whole: bool,
    round_trip_ms: Option<u32>,
    heard_ms_ago: u64,
}

/// What only operators may know.
#[derive(Serialize)]
struct Inside {
    nodes: Vec<NodeAnswer>,
    tables_asked: u64,
    root_faults: u64,
}

#[derive(Serialize)]
struct NodeAnswer {
    node: String,
    region: String,
    incarnation: u64,
    sequence: u64,
    whole: u64,
    state: &'static str,
    via: Option<String>,
    heard_ms_ago: u64,
    round_trip_ms: Option<u32>,
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

async fn room(State(web): State<Arc<Web>>, name: Result<Path<String>, PathRejection>) -> Response {
    let named = name.map_err(|_| bad_name()).and_then(|Path(name)| parse(&name));
    named.map_or_else(IntoResponse::into_response, |room| json(&counts(&web, &Known::of(&web), &room)))
}

async fn rooms(State(web): State<Arc<Web>>, query: Result<Query<Vec<(String, String)>>, QueryRejection>) -> Response {
    let Ok(Query(pairs)) = query else { return bad_query().into_response() };
    if pairs.is_empty() || pairs.len() > ROOMS_MAX || pairs.iter().any(|(key, _)| key != "room") {
        return bad_query().into_response();
    }
    let rooms: Result<Vec<Room>, Problem> = pairs.iter().map(|(_, name)| parse(name)).collect();
    let known = Known::of(&web);
    rooms.map_or_else(IntoResponse::into_response, |rooms| {
        json(&RoomAnswers { rooms: rooms.iter().map(|room| counts(&web, &known, room)).collect() })
    })
}

async fn mesh(State(web): State<Arc<Web>>, headers: HeaderMap) -> Response {
    let inside = match headers.get(header::AUTHORIZATION) {
        None => false,
        Some(given) if is_key(given.as_bytes(), web.api_key.as_deref()) => true,
        Some(_) => {
            let detail = "This is not the API key. Send \"Authorization: Bearer\" and the node's GP_API_KEY, or no Authorization.";
            return Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
        }
    };
    let known = Known::of(&web);
    let own = web.views.here();
    let regions = known.mesh.regions.iter().map(|region| RegionAnswer {
        region: region.region.to_string(),
        name: region.place.name.clone(),
        state: region.state.as_str(),
        whole: region.whole,
        round_trip_ms: region.round_trip_ms,
        heard_ms_ago: known.heard_ms_ago(region, region.region == *own),
    });
    json(&MeshAnswer {
        regions: regions.collect(),
        regions_heard: known.heard(),
        regions_known: known.mesh.regions.len(),
        facts_root: known.mesh.facts_root.clone(),
        as_of: known.as_of(),
        inside: inside.then(|| Inside {
            nodes: known.mesh.nodes.iter().map(node).collect(),
            tables_asked: known.mesh.tables_asked,
            root_faults: known.mesh.root_faults,
        }),
    })
}

fn node(view: &NodeView) -> NodeAnswer {
    NodeAnswer {
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

/// Counts are the room's newest; how far they can be trusted is the mesh's newest, since a quiet room is drawn seldom.
fn counts(web: &Web, known: &Known, room: &Room) -> RoomAnswer {
    let view = web.views.room_or_empty(room);
    let counted = |region: &RegionView| view.regions.iter().find(|counted| counted.region == region.region).cloned();
    let regions = known.mesh.regions.iter().map(|region| {
        let (users, tabs, unsure) =
            counted(region).map_or((0, 0, 0), |counted| (counted.users, counted.tabs, counted.unsure));
        RegionCounts {
            region: region.region.to_string(),
            users,
            tabs,
            unsure,
            state: region.state.as_str(),
            heard_ms_ago: known.heard_ms_ago(region, region.region == view.here),
        }
    });
    RoomAnswer {
        room: room.to_string(),
        users: view.users,
        tabs: view.tabs,
        unsure: view.unsure,
        regions: regions.collect(),
        regions_heard: known.heard(),
        regions_known: known.mesh.regions.len(),
        as_of: known.as_of(),
    }
}

fn parse(name: &str) -> Result<Room, Problem> {
    Room::new(name).ok_or_else(bad_name)
}

fn bad_name() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("A room's name has 1 to {} bytes of UTF-8.", Room::NAME_BYTES_MAX))
}

fn bad_query() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, format!("Ask for 1 to {ROOMS_MAX} rooms: /api/v1/rooms?room=one&room=two."))
}

/// Hashes are compared, so that the time it takes tells nothing of the key.
fn is_key(given: &[u8], key: Option<&str>) -> bool {
    let given = given.strip_prefix(b"Bearer ").unwrap_or_default();
    key.is_some_and(|key| sha256(key.as_bytes()) == sha256(given))
}

fn json(answer: &impl Serialize) -> Response {
    let body = serde_json::to_string(answer).expect("texts and numbers are always JSON");
    let fixed = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (StatusCode::OK, fixed, body).into_response()
}
