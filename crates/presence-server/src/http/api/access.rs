//! What needs an API key, and what each key may do: everything but reading counts of public rooms and the state of regions.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use presence_core::Room;

use super::Caching;
use crate::config::Origin;
use crate::http::api_key::{GivenKey, KeyRight, KeyRights};
use crate::http::reader::CountsReader;
use crate::http::request_info::RequestInfo;
use crate::http::room_name;
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
    /// The key does not have this right.
    RightMissing(KeyRight),
    /// The key is one site's, and this is not, or not only, that site's.
    OtherSite,
    /// The room is private, and the request has no key for it.
    PrivateRoom,
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        let (status, detail) = match error {
            AccessError::NoKeyOnNode => (
                StatusCode::FORBIDDEN,
                "This needs an API key, and this node has none. Start it with GP_API_KEY in its environment, or with --api-keys-file.",
            ),
            AccessError::KeyMissing => (
                StatusCode::UNAUTHORIZED,
                "This needs an API key. Send \"Authorization: Bearer\" and a key of this node.",
            ),
            AccessError::KeyWrong => (
                StatusCode::UNAUTHORIZED,
                "This is no API key of this node. Send \"Authorization: Bearer\" and one that is, or no Authorization.",
            ),
            AccessError::RightMissing(right) => {
                let detail = format!("This API key may not do this. It takes one with the right {:?}.", right.as_str());
                return Self::new(StatusCode::FORBIDDEN, detail);
            }
            AccessError::OtherSite => (
                StatusCode::FORBIDDEN,
                "This API key is for one site: ask for its rooms and streams, or use a key for all sites.",
            ),
            AccessError::PrivateRoom => (
                StatusCode::FORBIDDEN,
                "This room is private: only pages with a token of its site, and requests with an API key for it, see its counts.",
            ),
        };
        Self::new(status, detail)
    }
}

/// A request that has a key. Which right it takes, and where, each handler says.
pub(super) struct Authorized {
    rights: Arc<KeyRights>,
    address: IpAddr,
    pub(super) reader: CountsReader,
}

impl Authorized {
    fn new(rights: Arc<KeyRights>, info: &RequestInfo) -> Self {
        let reader = if rights.is_for(None) { CountsReader::Operator } else { CountsReader::Anybody(info.address) };
        Self { rights, address: info.address, reader }
    }

    /// What the key is called in the log.
    pub(super) fn key_name(&self) -> &str {
        self.rights.name()
    }

    /// The address that the key came from.
    pub(super) fn address(&self) -> IpAddr {
        self.address
    }

    /// Checks the right to do something in a room or stream of this name, or with all rooms below a path.
    pub(super) fn check(&self, right: KeyRight, state: &HttpState, name: &str) -> Result<(), AccessError> {
        if !self.rights.allows(right) {
            return Err(AccessError::RightMissing(right));
        }
        self.check_site(state.embed.sites.origin_of(name).as_ref())
    }

    /// Checks the right to do something that belongs to no site.
    pub(super) fn check_everywhere(&self, right: KeyRight) -> Result<(), AccessError> {
        if !self.rights.allows(right) {
            return Err(AccessError::RightMissing(right));
        }
        self.check_site(None)
    }

    fn check_site(&self, origin: Option<&Origin>) -> Result<(), AccessError> {
        if self.rights.is_for(origin) { Ok(()) } else { Err(AccessError::OtherSite) }
    }
}

impl FromRequestParts<Arc<HttpState>> for Authorized {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<HttpState>) -> Result<Self, Problem> {
        if !state.has_api_key() {
            return Err(AccessError::NoKeyOnNode.into());
        }
        match state.key_of(&parts.headers) {
            GivenKey::Known(rights) => {
                let info = parts.extensions.get::<RequestInfo>().expect("the router resolves every request first");
                Ok(Self::new(rights, info))
            }
            GivenKey::None | GivenKey::Wrong => Err(AccessError::KeyMissing.into()),
        }
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

/// Whether a request may read what belongs to no site.
pub(super) fn may_read_all(headers: &HeaderMap, state: &HttpState) -> bool {
    state.key_of(headers).allows_everywhere(KeyRight::Read)
}

/// Who reads all of this room or path, with private rooms; `None`: the request has no key for it.
fn keyed_reader(headers: &HeaderMap, state: &HttpState, info: &RequestInfo, room: &Room) -> Option<CountsReader> {
    let GivenKey::Known(rights) = state.key_of(headers) else { return None };
    let authorized = Authorized::new(rights, info);
    authorized.check(KeyRight::Read, state, room.as_str()).ok().map(|()| authorized.reader)
}

/// A room, or all rooms below a path, that a request may read.
pub(super) struct ReadableRoom {
    pub(super) room: Room,
    /// The name as it was asked for: the room's has the normal form.
    pub(super) asked: String,
    pub(super) reader: CountsReader,
    /// Private rooms are among those below a path.
    pub(super) with_private: bool,
    pub(super) caching: Caching,
}

/// The room of this name. Private rooms need the key.
pub(super) fn readable_room(
    state: &HttpState,
    headers: &HeaderMap,
    info: &RequestInfo,
    name: String,
) -> Result<ReadableRoom, Problem> {
    let room = room_name::complete(state, &name)?;
    let keyed = keyed_reader(headers, state, info, &room);
    let (with_private, reader) = (keyed.is_some(), keyed.unwrap_or(CountsReader::Anybody(info.address)));
    let private = Sites::is_private(&room);
    if private && !with_private {
        return Err(AccessError::PrivateRoom.into());
    }
    let for_all = !(private || is_path(&room) && with_private);
    let caching = if for_all { Caching::OneSecond } else { Caching::Never };
    Ok(ReadableRoom { room, asked: name, reader, with_private, caching })
}

/// Whether a name stands for all rooms below it.
pub(super) fn is_path(room: &Room) -> bool {
    room.as_str().ends_with('/')
}
