//! What the pages of sites show without a socket: an image, a frame, an event stream.

pub(super) mod badge;
pub(super) mod event_stream;
pub(super) mod frame;
pub(super) mod framed_files;
mod streamed;
mod theme;

use std::time::Duration;

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;

use crate::problem::Problem;

/// The first counts wait this long for the visitor to be among them.
const COUNTED_WITHIN: Duration = Duration::from_millis(200);

/// The query of an address, which may be invalid.
type QueryPairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

fn valid(query: QueryPairs) -> Result<Vec<(String, String)>, Problem> {
    let Query(pairs) =
        query.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "The query is not valid percent-encoded text."))?;
    Ok(pairs)
}
