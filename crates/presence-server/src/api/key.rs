//! Who may do more than look: whoever knows the node's `GP_API_KEY`.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};

use crate::identity::sha256;
use crate::problem::Problem;
use crate::web::Web;

/// A request that holds the key. Without one on the node: 403, without the right one on the request: 401.
pub(super) struct Keyed;

impl FromRequestParts<Arc<Web>> for Keyed {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, web: &Arc<Web>) -> Result<Self, Problem> {
        if web.api_key.is_none() {
            let detail =
                "This node answers this to nobody, since it has no key. Start it with GP_API_KEY in its environment.";
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        if holds_key(&parts.headers, web)? {
            Ok(Self)
        } else {
            Err(wrong("This needs the API key. Send \"Authorization: Bearer\" and the node's GP_API_KEY."))
        }
    }
}

/// Whether a request holds the key; 401 where it holds a wrong one.
pub(super) fn holds_key(headers: &HeaderMap, web: &Web) -> Result<bool, Problem> {
    match headers.get(header::AUTHORIZATION) {
        None => Ok(false),
        Some(given) if is_key(given.as_bytes(), web.api_key.as_deref()) => Ok(true),
        Some(_) => Err(wrong(
            "This is not the API key. Send \"Authorization: Bearer\" and the node's GP_API_KEY, or no Authorization.",
        )),
    }
}

fn wrong(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}

/// Hashes are compared, so that the time it takes tells nothing of the key.
fn is_key(given: &[u8], key: Option<&str>) -> bool {
    let given = given.strip_prefix(b"Bearer ").unwrap_or_default();
    key.is_some_and(|key| sha256(key.as_bytes()) == sha256(given))
}
