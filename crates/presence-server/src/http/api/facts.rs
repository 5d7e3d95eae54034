//! `/api/v1/facts`: lists the facts of a room, and removes them.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::BASE64;
use presence_core::{Found, ListedFact, ListedFacts, Query, TraceContext};
use serde::{Deserialize, Serialize};
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

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct FactsParams {
    /// The room's name.
    #[param(value_type = RoomName)]
    room: String,
    /// Only facts of later keys: `next` of the previous page.
    after: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RemovalParams {
    /// The room's name.
    #[param(value_type = RoomName)]
    room: String,
    /// The name of the register, log, map, counter or set.
    key: String,
    /// Only this entry of a log or a map, or only this user of a set, as the list of facts names it.
    entry: Option<String>,
}

/// A page of a room's facts.
#[derive(Serialize, ToSchema)]
#[schema(as = Facts)]
pub(crate) struct FactsAnswer {
    /// As given.
    room: String,
    /// In the order of their keys.
    pub(crate) facts: Vec<RoomFact>,
    /// Where the next page starts: to be given as `after`. Null on the last page.
    pub(crate) next: Option<String>,
}

/// A register, an entry of a log or a map, a user of a set, or what one start of a node has added to a counter.
#[derive(Serialize, ToSchema)]
#[schema(as = Fact)]
pub(crate) struct RoomFact {
    /// What it is a part of: `register`, `log`, `map`, `counter`, `set`, or `unknown` to this version.
    kind: &'static str,
    /// The name of that.
    key: String,
    /// Which entry of the log or the map, which user of the set, which start of which node. A register has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    entry: Option<String>,
    /// What the app wrote, if that is text; what was added to a counter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    value: Option<String>,
    /// What the app wrote, if that is not text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    value_base64: Option<String>,
    /// The author's id in this room.
    author: String,
    /// The region whose node took the write, by code.
    region: String,
    /// When it was written.
    #[schema(format = DateTime)]
    at: String,
    /// When it expires.
    #[schema(format = DateTime)]
    expires: String,
}

/// What was removed.
#[derive(Serialize, ToSchema)]
#[schema(as = RemovedFacts)]
pub(crate) struct RemovedAnswer {
    /// As given.
    pub(crate) room: String,
    /// As given.
    pub(crate) key: String,
    /// How many facts were removed: 0 where there was nothing.
    pub(crate) removed: usize,
}

/// Facts of a room
///
/// Page by page: give `next` of one page as `after` of the next one. All entries of a log are on one page.
#[utoipa::path(
    get, path = "/api/v1/facts", tag = "facts",
    params(FactsParams),
    responses(
        (status = 200, body = FactsAnswer, description = "A page of facts"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn list(
    State(state): State<Arc<HttpState>>,
    authorized: Authorized,
    QueryParams(params): QueryParams<FactsParams>,
) -> Result<Response, Problem> {
    let room = room_name::complete(&state, &params.room)?;
    authorized.check(KeyRight::Read, &state, room.as_str())?;
    let Found::Facts(found) = state.query(Query::Facts { room, after: params.after }, authorized.reader).await? else {
        unreachable!("the node answers the query that it got")
    };
    Ok(json(StatusCode::OK, Caching::Never, &FactsAnswer::new(params.room, found)))
}

/// Remove facts of a room
///
/// Removes everything of a name, or one entry of it, in every region. Nodes that are not heard now learn of it when they are
/// heard again. It is no error if there is nothing to remove.
#[utoipa::path(
    delete, path = "/api/v1/facts", tag = "facts",
    params(RemovalParams),
    responses(
        (status = 200, body = RemovedAnswer, description = "It is removed here, and is on its way to all regions"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn delete(
    State(state): State<Arc<HttpState>>,
    authorized: Authorized,
    caller: Option<Extension<TraceContext>>,
    QueryParams(params): QueryParams<RemovalParams>,
) -> Result<Response, Problem> {
    let RemovalParams { room, key, entry } = params;
    let named = room_name::complete(&state, &room)?;
    authorized.check(KeyRight::Admin, &state, named.as_str())?;
    let (name, removed_entry) = (named.to_string(), entry.clone());
    let caller = caller.as_ref().map(|Extension(trace)| trace);
    let removed = state.remove_fact(named, key.clone(), entry, caller, authorized.reader).await?;
    let (by, address) = (authorized.key_name(), authorized.address());
    tracing::info!(target: "audit", key = by, %address, room = name, fact = key, entry = removed_entry, removed, "removed facts");
    Ok(json(StatusCode::OK, Caching::Never, &RemovedAnswer { room, key, removed }))
}

impl FactsAnswer {
    pub(crate) fn new(room: String, found: ListedFacts) -> Self {
        Self { room, facts: found.facts.into_iter().map(RoomFact::from).collect(), next: found.next }
    }
}

impl From<ListedFact> for RoomFact {
    fn from(fact: ListedFact) -> Self {
        let (value, value_base64) = match String::from_utf8(fact.value) {
            Ok(text) => (Some(text), None),
            Err(bytes) => (None, Some(BASE64.encode(bytes.as_bytes()))),
        };
        Self {
            kind: fact.kind.as_str(),
            key: fact.key,
            entry: fact.entry,
            value,
            value_base64,
            author: fact.author.long(),
            region: fact.region.to_string(),
            at: rfc3339(fact.at_ms),
            expires: rfc3339(fact.expires_ms),
        }
    }
}
