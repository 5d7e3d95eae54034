//! `/api/v1/rooms/members`: who is in a room, page by page; without it a site could count its readers but not greet them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use presence_core::{Found, Member, PublicId, Query, Region};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::asked::{Asked, found};
use super::counts::RoomName;
use super::key::Keyed;

use super::{Kept, json, room_named};
use crate::moment::written;
use crate::problem::{Problem, ProblemAnswer};
use crate::web::Web;

/// Most members in one answer.
const MOST: usize = 1_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct MembersAsked {
    /// The room's name.
    #[param(value_type = RoomName)]
    room: String,
    /// Only those after this one: `next` of the page before.
    #[param(pattern = "^[0-9a-f]{64}$")]
    after: Option<String>,
    /// How many at most.
    #[serde(default = "usual")]
    #[param(minimum = 1, maximum = 1000, default = 100, value_type = u32)]
    limit: usize,
    /// Only those with a page open in this region, by its code.
    #[param(pattern = "^[a-z0-9-]{1,16}$")]
    region: Option<String>,
}

fn usual() -> usize {
    100
}

/// A page of a room's members.
#[derive(Serialize, ToSchema)]
pub(super) struct Members {
    /// As asked.
    room: String,
    /// How many are in the room, of all regions; those whom only a silent node vouches for included.
    total: usize,
    /// In the order of their ids, which never changes.
    members: Vec<RoomMember>,
    /// Where the next page begins: to be given as `after`. None: this was the last.
    next: Option<String>,
}

/// Somebody in a room.
#[derive(Serialize, ToSchema)]
struct RoomMember {
    /// Who, in this room only: the same user has another id in every other.
    id: String,
    /// When they came.
    #[schema(format = DateTime)]
    since: String,
    /// Their open pages; 0 where only a silent node vouches for them.
    tabs: u32,
    /// Where those are, by code.
    regions: Vec<String>,
    /// What the site said of its signed user: any JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Value, required = false)]
    info: Option<Box<RawValue>>,
}

/// Members of a room
///
/// Page by page: give `next` of one page as `after` of the next one. Somebody who comes or leaves meanwhile moves nobody
/// else to another page.
#[utoipa::path(
    get, path = "/api/v1/rooms/members", tag = "rooms",
    params(MembersAsked),
    responses(
        (status = 200, body = Members, description = "A page of members"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn members(
    State(web): State<Arc<Web>>,
    _: Keyed,
    Asked(asked): Asked<MembersAsked>,
) -> Result<Response, Problem> {
    let room = room_named(&asked.room)?;
    if !(1..=MOST).contains(&asked.limit) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, format!("Ask for 1 to {MOST} members: limit=100.")));
    }
    let after = asked.after.as_deref().map(member_named).transpose()?;
    let region = asked.region.as_deref().map(region_named).transpose()?;
    let query = Query::Members { room, after, most: asked.limit, region };
    let Found::Members(found) = found(&web, query).await? else { unreachable!("members are asked for") };
    let answer = Members {
        room: asked.room,
        total: found.total,
        members: found.members.iter().map(member).collect(),
        next: found.next.map(|id| id.long()),
    };
    Ok(json(StatusCode::OK, Kept::ByNobody, &answer))
}

fn member(found: &Member) -> RoomMember {
    RoomMember {
        id: found.public.long(),
        since: written(found.since_ms),
        tabs: found.tabs,
        regions: found.regions.iter().map(ToString::to_string).collect(),
        info: serde_json::from_slice(&found.info).ok(),
    }
}

/// The member whom the room's visitors see under this id.
pub(super) fn member_named(id: &str) -> Result<PublicId, Problem> {
    let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f').then(|| char::from(byte).to_digit(16)).flatten();
    let mut member = [0; 32];
    let mut pairs = id.as_bytes().chunks_exact(2);
    let read = member.iter_mut().all(|byte| {
        let digits = pairs.next().and_then(|pair| Some((digit(pair[0])?, digit(pair[1])?)));
        digits.is_some_and(|(high, low)| {
            *byte = (high << 4 | low) as u8;
            true
        })
    });
    (read && id.len() == 64).then_some(PublicId(member)).ok_or_else(|| {
        let detail = "A member's id has 64 hexadecimal digits, as /api/v1/rooms/members lists it.";
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
