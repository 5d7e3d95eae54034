//! What is answered where a page is not shown: to people a page, to programs a sentence in JSON.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use presence_core::PageError;

use super::files::ERROR_STYLE;
use super::page_request::SentRequest;
use super::request_info::RequestInfo;
use super::state::HttpState;
use crate::contained_app::AppFailed;
use crate::problem::Problem;

/// When a page that too many wait for may be asked for again.
const OVERLOADED_FOR_S: u32 = 5;

impl From<AppFailed> for PageError {
    fn from(failed: AppFailed) -> Self {
        match failed {
            AppFailed::Panicked => Self::Failed,
            AppFailed::Overloaded => Self::Overloaded,
        }
    }
}

/// The answer to a request that is not shown a page for this reason.
pub(super) fn answer(state: &HttpState, error: PageError, sent: &SentRequest<'_>, info: &RequestInfo) -> Response {
    let asked = sent.asked(&state.room, None);
    let reads_pages = asked.header("accept").is_some_and(|accepted| accepted.contains("text/html"));
    let (status, problem) = problem(error);
    if !reads_pages {
        return problem.into_response();
    }
    let html = state.app.error_page(error, &asked).unwrap_or_else(|| own_page(error));
    let retry_after = problem.into_response().headers_mut().remove(header::RETRY_AFTER);
    let mut response = Response::new(Body::from(html));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, state.policy(info));
    headers.extend(retry_after.map(|seconds| (header::RETRY_AFTER, seconds)));
    response
}

fn problem(error: PageError) -> (StatusCode, Problem) {
    let (status, detail) = match error {
        PageError::NotFound => (StatusCode::NOT_FOUND, "There is nothing at this address."),
        PageError::Forbidden => (StatusCode::FORBIDDEN, "You may not see this page."),
        PageError::Failed => {
            (StatusCode::INTERNAL_SERVER_ERROR, "This page could not be drawn. The node's log says why.")
        }
        PageError::Overloaded => {
            let detail = "This page takes too long to draw. Try again later; the node's log says why.";
            (StatusCode::SERVICE_UNAVAILABLE, detail)
        }
    };
    let problem = Problem::new(status, detail);
    (status, if error == PageError::Overloaded { problem.retry_after(OVERLOADED_FOR_S) } else { problem })
}

/// The page of an app that has none of its own.
fn own_page(error: PageError) -> String {
    let (title, sentence) = match error {
        PageError::NotFound => {
            ("Nothing is here", "This address leads nowhere. Perhaps the page has moved, or a letter is wrong.")
        }
        PageError::Forbidden => {
            ("This page is not for everyone", "You may see it once you have signed in, or with another account.")
        }
        PageError::Failed => {
            ("Something broke", "This page could not be drawn. It is our mistake, not yours, and it is noted.")
        }
        PageError::Overloaded => {
            ("Too busy right now", "This page takes longer than it should. Try again in a few seconds.")
        }
    };
    let style = &ERROR_STYLE.path;
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{style}">
</head>
<body>
<main>
<h1>{title}</h1>
<p>{sentence}</p>
<p><a href="/">Go to the first page</a></p>
</main>
</body>
</html>
"#
    )
}
