//! What stands behind the `?` of an address, read as a type says; without it every address would be picked apart anew.

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use presence_core::Found;
use serde::de::DeserializeOwned;

use crate::problem::Problem;
use crate::web::Web;

/// The parameters of an address. Unknown ones, doubled ones and wrong values answer 400 with a sentence.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(wrong) => {
                let reason = std::error::Error::source(&wrong).map_or_else(|| wrong.to_string(), ToString::to_string);
                let detail =
                    format!("The address can't be read: {reason}. /api/openapi.json describes its parameters.");
                Err(Problem::new(StatusCode::BAD_REQUEST, detail))
            }
        }
    }
}

/// What the node finds; 503 where it has too much to do.
pub(super) async fn found(web: &Web, query: presence_core::Query) -> Result<Found, Problem> {
    web.queries.ask(query).await.ok_or_else(|| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "This node has more to do than it can. Try again in a second.")
    })
}
