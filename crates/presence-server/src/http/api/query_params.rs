//! The query parameters of an address, as a typed extractor.

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The parameters of an address. Unknown, repeated and wrong ones answer 400 with a sentence.
pub(super) struct QueryParams<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(params)) => Ok(Self(params)),
            Err(wrong) => {
                let reason = std::error::Error::source(&wrong).map_or_else(|| wrong.to_string(), ToString::to_string);
                let detail = format!("The query parameters are invalid: {reason}. /api/openapi.json describes them.");
                Err(Problem::new(StatusCode::BAD_REQUEST, detail))
            }
        }
    }
}
