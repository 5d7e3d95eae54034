//! `/api/v1/rooms`: how many are in rooms; without it a shop could not print the number into its page.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use presence_core::{Below, Region, RegionState, RegionView, Room, RoomView};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::asked::Asked;
use super::readable::readable;
use super::rollups::RollUps;
use super::{Kept, Known, json};
use crate::problem::{Problem, ProblemAnswer};
use crate::web::Web;

/// Rooms that one request may ask for.
const ROOMS_MAX: usize = 100;

/// How many are in a room, over all regions, and how far that can be trusted.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct Counts {
    /// As asked.
    room: String,
    /// Distinct users with a page of the room open; the same browser in two regions is one.
    users: u32,
    /// Those of them who have a visible page.
    looking: u32,
    /// Open pages.
    tabs: u32,
    /// Users whom only a silent node vouches for; never part of `users`.
    unsure: u32,
    /// Those of `users` whom no pong proves to be there, since only event streams or frames are open.
    unproven: u32,
    /// The same by region: every known region, also those where nobody is.
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
    /// How long ago it was heard.
    heard_ms_ago: u64,
}

/// How a region is judged: heard; not heard for 4 s; about to leave; not heard for a minute.
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

/// Several rooms, in the order asked.
#[derive(Serialize, ToSchema)]
pub(super) struct RoomsCounts {
    rooms: Vec<Counts>,
}

/// Read as pairs, since the form of an address knows no lists.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what is read as pairs")]
struct RoomsAsked {
    /// A room's name, 1 to 1,024 bytes of UTF-8; may be repeated.
    #[param(min_items = 1, max_items = 100, value_type = Vec<RoomName>)]
    room: Vec<String>,
}

/// A room's name: 1 to 1,024 bytes of UTF-8.
#[derive(ToSchema)]
#[schema(value_type = String, min_length = 1, max_length = 1024, example = "shop.example/products/7")]
#[expect(dead_code, reason = "it describes what is read as text")]
pub(super) struct RoomName(String);

/// Counts of one room
///
/// For a name without a slash, or with each slash written as %2F. A room that nobody is in answers zeros. A name that ends
/// with a slash stands for all rooms below it: its users are the distinct ones of all of them.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}", tag = "rooms",
    params(("room" = RoomName, Path, description = "The room's name")),
    responses(
        (status = 200, body = Counts, description = "How many are in the room"),
        (status = 403, body = ProblemAnswer, content_type = "application/problem+json",
            description = "A private room, and no API key"),
        (status = 429, body = ProblemAnswer, content_type = "application/problem+json", description = "Too many paths"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security((), ("key" = [])),
)]
pub(super) async fn room(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let (room, kept) = readable(&web, &headers, &name)?;
    let counts = Counts::of(&web, &Known::of(&web), &room).await?;
    Ok(json(StatusCode::OK, kept, &counts))
}

/// Counts of rooms
///
/// For any names, up to 100, in the order asked. A room that nobody is in answers zeros. A name that ends with a slash
/// stands for all rooms below it: its users are the distinct ones of all of them.
#[utoipa::path(
    get, path = "/api/v1/rooms", tag = "rooms",
    params(RoomsAsked),
    responses(
        (status = 200, body = RoomsCounts, description = "How many are in the rooms"),
        (status = 403, body = ProblemAnswer, content_type = "application/problem+json",
            description = "A private room, and no API key"),
        (status = 429, body = ProblemAnswer, content_type = "application/problem+json", description = "Too many paths"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security((), ("key" = [])),
)]
pub(super) async fn rooms(
    State(web): State<Arc<Web>>,
    headers: HeaderMap,
    Asked(pairs): Asked<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    if pairs.is_empty() || pairs.len() > ROOMS_MAX || pairs.iter().any(|(key, _)| key != "room") {
        let detail = format!("Ask for 1 to {ROOMS_MAX} rooms: /api/v1/rooms?room=one&room=two.");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    let named = pairs.iter().map(|(_, name)| readable(&web, &headers, name)).collect::<Result<Vec<_>, Problem>>()?;
    let known = Known::of(&web);
    let mut rooms = Vec::with_capacity(named.len());
    for (room, _) in &named {
        rooms.push(Counts::of(&web, &known, room).await?);
    }
    let private = named.iter().any(|(_, kept)| *kept == Kept::ByNobody);
    let kept = if private { Kept::ByNobody } else { Kept::ByAllForASecond };
    Ok(json(StatusCode::OK, kept, &RoomsCounts { rooms }))
}

impl Counts {
    /// How many are in the room now, or in all rooms below its name.
    pub(super) async fn of(web: &Web, known: &Known, room: &Room) -> Result<Self, Problem> {
        if RollUps::is_path(room) {
            Ok(Self::below(known, web.views.here(), room, &RollUps::below(web, room).await?))
        } else {
            Ok(Self::here(known, &web.views.room_or_empty(room)))
        }
    }

    /// Counts are the room's newest; how far they can be trusted is the mesh's newest: a quiet room is drawn seldom.
    fn here(known: &Known, view: &RoomView) -> Self {
        let counted = |code: &Region| view.regions.iter().find(|counted| counted.region == *code);
        let regions = known.mesh.regions.iter().map(|region| {
            let (users, tabs, unsure) =
                counted(&region.region).map_or((0, 0, 0), |counted| (counted.users, counted.tabs, counted.unsure));
            RegionCounts {
                tabs: Some(tabs),
                unsure: Some(unsure),
                ..RegionCounts::of(known, region, &view.here, users)
            }
        });
        Self {
            room: view.room.to_string(),
            users: view.users,
            looking: view.looking,
            tabs: view.tabs,
            unsure: view.unsure,
            unproven: view.unproven,
            regions: regions.collect(),
            regions_heard: known.heard(),
            regions_known: known.mesh.regions.len(),
            as_of: known.as_of(),
        }
    }

    fn below(known: &Known, here: &Region, path: &Room, below: &Below) -> Self {
        let regions = known.mesh.regions.iter().map(|region| {
            let users = below.regions.iter().find(|(code, _)| *code == region.region).map_or(0, |(_, users)| *users);
            RegionCounts::of(known, region, here, users)
        });
        Self {
            room: path.to_string(),
            users: below.users,
            looking: below.looking,
            tabs: below.tabs,
            unsure: below.unsure,
            unproven: below.unproven,
            regions: regions.collect(),
            regions_heard: known.heard(),
            regions_known: known.mesh.regions.len(),
            as_of: known.as_of(),
        }
    }

    /// Whether a reader who knows `other` learns anything but the time.
    pub(super) fn says_more_than(&self, other: &Self) -> bool {
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
    fn of(known: &Known, region: &RegionView, here: &Region, users: u32) -> Self {
        Self {
            region: region.region.to_string(),
            users,
            tabs: None,
            unsure: None,
            state: region.state.into(),
            heard_ms_ago: known.heard_ms_ago(region, region.region == *here),
        }
    }
}
