//! `/api/v1/rooms/busiest`: where most users are; without it a site with many pages would have to ask for each.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use presence_core::{Found, Query, Room};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, found};
use super::key::Keyed;
use super::{Kept, json};
use crate::problem::{Problem, ProblemAnswer};
use crate::web::Web;

/// Most rooms in one answer.
const MOST: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct BusiestAsked {
    /// Only rooms whose name begins so; at most 1,024 bytes.
    #[serde(default)]
    #[param(max_length = 1024, default = "", example = "shop.example/")]
    prefix: String,
    /// How many at most.
    #[serde(default = "usual")]
    #[param(minimum = 1, maximum = 1000, default = 10, value_type = u32)]
    limit: usize,
}

fn usual() -> usize {
    10
}

/// The rooms with the most users.
#[derive(Serialize, ToSchema)]
pub(super) struct Busiest {
    /// The busiest first; rooms that nobody is in are not among them.
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
    params(BusiestAsked),
    responses(
        (status = 200, body = Busiest, description = "Rooms, the busiest first"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn busiest(
    State(web): State<Arc<Web>>,
    _: Keyed,
    Asked(asked): Asked<BusiestAsked>,
) -> Result<Response, Problem> {
    if asked.prefix.len() > Room::NAME_BYTES_MAX || !(1..=MOST).contains(&asked.limit) {
        let detail = format!("Ask for 1 to {MOST} rooms and with a prefix of at most {} bytes.", Room::NAME_BYTES_MAX);
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let query = Query::Busiest { prefix: asked.prefix, most: asked.limit };
    let Found::Busiest(rooms) = found(&web, query).await? else { unreachable!("the busiest are asked for") };
    let rooms = rooms.into_iter().map(|(room, users)| BusyRoom { room: room.to_string(), users }).collect();
    Ok(json(StatusCode::OK, Kept::ByNobody, &Busiest { rooms }))
}
