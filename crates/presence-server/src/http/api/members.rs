//! `/api/v1/rooms/members`: who is in a room, page by page.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::HEXLOWER;
use presence_core::{Found, Member, PublicId, Query, Region};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::access::Authorized;
use super::counts::RoomName;
use super::query_params::QueryParams;
use super::{Caching, json};
use crate::http::api_key::KeyRight;
use crate::http::room_name;
use crate::http::state::HttpState;
use crate::problem::{Problem, ProblemAnswer};
use crate::rfc3339::rfc3339;

/// Most members in one answer.
const MEMBERS_MAX: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct MembersParams {
    /// The room's name.
    #[param(value_type = RoomName)]
    room: String,
    /// Only members after this one: `next` of the previous page.
    #[param(pattern = "^[0-9a-f]{64}$")]
    after: Option<String>,
    /// How many at most.
    #[serde(default = "default_limit")]
    #[param(minimum = 1, maximum = 1000, default = 100, value_type = u32)]
    limit: usize,
    /// Only members with a page open in this region, by its code.
    #[param(pattern = "^[a-z0-9-]{1,16}$")]
    region: Option<String>,
}

fn default_limit() -> usize {
    100
}

/// A page of a room's members.
#[derive(Serialize, ToSchema)]
#[schema(as = Members)]
pub(super) struct MembersPage {
    /// As given.
    room: String,
    /// Members in all regions, including those that only a silent node reports.
    total: usize,
    /// In the order of their ids, which does not change.
    members: Vec<RoomMember>,
    /// Where the next page starts: to be given as `after`. Null on the last page.
    next: Option<String>,
}

/// A user in a room.
#[derive(Serialize, ToSchema)]
struct RoomMember {
    /// The user's id in this room. The same user has another id in every other room.
    id: String,
    /// When the user joined.
    #[schema(format = DateTime)]
    since: String,
    /// Open pages; 0 if only a silent node reports the user.
    tabs: u32,
    /// The regions of these pages, by code.
    regions: Vec<String>,
    /// What the site's token says about the user: any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    info: Option<Box<RawValue>>,
}

/// Members of a room
///
/// Page by page: give `next` of one page as `after` of the next one. Users who join or leave meanwhile move no other user
/// to another page.
#[utoipa::path(
    get, path = "/api/v1/rooms/members", tag = "rooms",
    params(MembersParams),
    responses(
        (status = 200, body = MembersPage, description = "A page of members"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn members(
    State(state): State<Arc<HttpState>>,
    authorized: Authorized,
    QueryParams(params): QueryParams<MembersParams>,
) -> Result<Response, Problem> {
    let room = room_name::complete(&state, &params.room)?;
    authorized.check(KeyRight::Read, &state, room.as_str())?;
    if !(1..=MEMBERS_MAX).contains(&params.limit) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, format!("limit is 1 to {MEMBERS_MAX}.")));
    }
    let after = params.after.as_deref().map(member_named).transpose()?;
    let region = params.region.as_deref().map(region_named).transpose()?;
    let query = Query::Members { room, after, most: params.limit, region };
    let Found::Members(found) = state.query(query, authorized.reader).await? else {
        unreachable!("the node answers the query that it got")
    };
    let answer = MembersPage {
        room: params.room,
        total: found.total,
        members: found.members.iter().map(member).collect(),
        next: found.next.map(|id| id.long()),
    };
    Ok(json(StatusCode::OK, Caching::Never, &answer))
}

fn member(found: &Member) -> RoomMember {
    RoomMember {
        id: found.public.long(),
        since: rfc3339(found.since_ms),
        tabs: found.tabs,
        regions: found.regions.iter().map(ToString::to_string).collect(),
        info: serde_json::from_slice(&found.info).ok(),
    }
}

/// Parses the id under which a room's visitors see a member.
pub(super) fn member_named(id: &str) -> Result<PublicId, Problem> {
    let bytes = HEXLOWER.decode(id.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.map(PublicId).ok_or_else(|| {
        let detail = "A member's id has 64 lower-case hexadecimal digits, as in the answers of /api/v1/rooms/members.";
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })
}

fn region_named(code: &str) -> Result<Region, Problem> {
    Region::new(code).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "A region's code has 1 to 16 lower-case letters, digits or -, such as yyz.",
        )
    })
}
