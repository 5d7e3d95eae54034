//! `/api/v1/rooms/history`: how many users were in a room, minute by minute.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::{is_path, readable_room};
use super::counts::RoomName;
use super::query_params::QueryParams;
use super::{MeshSnapshot, json};
use crate::http::request_info::RequestInfo;
use crate::http::sampling;
use crate::http::state::HttpState;
use crate::problem::{Problem, ProblemAnswer};
use crate::rfc3339::rfc3339;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryParams {
    /// The room's name.
    #[param(value_type = RoomName)]
    room: String,
}

/// The users of a room in each minute of the last 24 hours.
#[derive(Serialize, ToSchema)]
#[schema(as = RoomHistory)]
pub(super) struct HistoryAnswer {
    /// As given.
    room: String,
    /// When the first minute began.
    #[schema(format = DateTime)]
    from: String,
    /// From the beginning of one minute to that of the next one: 60.
    seconds: u32,
    /// The most users at a time in each minute, over all regions as the node that answers knew them; the last minute is the
    /// present one. Empty if the node knows of no users in the last 24 hours, or has forgotten them.
    #[schema(max_items = 1440)]
    users: Vec<u32>,
    /// The minute with the most users, the latest one of several.
    #[schema(required = true)]
    peak: Option<HistoryPeak>,
    /// How many regions are live and fully known to the node that answers.
    regions_heard: usize,
    /// How many regions are known.
    regions_known: usize,
    /// When this was true.
    #[schema(format = DateTime)]
    as_of: String,
}

/// The minute with the most users.
#[derive(Serialize, ToSchema)]
struct HistoryPeak {
    users: u32,
    /// When that minute began.
    #[schema(format = DateTime)]
    at: String,
}

/// The last 24 hours of a room
///
/// One number a minute, from when the room first had users. A node keeps the numbers in memory, of the 2,000 rooms that had users
/// last, and exact up to 8,191 users; above that they are rounded by less than 0.03 %. After its start it has none yet.
#[utoipa::path(
    get, path = "/api/v1/rooms/history", tag = "rooms",
    params(HistoryParams),
    responses(
        (status = 200, body = HistoryAnswer, description = "The users by minute"),
        (status = 403, body = ProblemAnswer, content_type = "application/problem+json",
            description = "The room is private, and the request has no API key"),
    ),
    security((), ("key" = [])),
)]
pub(super) async fn history(
    State(state): State<Arc<HttpState>>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
    QueryParams(params): QueryParams<HistoryParams>,
) -> Result<Response, Problem> {
    let readable = readable_room(&state, &headers, &info, params.room)?;
    if is_path(&readable.room) {
        let detail = "There is no history of all rooms below a path. Ask for one room, without the slash at the end.";
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let minutes = sampling::room(&state, &readable.room);
    let began = |index: usize| rfc3339(minutes.minute_ms(index));
    let highest = minutes.values.iter().enumerate().max_by_key(|(_, users)| **users);
    let mesh = MeshSnapshot::of(&state);
    let answer = HistoryAnswer {
        room: readable.asked,
        from: began(0),
        seconds: 60,
        peak: highest.map(|(index, users)| HistoryPeak { users: *users, at: began(index) }),
        users: minutes.values,
        regions_heard: mesh.regions_heard(),
        regions_known: mesh.regions_known(),
        as_of: mesh.as_of(),
    };
    Ok(json(StatusCode::OK, readable.caching, &answer))
}
