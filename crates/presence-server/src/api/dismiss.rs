//! `/api/v1/rooms/dismiss`: makes a user leave a room; without it a site could not end what it let begin.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use presence_core::Input;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::given::Given;
use super::key::Keyed;
use super::members::member_named;
use super::publish::tell;
use super::{Kept, json, room_named};
use crate::problem::{Problem, ProblemAnswer};
use crate::web::Web;

/// Who is to leave which room.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Dismissal {
    /// The room's name, 1 to 1,024 bytes of UTF-8.
    #[schema(min_length = 1, max_length = 1024, example = "shop.example/products/7")]
    room: String,
    /// The member's id, as the room's list of members has it.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    member: String,
}

/// Make a user leave a room
///
/// All pages that the user has open in the room stop being in it, in every region that is heard, and do not come back by
/// themselves. Whoever is not there is no mistake.
#[utoipa::path(
    post, path = "/api/v1/rooms/dismiss", tag = "rooms",
    request_body(content = Dismissal, description = "The room and the member"),
    responses(
        (status = 202, body = Dismissal, description = "It is on its way"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn dismiss(
    State(web): State<Arc<Web>>,
    _: Keyed,
    Given(dismissal): Given<Dismissal>,
) -> Result<Response, Problem> {
    let room = room_named(&dismissal.room)?;
    let user = member_named(&dismissal.member)?;
    tell(&web, Input::Dismissed { room, user }).await?;
    Ok(json(StatusCode::ACCEPTED, Kept::ByNobody, &dismissal))
}
