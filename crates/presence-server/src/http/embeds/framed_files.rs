//! The script of a frame and its words, at addresses that say which page is around the frame.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::http::files;
use crate::http::state::HttpState;
use crate::problem::Problem;

/// `GET /embed/SCHEME/HOST/presence.js`
pub(crate) async fn script(State(state): State<Arc<HttpState>>, headers: HeaderMap) -> Response {
    files::answer(&state.files["/presence.js"], &headers)
}

/// `GET /embed/SCHEME/HOST/presence/words/LANGUAGE.json`
pub(crate) async fn words(
    State(state): State<Arc<HttpState>>,
    Path((_scheme, _host, file)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    match state.files.get(&format!("/presence/words/{file}")) {
        Some(words) => files::answer(words, &headers),
        None => Problem::new(StatusCode::NOT_FOUND, "The element has no words in this language.").into_response(),
    }
}
