//! `/api/v1/rooms/busiest`: the rooms with the most users.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use presence_core::{Found, Query, Room};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::Authorized;
use super::query_params::QueryParams;
use super::{Caching, json};
use crate::http::api_key::KeyRight;
use crate::http::state::HttpState;
use crate::problem::{Problem, ProblemAnswer};

/// Most rooms in one answer.
const ROOMS_MAX: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct BusiestParams {
    /// Only rooms whose name starts with this; at most 1,024 bytes.
    #[serde(default)]
    #[param(max_length = 1024, default = "", example = "shop.example/")]
    prefix: String,
    /// How many at most.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 1000, default = 10, value_type = u32)]
    limit: usize,
}

fn default_limit() -> usize {
    10
}

/// The rooms with the most users.
#[derive(Serialize, ToSchema)]
pub(super) struct Busiest {
    /// The busiest first; empty rooms are left out.
    rooms: Vec<BusyRoom>,
}

/// A room and its users.
#[derive(Serialize, ToSchema)]
struct BusyRoom {
    room: String,
    /// Distinct users, over all regions.
    #[schema(minimum = 1)]
    users: u32,
}

/// The busiest rooms
#[utoipa::path(
    get, path = "/api/v1/rooms/busiest", tag = "rooms",
    params(BusiestParams),
    responses(
        (status = 200, body = Busiest, description = "Rooms, the busiest first"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn busiest(
    State(state): State<Arc<HttpState>>,
    authorized: Authorized,
    QueryParams(params): QueryParams<BusiestParams>,
) -> Result<Response, Problem> {
    if params.prefix.len() > Room::NAME_BYTES_MAX || !(1..=ROOMS_MAX).contains(&params.limit) {
        let detail = format!("limit is 1 to {ROOMS_MAX}, and prefix has at most {} bytes.", Room::NAME_BYTES_MAX);
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    // The prefix of a site's rooms ends with the slash after its host, or goes on behind it: another host may begin as it does.
    let below = if params.prefix.contains('/') { params.prefix.as_str() } else { "" };
    authorized.check(KeyRight::Read, &state, below)?;
    let query = Query::Busiest { prefix: params.prefix, most: params.limit };
    let Found::Busiest(rooms) = state.query(query, authorized.reader).await? else {
        unreachable!("the node answers the query that it got")
    };
    let rooms = rooms.into_iter().map(|(room, users)| BusyRoom { room: room.to_string(), users }).collect();
    Ok(json(StatusCode::OK, Caching::Never, &Busiest { rooms }))
}
