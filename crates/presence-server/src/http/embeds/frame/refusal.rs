//! What a frame shows where its own page may not be shown: the reason, as a page of its own. Otherwise it would be the browser's
//! page about an error, which says nothing.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http::markup::escaped;
use crate::identity::sha256;
use crate::problem::Problem;

/// Two lines fit into a frame that is made for one line of the element.
const STYLE: &str = "html{font:.75rem/1.25 system-ui,sans-serif}body,p{margin:0}";

/// Without `frame-ancestors`: any page may show it, since it holds the sentence alone. It has no script, link or form, sets no
/// cookie, and is the same for every visitor.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let hash = STANDARD.encode(sha256(STYLE.as_bytes()));
    let policy = format!("default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action 'none'");
    HeaderValue::try_from(policy).expect("a hash is visible ASCII")
});

/// A page with the sentence for browsers, which name HTML among what they accept; JSON for programs.
pub(super) fn answer(problem: Problem, headers: &HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if !accepted.is_some_and(|accepted| accepted.contains("text/html")) {
        return problem.into_response();
    }
    let page = page(problem.status(), problem.detail());
    let mut response = problem.into_response();
    *response.body_mut() = page.into();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    response
}

fn page(status: u16, sentence: &str) -> String {
    let sentence = escaped(sentence);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{status}</title>\n<style>{STYLE}</style>\n<body>\n\
         <p title=\"{sentence}\">{sentence}</p>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sentence_becomes_markup() {
        let page = page(403, "\"><script>alert(1)</script>&'");
        assert!(!page.contains("<script") && page.contains("title=\"&quot;&gt;&lt;script&gt;"), "{page}");
    }
}
