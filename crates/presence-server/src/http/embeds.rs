//! What the pages of sites show without a socket: an image, a frame, an event stream.

pub(super) mod badge;
pub(super) mod event_stream;
pub(super) mod frame;
mod streamed;
mod theme;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;

/// The query of an address, which may be invalid.
type QueryPairs = Result<Query<Vec<(String, String)>>, QueryRejection>;
