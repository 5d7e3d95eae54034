//! `/api/v1/rooms/dismiss`: makes a user leave a room.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use presence_core::Input;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Authorized;
use super::json_body::JsonBody;
use super::members::member_named;
use super::{Caching, json};
use crate::http::api_key::KeyRight;
use crate::http::room_name;
use crate::http::state::HttpState;
use crate::problem::{Problem, ProblemAnswer};

/// A user and the room to leave.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Dismissal {
    /// The room's name, 1 to 1,024 bytes of UTF-8.
    #[schema(
        min_length = 1,
        max_length = 1024,
        pattern = r"^(?!/)(?![\s\S]*://)",
        example = "shop.example/products/7"
    )]
    room: String,
    /// The member's id, as the room's list of members has it.
    #[schema(pattern = "^[0-9a-f]{64}$")]
    member: String,
}

/// Make a user leave a room
///
/// All pages of the user leave the room, in every region that is heard, and do not rejoin. It is no error if the user is
/// not in the room.
#[utoipa::path(
    post, path = "/api/v1/rooms/dismiss", tag = "rooms",
    request_body(content = Dismissal, description = "The room and the member"),
    responses(
        (status = 202, body = Dismissal, description = "The message is on its way to all regions"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn dismiss(
    State(state): State<Arc<HttpState>>,
    authorized: Authorized,
    JsonBody(dismissal): JsonBody<Dismissal>,
) -> Result<Response, Problem> {
    let room = room_name::complete(&state, &dismissal.room)?;
    authorized.check(KeyRight::Admin, &state, room.as_str())?;
    let user = member_named(&dismissal.member)?;
    let (key, address, named) = (authorized.key_name(), authorized.address(), room.to_string());
    state.send(Input::Dismissed { room, user }).await?;
    tracing::info!(target: "audit", key, %address, room = named, member = dismissal.member, "dismissed a member");
    Ok(json(StatusCode::ACCEPTED, Caching::Never, &dismissal))
}
