//! The names of rooms in addresses of the API and of images. Nothing says which site's page asks there, so a name is complete:
//! it begins with the site's host.

use axum::http::StatusCode;
use presence_core::Room;

use super::state::HttpState;
use crate::problem::Problem;

/// The room of a complete name. A path of a page, or a whole address, is refused: it would be another, empty room.
pub(super) fn complete(state: &HttpState, name: &str) -> Result<Room, Problem> {
    let invalid = |detail: String| Problem::new(StatusCode::BAD_REQUEST, detail);
    if name.starts_with('/') || name.contains("://") {
        let detail = "Begin the room's name with the host of its site, without a scheme: shop.example/lamps.";
        return Err(invalid(detail.to_owned()));
    }
    let named = state.embed.sites.named(name);
    named.ok_or_else(|| invalid(format!("Name a room of 1 to {} bytes of UTF-8.", Room::NAME_BYTES_MAX)))
}
