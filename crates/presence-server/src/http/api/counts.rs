//! `/api/v1/rooms`: how many users are in rooms.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use presence_core::{Below, Found, Query, Region, RegionState, RegionView, Room, RoomView, Subtree};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::access::{ReadableRoom, is_path, readable_room};
use super::query_params::QueryParams;
use super::text::TextParams;
use super::{Caching, MeshSnapshot, json};
use crate::http::request_info::RequestInfo;
use crate::http::state::HttpState;
use crate::i18n::SentenceCounts;
use crate::problem::{Problem, ProblemAnswer};
use crate::sites::Sites;

/// Rooms that one request may ask for.
const ROOMS_MAX: usize = 100;

/// How many users are in a room, over all regions, and how far the numbers can be trusted.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Counts)]
pub(super) struct CountsAnswer {
    /// As given.
    room: String,
    /// Distinct users with a page of the room open; the same browser in two regions is one.
    users: u32,
    /// The sentence that `<live-presence>` shows, in the language of `lang`; only with `lang` or `show`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    text: Option<String>,
    /// Those of them with a visible page.
    looking: u32,
    /// Open pages.
    tabs: u32,
    /// Users that only a silent node reports; never part of `users`.
    unsure: u32,
    /// Those of `users` with event streams or frames only, whose presence no pong proves.
    unproven: u32,
    /// The same by region: every known region, also those without users.
    regions: Vec<RegionCounts>,
    /// How many regions are live and fully known to the node that answers.
    regions_heard: usize,
    /// How many regions are known.
    regions_known: usize,
    /// When this was true.
    #[schema(format = DateTime)]
    as_of: String,
}

/// One region's share.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
struct RegionCounts {
    /// Its code.
    region: String,
    /// Distinct users with a connection to that region's nodes.
    users: u32,
    /// Not counted where the name ends with a slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false)]
    tabs: Option<u32>,
    /// Not counted where the name ends with a slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = u32, required = false)]
    unsure: Option<u32>,
    state: StateName,
    /// How long ago the region was heard.
    heard_ms_ago: u64,
}

/// `live`: heard; `silent`: not heard for 4.5 s; `draining`: about to leave; `gone`: not heard for a minute.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StateName {
    Live,
    Silent,
    Draining,
    Gone,
}

impl From<RegionState> for StateName {
    fn from(state: RegionState) -> Self {
        match state {
            RegionState::Live => Self::Live,
            RegionState::Silent => Self::Silent,
            RegionState::Draining => Self::Draining,
            RegionState::Gone => Self::Gone,
        }
    }
}

/// Several rooms, in the order of the request.
#[derive(Serialize, ToSchema)]
pub(super) struct RoomsCounts {
    rooms: Vec<CountsAnswer>,
}

/// The parameters, which are read as pairs since one is repeated.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what is read as pairs")]
struct RoomsParams {
    /// A room's name, 1 to 1,024 bytes of UTF-8; may be repeated.
    #[param(min_items = 1, max_items = 100, value_type = Vec<RoomName>)]
    room: Vec<String>,
    /// Adds `text` to each answer, in this language: a tag such as `de-AT`, or a list as in `Accept-Language`. English where
    /// no language of the list is known, or where only `show` is given.
    #[param(value_type = String, required = false)]
    lang: String,
    /// Which count `text` says, as the attribute of `<live-presence>`: those who look unless it is one of these. It adds `text`, too.
    #[param(value_type = String, required = false, example = "users")]
    show: String,
}

/// A room's name: 1 to 1,024 bytes of UTF-8. It begins with the host of its site, without a scheme.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 1024, pattern = r"^(?!/)(?![\s\S]*://)", example = "shop.example/products/7")]
#[expect(dead_code, reason = "it describes what is read as text")]
pub(super) struct RoomName(String);

/// Counts of one room
///
/// For a name without a slash, or with each slash written as %2F. An empty room has zeros. A name that ends with a
/// slash stands for all rooms below it, and its users are the distinct users of all of them.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}", tag = "rooms",
    params(("room" = RoomName, Path, description = "The room's name")),
    responses(
        (status = 200, body = CountsAnswer, description = "The counts of the room"),
        (status = 403, body = ProblemAnswer, content_type = "application/problem+json",
            description = "The room is private, and the request has no API key"),
        (status = 429, body = ProblemAnswer, content_type = "application/problem+json", description = "Too many paths"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security((), ("key" = [])),
)]
pub(super) async fn room(
    State(state): State<Arc<HttpState>>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let room = readable_room(&state, &headers, &info, name)?;
    let counts = CountsAnswer::of(&state, &MeshSnapshot::of(&state), &room).await?;
    Ok(json(StatusCode::OK, room.caching, &counts))
}

