//! What needs the node's `GP_API_KEY`: everything but reading counts of public rooms and the state of regions.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use presence_core::Room;

use super::{Caching, room_named};
use crate::http::api_key::GivenKey;
use crate::http::reader::CountsReader;
use crate::http::request_info::RequestInfo;
use crate::http::state::HttpState;
use crate::problem::Problem;
use crate::sites::Sites;

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
        if !state.has_api_key() {
            return Err(AccessError::NoKeyOnNode.into());
        }
        if has_key(&parts.headers, state) { Ok(Self) } else { Err(AccessError::KeyMissing.into()) }
    }
}

/// Refuses requests with a wrong key, even where none is needed: their sender believes to have it.
pub(super) async fn refuse_wrong_keys(State(state): State<Arc<HttpState>>, request: Request, next: Next) -> Response {
    if state.key_of(request.headers()) == GivenKey::Wrong {
        let info = request.extensions().get::<RequestInfo>().expect("the router resolves every request first");
        // Whoever guesses does so slowly.
        tokio::time::sleep(state.wrong_keys.told(info.address)).await;
        return Problem::from(AccessError::KeyWrong).into_response();
    }
    next.run(request).await
}

/// Whether a request has the key.
pub(super) fn has_key(headers: &HeaderMap, state: &HttpState) -> bool {
    state.key_of(headers) == GivenKey::Right
}

/// A room, or all rooms below a path, that a request may read.
pub(super) struct ReadableRoom {
    pub(super) room: Room,
    /// The name as it was asked for: the room's has the normal form.
    pub(super) asked: String,
    pub(super) reader: CountsReader,
    pub(super) caching: Caching,
}

/// The room of this name. Private rooms need the key.
pub(super) fn readable_room(
    state: &HttpState,
    headers: &HeaderMap,
    info: &RequestInfo,
    name: String,
) -> Result<ReadableRoom, Problem> {
    let room = room_named(state, &name)?;
    let reader = if has_key(headers, state) { CountsReader::Key } else { CountsReader::Anybody(info.address) };
    let private = Sites::is_private(&room);
    if private && reader != CountsReader::Key {
        return Err(AccessError::PrivateRoom.into());
    }
    // With the key, private rooms are among those below a path.
    let keyed = private || (is_path(&room) && reader == CountsReader::Key);
    let caching = if keyed { Caching::Never } else { Caching::OneSecond };
    Ok(ReadableRoom { room, asked: name, reader, caching })
}

/// Whether a name stands for all rooms below it.
pub(super) fn is_path(room: &Room) -> bool {
    room.as_str().ends_with('/')
}
