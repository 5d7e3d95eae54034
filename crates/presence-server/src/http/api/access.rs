//! What needs the node's `GP_API_KEY`: everything but reading counts of public rooms and the state of regions.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use presence_core::Room;

use super::{Caching, room_named};
use crate::http::state::HttpState;
use crate::identity::sha256;
use crate::problem::Problem;

/// Why a request may not do what it asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AccessError {
    /// The node has no key.
    NoKeyOnNode,
    /// The request has no key.
    KeyMissing,
    /// The request has another key.
    KeyWrong,
    /// The room is private, and the request has no key.
    PrivateRoom,
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        let (status, detail) = match error {
            AccessError::NoKeyOnNode => (
                StatusCode::FORBIDDEN,
                "This needs an API key, and this node has none. Start it with GP_API_KEY in its environment.",
            ),
            AccessError::KeyMissing => (
                StatusCode::UNAUTHORIZED,
                "This needs the API key. Send \"Authorization: Bearer\" and the node's GP_API_KEY.",
            ),
            AccessError::KeyWrong => (
                StatusCode::UNAUTHORIZED,
                "This is not the API key. Send \"Authorization: Bearer\" and the node's GP_API_KEY, or no Authorization.",
            ),
            AccessError::PrivateRoom => (
                StatusCode::FORBIDDEN,
                "This room is private: only pages with a token of its site, and requests with the API key, see its counts.",
            ),
        };
        Self::new(status, detail)
    }
}

/// A request that has the key.
pub(super) struct Authorized;

impl FromRequestParts<Arc<HttpState>> for Authorized {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<HttpState>) -> Result<Self, Problem> {
        if state.api_key.is_none() {
            return Err(AccessError::NoKeyOnNode.into());
        }
        if has_key(&parts.headers, state)? { Ok(Self) } else { Err(AccessError::KeyMissing.into()) }
    }
}

/// Whether a request has the key. Fails if it has a wrong one.
pub(super) fn has_key(headers: &HeaderMap, state: &HttpState) -> Result<bool, AccessError> {
    match headers.get(header::AUTHORIZATION) {
        None => Ok(false),
        Some(given) if is_key(given.as_bytes(), state.api_key.as_deref()) => Ok(true),
        Some(_) => Err(AccessError::KeyWrong),
    }
}

/// Compares hashes, so that the time it takes tells nothing about the key.
fn is_key(given: &[u8], key: Option<&str>) -> bool {
    let given = given.strip_prefix(b"Bearer ").unwrap_or_default();
    key.is_some_and(|key| sha256(key.as_bytes()) == sha256(given))
}

/// The room of this name and how its counts may be cached. Private rooms need the key.
pub(super) fn readable_room(state: &HttpState, headers: &HeaderMap, name: &str) -> Result<(Room, Caching), Problem> {
    let room = room_named(name)?;
    // A wrong key is refused even where none is needed.
    let has_key = has_key(headers, state)?;
    if !state.embed.sites.guards(&room) {
        return Ok((room, Caching::OneSecond));
    }
    if has_key { Ok((room, Caching::Never)) } else { Err(AccessError::PrivateRoom.into()) }
}
