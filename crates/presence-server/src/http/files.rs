//! Static files: those that the app's pages refer to, and the scripts and words for the pages of sites.

use std::collections::HashMap;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use data_encoding::HEXLOWER;

use crate::identity::sha256;
use crate::{Asset, client};

/// The style of the library's own error pages.
pub(super) static ERROR_STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new(
        "error.css",
        b":root { color-scheme: light dark; font: 1.125rem/1.6 system-ui, sans-serif }\n\
          body { margin: 0; min-height: 100vh; display: grid; place-content: center; justify-items: center }\n\
          main { max-width: 34rem; padding: 2rem }\n\
          h1 { font-size: 1.75rem; line-height: 1.25; margin: 0 0 .75rem }\n\
          p { margin: 0 0 1.5rem }\n",
    )
});

/// The library's files and the app's own, by path.
pub(super) fn by_path(own: Vec<Asset>) -> HashMap<String, Asset> {
    let library = client::FILES.into_iter().chain([client::PRESENCE, ERROR_STYLE.clone()]).chain(client::SHARING);
    let all = library.chain(own);
    all.map(|asset| (asset.path.to_string(), asset)).collect()
}

/// Answers with a file, in a form that these request headers accept.
pub(super) fn answer(asset: &Asset, request: &HeaderMap) -> Response {
    let (encoding, body) = encoded(asset, request);
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    // Of an answer without a body, too: a cache keeps one for each form.
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    if asset.path.starts_with("/assets/") {
        headers.extend(fixed(&[(header::CACHE_CONTROL, "public, max-age=31536000, immutable")]));
    } else {
        headers.extend(fixed(&[
            (header::CACHE_CONTROL, "public, max-age=300"),
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
            (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        ]));
        let tag = tag(&body);
        let cached = request.get_all(header::IF_NONE_MATCH).iter().any(|cached| lists(cached, &tag));
        headers.insert(header::ETAG, HeaderValue::try_from(tag).expect("a hash in quotes is visible ASCII"));
        if cached {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
    }
    let content_type = HeaderValue::from_str(&asset.content_type).expect("a content type is visible ASCII");
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.extend(encoding.map(|name| (header::CONTENT_ENCODING, HeaderValue::from_static(name))));
    *response.body_mut() = Body::from(body);
    response
}

fn fixed(headers: &[(HeaderName, &'static str)]) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)))
}

/// A tag for each content and each compressed form.
fn tag(body: &[u8]) -> String {
    format!("\"{}\"", HEXLOWER.encode(&sha256(body)[..8]))
}

fn lists(tags: &HeaderValue, tag: &str) -> bool {
    let tags = tags.to_str().unwrap_or_default();
    tags.split(',').map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag || one == "*")
}

/// The smallest form of a file that the browser accepts.
fn encoded(asset: &Asset, headers: &HeaderMap) -> (Option<&'static str>, Bytes) {
    let forms = [("br", &asset.brotli), ("gzip", &asset.gzip)];
    let found = forms.into_iter().find_map(|(name, body)| {
        let body = body.clone().filter(|_| accepts(headers, name))?;
        Some((Some(name), body))
    });
    found.unwrap_or_else(|| (None, asset.body.clone()))
}

/// Whether a request accepts this content encoding.
pub(super) fn accepts(headers: &HeaderMap, name: &str) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|one| match one.split_once(';') {
        Some((coding, weight)) => {
            coding.trim() == name && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
        }
        None => one.trim() == name,
    })
}
