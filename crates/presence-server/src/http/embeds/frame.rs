//! `/embed`: a page for frames whose numbers stay current without a script.

mod html;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use presence_core::RoomView;

use super::streamed::{ChunkFormat, StreamedVisitor, Visibility};
use super::theme::Theme;
use super::{QueryPairs, valid};
use crate::http::cors::{CROSS_ORIGIN_EMBEDDER_POLICY, CROSS_ORIGIN_RESOURCE_POLICY};
use crate::http::listen::HttpPeer;
use crate::http::open_answer::EndReason;
use crate::http::refused_origin::may_not_embed;
use crate::http::request_info::RequestInfo;
use crate::http::state::HttpState;
use crate::i18n::{Locale, Sentence, Show};
use crate::identity::EmbedId;
use crate::problem::Problem;
use crate::sites::EmbedSite;

/// A page that can't be answered now is requested again after this many seconds.
const RETRY_S: &str = "15";

/// `GET /embed?room=…`, also `show`, `lang`, `theme` and `token`.
pub(crate) async fn embed(
    State(state): State<Arc<HttpState>>,
    Extension(peer): Extension<HttpPeer>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
    query: QueryPairs,
) -> Response {
    let problem = match open(&state, &peer, &info, &headers, query) {
        Ok(response) => return response,
        Err(problem) => problem,
    };
    let retry = matches!(problem.status(), 429 | 503);
    let mut response = problem.into_response();
    response.headers_mut().extend(embeddable());
    if retry {
        // A frame has no script that could retry.
        response.headers_mut().insert(header::REFRESH, HeaderValue::from_static(RETRY_S));
    }
    response
}

/// The query parameters.
#[derive(Default)]
struct FrameParams {
    room: String,
    token: Option<String>,
    show: Show,
    lang: Option<String>,
    theme: Theme,
    /// The origin of the framing page, as the frame's own refresh repeats it.
    from: Option<String>,
}

impl FrameParams {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut params = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "room" => params.room = value,
                "token" => params.token = Some(value),
                "show" => params.show = Show::parse(&value),
                "lang" => params.lang = Some(value),
                "theme" => params.theme = Theme::parse(&value),
                "from" => params.from = Some(value),
                _ => {
                    let detail = format!("The parameters are room=, show=, lang=, theme= and token=, not {name:?}.");
                    return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
                }
            }
        }
        Ok(params)
    }
}

fn open(
    state: &Arc<HttpState>,
    peer: &HttpPeer,
    info: &RequestInfo,
    headers: &HeaderMap,
    query: QueryPairs,
) -> Result<Response, Problem> {
    let params = FrameParams::read(valid(query)?)?;
    let origin = framing_origin(headers, info, params.from.as_deref())?;
    let page = state.page(&origin, info).ok_or_else(|| may_not_embed(&origin))?;
    let now_s = state.views.now_ms() / 1_000;
    let admission = state.embed.sites.admit(&page, &params.room, params.token.as_deref(), now_s)?;
    let known = state.embed_cookie(headers, info);
    let id = known.unwrap_or_else(EmbedId::random);
    let mut visitor = StreamedVisitor::new(state, peer, info, id.user(page.site.name()), Visibility::Visible)?;
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let locale = Locale::of(params.lang.as_deref().or(accepted).unwrap_or_default());
    let address = own_address(&params, &origin, locale);
    let opening = html::head(&address, params.theme, locale);
    let format = FrameChunks { show: params.show, locale, address };
    // A visitor who is not counted is shown the counts nevertheless.
    visitor.join(&page.site, admission)?;
    Ok(answer(visitor.body(opening, format), &page.site, &state.embed.ids.write_cookie(&id, info.secure)))
}

fn answer(body: Body, site: &EmbedSite, cookie: &str) -> Response {
    let mut response = Response::new(body);
    // HTTP/1.0 has no chunked encoding. If the node disappears, the browser takes the page for complete and follows its
    // refresh; with chunks it would take it for broken and do nothing.
    *response.version_mut() = Version::HTTP_10;
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let headers = response.headers_mut();
    headers.extend(embeddable());
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors {}",
        *html::STYLE_HASH,
        site.name()
    );
    let written = [(header::CONTENT_SECURITY_POLICY, policy.as_str()), (header::SET_COOKIE, cookie)];
    headers.extend(written.map(|(name, value)| (name, HeaderValue::try_from(value).expect("both are visible ASCII"))));
    response
}

