//! What routes of the app's own read of rooms.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use presence_core::{Room, RoomView};

use crate::views::Views;

/// What rooms look like now, for a route of an app's own: a picture, a feed. It is an extractor of axum.
///
/// ```
/// use axum::Router;
/// use axum::routing::get;
/// use presence_server::{Room, RoomViews, Site};
///
/// async fn sentence(rooms: RoomViews) -> String {
///     let view = rooms.view(&Room::new("lamp").expect("a name"));
///     format!("{} people see the lamp.", view.users)
/// }
///
/// let site = Site { router: Router::new().route("/sentence.txt", get(sentence)), ..Site::new("lamp") };
/// ```
#[derive(Clone)]
pub struct RoomViews(Arc<Views>);

impl RoomViews {
    pub(super) fn of(views: &Arc<Views>) -> Self {
        Self(Arc::clone(views))
    }

    /// The newest view of a room; an empty one with all known regions if nothing is known of the room. Its
    /// `related` is filled only while a browser has a page of the room open on this node.
    pub fn view(&self, room: &Room) -> Arc<RoomView> {
        self.0.room_or_empty(room)
    }
}

impl std::fmt::Debug for RoomViews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoomViews").finish_non_exhaustive()
    }
}

impl<S: Sync> FromRequestParts<S> for RoomViews {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        parts.extensions.get::<Self>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}
