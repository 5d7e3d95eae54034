//! Whose numbers everybody may read: all rooms' but the private ones of a site, which the holder of the key reads alone.

use axum::http::{HeaderMap, StatusCode};
use presence_core::Room;

use super::key::holds_key;
use super::{Kept, room_named};
use crate::problem::Problem;
use crate::web::Web;

/// The room of this name, and who may keep what is told of it.
///
/// # Errors
///
/// 403 where it is private and the request does not hold the key.
pub(super) fn readable(web: &Web, headers: &HeaderMap, name: &str) -> Result<(Room, Kept), Problem> {
    let room = room_named(name)?;
    // A wrong key is refused whatever is asked for.
    let keyed = holds_key(headers, web)?;
    if !web.embed.sites.guards(&room) {
        return Ok((room, Kept::ByAllForASecond));
    }
    if keyed {
        return Ok((room, Kept::ByNobody));
    }
    let detail =
        "This room is private: its numbers are told to the pages that its site lets in, and to who holds the API key.";
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}