/// What browsers ask of a frame in a page that isolates itself (`Cross-Origin-Embedder-Policy`). Other pages don't mind.
fn embeddable() -> [(HeaderName, HeaderValue); 2] {
    [(CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"), (CROSS_ORIGIN_EMBEDDER_POLICY, "require-corp")]
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
}

/// The origin of the page around the frame, from headers that a page can't set. A page that hides its origin is refused.
/// `frame-ancestors` keeps other pages out.
fn framing_origin(headers: &HeaderMap, info: &RequestInfo, from: Option<&str>) -> Result<String, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let referrer = text("referer").and_then(origin_of);
    let own = referrer.as_deref().is_some_and(|origin| origin.split("://").nth(1) == Some(&info.host));
    let refreshed = own || text("sec-fetch-site") == Some("same-origin");
    let origin = if refreshed { from.map(str::to_owned).or(referrer) } else { referrer };
    origin.ok_or_else(|| {
        let detail =
            "This page is for a frame and needs the origin of the page around it: write <iframe referrerpolicy=\"origin\" …>.";
        Problem::new(StatusCode::FORBIDDEN, detail)
    })
}

/// `https://shop.example` of `https://shop.example/lamps?page=2`.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{host}").to_ascii_lowercase())
}

/// The address of the same frame, for its refresh.
fn own_address(params: &FrameParams, origin: &str, locale: Locale) -> String {
    let mut address = format!("/embed?room={}&amp;from={}", encoded(&params.room), encoded(origin));
    let show = [(Show::Users, "users"), (Show::Others, "others"), (Show::Tabs, "tabs"), (Show::Regions, "regions")];
    let show = show.iter().find(|(show, _)| *show == params.show).map(|(_, name)| *name);
    let theme = (params.theme != Theme::Either).then(|| params.theme.color_scheme());
    let rest = [("show", show), ("theme", theme), ("lang", Some(locale.code())), ("token", params.token.as_deref())];
    for (name, value) in rest {
        if let Some(value) = value {
            write!(address, "&amp;{name}={}", encoded(value)).expect("writing to a string can't fail");
        }
    }
    address
}

/// Percent-encodes a value. What remains has no special meaning in an HTML attribute either.
fn encoded(text: &str) -> String {
    let mut safe = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            safe.push(char::from(byte));
        } else {
            write!(safe, "%{byte:02X}").expect("writing to a string can't fail");
        }
    }
    safe
}

/// One line for each change of the counts; the style shows the last line.
struct FrameChunks {
    show: Show,
    locale: Locale,
    address: String,
}

impl ChunkFormat for FrameChunks {
    /// The page grows by a line with every change, so it is loaded again after this long.
    const MAX_AGE: Duration = Duration::from_secs(600);

    fn keepalive(&self) -> String {
        "<!-- -->\n".to_owned()
    }

    fn counts(&self, _index: usize, view: &RoomView) -> String {
        let stale = if view.regions_heard() < view.regions.len() { " class=\"stale\"" } else { "" };
        let mut html = format!("<p{stale}><i></i>");
        if self.show == Show::Regions {
            for (index, region) in view.regions.iter().filter(|region| region.users > 0).enumerate() {
                let dot = if index == 0 { "" } else { " · " };
                write!(html, "{dot}{} <b>{}</b>", region.region, self.locale.number(region.users))
                    .expect("writing to a string can't fail");
            }
        } else {
            let Sentence { before, number, after } = self.locale.sentence(self.show, self.show.of(view));
            write!(html, "{before}<b>{number}</b>{after}").expect("writing to a string can't fail");
        }
        html + "</p>\n"
    }

    fn last_chunk(&self, reason: EndReason) -> Option<String> {
        match reason {
            EndReason::MaxAge => Some(html::refresh(0, &self.address)),
            // A refresh now would show this node's refusal.
            EndReason::Draining => None,
        }
    }

    fn dismissed(&self, _index: usize) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
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
    fn no_parameter_becomes_markup() {
        let hostile = "\"><script>alert(1)</script>&'\u{e4}";
        let pairs = ["room", "token", "show", "lang", "theme"].map(|name| (name.to_owned(), hostile.to_owned()));
        let params = FrameParams::read(pairs.to_vec()).unwrap();
        let locale = Locale::of(hostile);
        let html = html::head(&own_address(&params, "https://shop.example", locale), params.theme, locale);
        assert!(!html.contains("script") || html.contains("%3Cscript%3E"), "{html}");
        assert!(!html.contains("<script") && !html.contains("alert(") && html.is_ascii(), "{html}");
        assert_eq!(html.matches('<').count(), html.matches('>').count());
    }
}
