//! Frames of this server in pages of sites: which page is around a frame, and for which page its script speaks.

use axum::http::{HeaderMap, StatusCode, header};

use super::refused_origin::may_not_embed;
use super::request_info::RequestInfo;
use super::state::HttpState;
use crate::config::Origin;
use crate::problem::Problem;
use crate::sites::SitePage;

/// What the script in a frame asks for: the addresses beside its own. They name the origin of the page around the frame.
pub(super) const FRAMED_SCRIPT: &str = "/embed/{scheme}/{host}/presence.js";
pub(super) const FRAMED_SOCKET: &str = "/embed/{scheme}/{host}/presence";
pub(super) const FRAMED_STREAM: &str = "/embed/{scheme}/{host}/presence/events";
pub(super) const FRAMED_WORDS: &str = "/embed/{scheme}/{host}/presence/words/{file}";

/// The address of the script in a frame of a page of this origin.
pub(super) fn script_address(origin: &str) -> Option<String> {
    let (scheme, host) = origin.split_once("://")?;
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.:[]_".contains(&byte));
    (plain(scheme) && plain(host)).then(|| format!("/embed/{scheme}/{host}/presence.js"))
}

/// The page that opens a socket or a stream at this path: one of the request's origin or, where a frame of this server asks,
/// the page around it.
pub(super) fn embedding_page(
    state: &HttpState,
    path: &str,
    headers: &HeaderMap,
    info: &RequestInfo,
) -> Result<SitePage, Problem> {
    let origin = text(headers, header::ORIGIN.as_str());
    let framed_by = path.strip_prefix("/embed/").and_then(|rest| rest.split_once('/'));
    let Some((scheme, rest)) = framed_by else {
        let origin =
            origin.ok_or_else(|| forbidden("This address needs an Origin header, as every browser sends it."))?;
        return state.page(origin, info).ok_or_else(|| may_not_embed(origin));
    };
    // Browsers send no origin where a page asks its own server for a stream.
    let own = origin.map_or_else(
        || is_same_origin(headers, info),
        |origin| origin.parse::<Origin>().is_ok_and(|origin| state.rules.is_own(&origin, info)),
    );
    if !own {
        return Err(forbidden("This address is for frames of this server. The pages of sites use /presence."));
    }
    let around = format!("{scheme}://{}", rest.split('/').next().unwrap_or_default());
    state.page(&around, info).ok_or_else(|| may_not_embed(&around))
}

/// The origin of the page around a frame, from headers that a page can't set; in what a frame of this server asks for itself,
/// from its address. A page that hides its origin is refused. `frame-ancestors` keeps other pages out.
pub(super) fn framing_origin(headers: &HeaderMap, info: &RequestInfo, from: Option<&str>) -> Result<String, Problem> {
    let referrer = text(headers, "referer").and_then(origin_of);
    let origin = if is_same_origin(headers, info) { from.map(str::to_owned).or(referrer) } else { referrer };
    origin.ok_or_else(|| {
        forbidden(
            "This page is for a frame and needs the origin of the page around it: write <iframe referrerpolicy=\"origin\" …>.",
        )
    })
}

/// Whether a page of this server sends a request to it.
fn is_same_origin(headers: &HeaderMap, info: &RequestInfo) -> bool {
    let referrer = text(headers, "referer").and_then(origin_of);
    let own = referrer.as_deref().is_some_and(|origin| origin.split("://").nth(1) == Some(&info.host));
    own || text(headers, "sec-fetch-site") == Some("same-origin")
}

/// `https://shop.example` of `https://shop.example/lamps?page=2`.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{host}").to_ascii_lowercase())
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn forbidden(detail: &'static str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn the_browser_says_which_page_is_around_the_frame() {
        let info = RequestInfo {
            host: "presence.example".to_owned(),
            secure: true,
            address: "192.0.2.1".parse().unwrap(),
            names_others: false,
            edge: None,
        };
        let origin = |headers: &[(&'static str, &str)], from| framing_origin(&self::headers(headers), &info, from).ok();
        let shop = Some("https://shop.example".to_owned());
        assert_eq!(origin(&[("referer", "https://Shop.example/lamps?x")], None), shop);
        assert_eq!(origin(&[("referer", "https://shop.example/")], Some("https://evil.example")), shop);
        assert_eq!(origin(&[("sec-fetch-site", "same-origin")], Some("https://shop.example")), shop);
        assert_eq!(origin(&[("referer", "https://presence.example/embed?x")], Some("https://shop.example")), shop);
        assert_eq!(
            origin(&[("referer", "https://presence.example/")], None).as_deref(),
            Some("https://presence.example")
        );
        assert_eq!(origin(&[("sec-fetch-site", "cross-site")], Some("https://shop.example")), None);
        assert_eq!(origin(&[("sec-fetch-site", "none")], Some("https://shop.example")), None);
        assert_eq!(origin(&[], Some("https://shop.example")), None);
    }

    #[test]
    fn the_script_of_a_frame_has_an_address_that_no_origin_can_break_out_of() {
        assert_eq!(script_address("http://[::1]:80").as_deref(), Some("/embed/http/[::1]:80/presence.js"));
        for hostile in ["https://a\"b", "https://a/b", "https://a b", "a", "ht<tp://a", "https://a?b", "https://a%2Fb"]
        {
            assert_eq!(script_address(hostile), None, "{hostile}");
        }
    }
}