/// Counts of rooms
///
/// For any names, up to 100, in the order asked. With `lang` each has a sentence to print. An empty room has zeros. A name that ends with a slash stands for
/// all rooms below it, and its users are the distinct users of all of them.
#[utoipa::path(
    get, path = "/api/v1/rooms", tag = "rooms",
    params(RoomsParams),
    responses(
        (status = 200, body = RoomsCounts, description = "The counts of the rooms"),
        (status = 403, body = ProblemAnswer, content_type = "application/problem+json",
            description = "The room is private, and the request has no API key"),
        (status = 429, body = ProblemAnswer, content_type = "application/problem+json", description = "Too many paths"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security((), ("key" = [])),
)]
pub(super) async fn rooms(
    State(state): State<Arc<HttpState>>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
    QueryParams(mut pairs): QueryParams<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let text = TextParams::take(&mut pairs)?;
    if pairs.is_empty() || pairs.len() > ROOMS_MAX || pairs.iter().any(|(key, _)| key != "room") {
        let detail = format!("Ask for 1 to {ROOMS_MAX} rooms: /api/v1/rooms?room=one&room=two.");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let readable = |(_, name): (String, String)| readable_room(&state, &headers, &info, name);
    let named = pairs.into_iter().map(readable).collect::<Result<Vec<_>, Problem>>()?;
    let mesh = MeshSnapshot::of(&state);
    let mut rooms = Vec::with_capacity(named.len());
    for room in &named {
        let counts = CountsAnswer::of(&state, &mesh, room).await?;
        rooms.push(CountsAnswer { text: text.map(|text| text.say(counts.shown())), ..counts });
    }
    let private = named.iter().any(|room| room.caching == Caching::Never);
    let caching = if private { Caching::Never } else { Caching::OneSecond };
    Ok(json(StatusCode::OK, caching, &RoomsCounts { rooms }))
}

/// The answer to a name with slashes in the path: it says which form such a name has.
pub(super) async fn room_in_path(uri: Uri) -> Problem {
    let name = uri.path().trim_start_matches("/api/v1/rooms/").replace('&', "%26").replace('+', "%2B");
    let detail = format!("A room whose name has slashes is a parameter: /api/v1/rooms?room={name}.");
    Problem::new(StatusCode::NOT_FOUND, detail)
}

async fn roll_up(state: &HttpState, path: &ReadableRoom) -> Result<Below, Problem> {
    // Who has no key is told nothing of private rooms, not even how many are in them.
    let except = (!path.with_private).then(|| Sites::private_below(&path.room)).flatten();
    let subtree = Subtree { path: path.room.as_str().to_owned(), except };
    if let Some(below) = state.roll_ups.get(&subtree, path.reader)? {
        return Ok(below);
    }
    let answer = state.query(Query::Below(subtree.clone()), path.reader).await?;
    let Found::Below(below) = answer else { unreachable!("the node answers the query that it got") };
    state.roll_ups.insert(&subtree, below.clone());
    Ok(below)
}

impl CountsAnswer {
    /// The counts of a room, or of all rooms below a path.
    pub(super) async fn of(state: &HttpState, mesh: &MeshSnapshot, room: &ReadableRoom) -> Result<Self, Problem> {
        let counts = if is_path(&room.room) {
            Self::below(mesh, state.views.here(), &room.room, &roll_up(state, room).await?)
        } else {
            Self::in_room(mesh, &state.views.room_or_empty(&room.room))
        };
        Ok(Self { room: room.asked.clone(), ..counts })
    }

    /// The state of regions is taken from the mesh, since the view of a quiet room may be old.
    fn in_room(mesh: &MeshSnapshot, view: &RoomView) -> Self {
        let counted = |code: &Region| view.regions.iter().find(|counted| counted.region == *code);
        let regions = mesh.mesh.regions.iter().map(|region| {
            let (users, tabs, unsure) =
                counted(&region.region).map_or((0, 0, 0), |counted| (counted.users, counted.tabs, counted.unsure));
            RegionCounts { tabs: Some(tabs), unsure: Some(unsure), ..RegionCounts::of(mesh, region, &view.here, users) }
        });
        Self {
            room: view.room.to_string(),
            users: view.users,
            text: None,
            looking: view.looking,
            tabs: view.tabs,
            unsure: view.unsure,
            unproven: view.unproven,
            regions: regions.collect(),
            regions_heard: mesh.regions_heard(),
            regions_known: mesh.regions_known(),
            as_of: mesh.as_of(),
        }
    }

    fn below(mesh: &MeshSnapshot, here: &Region, path: &Room, below: &Below) -> Self {
        let regions = mesh.mesh.regions.iter().map(|region| {
            let users = below.regions.iter().find(|(code, _)| *code == region.region).map_or(0, |(_, users)| *users);
            RegionCounts::of(mesh, region, here, users)
        });
        Self {
            room: path.to_string(),
            users: below.users,
            text: None,
            looking: below.looking,
            tabs: below.tabs,
            unsure: below.unsure,
            unproven: below.unproven,
            regions: regions.collect(),
            regions_heard: mesh.regions_heard(),
            regions_known: mesh.regions_known(),
            as_of: mesh.as_of(),
        }
    }

    fn shown(&self) -> SentenceCounts {
        SentenceCounts { users: self.users, looking: self.looking, tabs: self.tabs }
    }

    /// Whether anything but the time is different.
    pub(super) fn differs_from(&self, other: &Self) -> bool {
        let timeless = |counts: &Self| {
            let mut counts = counts.clone();
            counts.as_of.clear();
            counts.regions.iter_mut().for_each(|region| region.heard_ms_ago = 0);
            counts
        };
        timeless(self) != timeless(other)
    }
}

impl RegionCounts {
    fn of(mesh: &MeshSnapshot, region: &RegionView, here: &Region, users: u32) -> Self {
        Self {
            region: region.region.to_string(),
            users,
            tabs: None,
            unsure: None,
            state: region.state.into(),
            heard_ms_ago: mesh.heard_ms_ago(region, here),
        }
    }
}
