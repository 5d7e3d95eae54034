//! `/embed`: a page for frames. It ends at once, since an open one would hold back the page around it. Where scripts run, the
//! element goes on from there; where none do, a page in it is printed again every few seconds.

mod html;
mod refusal;

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use presence_core::{Room, RoomView};
use tokio::time::{Instant, timeout};

use super::streamed::{StreamedVisitor, Visibility};
use super::theme::Theme;
use super::{COUNTED_WITHIN, QueryPairs, valid};
use crate::http::cors::{CROSS_ORIGIN_EMBEDDER_POLICY, CROSS_ORIGIN_RESOURCE_POLICY};
use crate::http::framing::{framing_origin, script_address};
use crate::http::markup::escaped;
use crate::http::printed_tabs::{PrintedTab, TabAdmission};
use crate::http::refused_origin::may_not_embed;
use crate::http::request_info::RequestInfo;
use crate::http::state::HttpState;
use crate::i18n::{Locale, Sentence, Show};
use crate::identity::EmbedId;
use crate::problem::Problem;
use crate::secret::random;
use crate::sites::{Admission, SitePage};

/// A page that can't be answered now is requested again after this many seconds.
const RETRY_S: &str = "15";

/// `GET /embed?room=…`, also `show`, `lang`, `theme` and `token`.
pub(crate) async fn embed(
    State(state): State<Arc<HttpState>>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
    query: QueryPairs,
) -> Response {
    let page = FrameRequest::read(&state, &info, &headers, query).and_then(|request| request.page());
    page.unwrap_or_else(|problem| refused(problem, &headers))
}

/// `GET /embed/printed`, with the address that the page above gives to browsers that run no scripts.
pub(crate) async fn printed(
    State(state): State<Arc<HttpState>>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
    query: QueryPairs,
) -> Response {
    match FrameRequest::read(&state, &info, &headers, query) {
        Ok(request) => request.print().await.unwrap_or_else(|problem| refused(problem, &headers)),
        Err(problem) => refused(problem, &headers),
    }
}

fn refused(problem: Problem, headers: &HeaderMap) -> Response {
    let retry = matches!(problem.status(), 429 | 503);
    let mut response = refusal::answer(problem, headers);
    response.headers_mut().extend(embeddable());
    if retry {
        // A refusal has no script that could retry.
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
    /// The origin of the framing page, as what the frame asks for repeats it.
    from: Option<String>,
    /// The visitor and the frame, repeated likewise where no script runs.
    id: Option<String>,
    frame: Option<u64>,
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
                "id" => params.id = Some(value),
                "frame" => params.frame = value.parse().ok(),
                _ => {
                    let detail = format!("The parameters are room=, show=, lang=, theme= and token=, not {name:?}.");
                    return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
                }
            }
        }
        Ok(params)
    }

    /// The query of what this frame asks for next, as it stands in an attribute.
    fn query(&self, origin: &str, locale: Locale) -> String {
        let theme = (self.theme != Theme::Either).then(|| self.theme.color_scheme());
        let frame = self.frame.map(|frame| frame.to_string());
        let mut query = format!("room={}&amp;from={}", encoded(&self.room), encoded(origin));
        for (name, value) in [
            ("show", self.show.name()),
            ("theme", theme),
            ("lang", Some(locale.code())),
            ("token", self.token.as_deref()),
            ("id", self.id.as_deref()),
            ("frame", frame.as_deref()),
        ] {
            if let Some(value) = value {
                write!(query, "&amp;{name}={}", encoded(value)).expect("writing to a string can't fail");
            }
        }
        query
    }
}

/// A request for a page in a frame, which its site may show.
struct FrameRequest<'a> {
    state: &'a Arc<HttpState>,
    info: &'a RequestInfo,
    params: FrameParams,
    locale: Locale,
    origin: String,
    page: SitePage,
    admission: Admission,
    id: EmbedId,
}

impl<'a> FrameRequest<'a> {
    fn read(
        state: &'a Arc<HttpState>,
        info: &'a RequestInfo,
        headers: &HeaderMap,
        query: QueryPairs,
    ) -> Result<Self, Problem> {
        let mut params = FrameParams::read(valid(query)?)?;
        if params.room.is_empty() {
            let detail = "Name the room of the frame's page: /embed?room=/lamps/7. A frame can't see that page's path.";
            return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
        }
        let origin = framing_origin(headers, info, params.from.as_deref())?;
        let page = state.page(&origin, info).ok_or_else(|| may_not_embed(&origin))?;
        let now_s = state.views.now_ms() / 1_000;
        let admission = state.embed.sites.admit(&page, &params.room, params.token.as_deref(), now_s)?;
        let known = state.embed_cookie(headers, info);
        let (id, _) = state.embed.ids.identify(known, params.id.as_deref(), EmbedId::random());
        params.id = Some(state.embed.ids.text(&id));
        params.frame = Some(params.frame.unwrap_or_else(|| u64::from_ne_bytes(random())));
        let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let locale = Locale::of(params.lang.as_deref().or(accepted).unwrap_or_default());
        Ok(Self { state, info, params, locale, origin, page, admission, id })
    }

    /// The page with the element, and with the frame of a page that is printed where no script runs.
    fn page(self) -> Result<Response, Problem> {
        let script = script_address(&self.origin).ok_or_else(|| may_not_embed(&self.origin))?;
        let query = self.params.query(&self.origin, self.locale);
        let element = html::element(&[
            ("room", Some(&self.params.room)),
            ("show", self.params.show.name()),
            ("lang", Some(self.locale.code())),
            ("token", self.params.token.as_deref()),
        ]);
        let body = html::head(self.params.theme, self.locale, &html::script(&script)) + &element + &html::frame(&query);
        Ok(self.answer(body))
    }

    /// The page that is printed where no script runs. Its visitor counts until it was not asked for a while.
    async fn print(self) -> Result<Response, Problem> {
        let state = self.state;
        let room = self.admission.room.clone();
        let frame = self.params.frame.unwrap_or_default();
        let tab = PrintedTab { user: self.id.user(self.page.site.name()), room: room.clone(), frame };
        match state.printed_tabs.asked(&tab, Instant::now()) {
            TabAdmission::Again => {}
            TabAdmission::First => {
                let mut changes = state.views.watch(&room);
                if let Err(problem) = self.count(tab.clone()) {
                    state.printed_tabs.forget(&tab);
                    return Err(problem);
                }
                drop(timeout(COUNTED_WITHIN, changes.changed()).await);
            }
            TabAdmission::Refused => {
                let detail = "Too many frames without scripts are open. Try again later.";
                return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail));
            }
        }
        let query = self.params.query(&self.origin, self.locale);
        let counts = counts(self.params.show, self.locale, &room, state);
        let body = html::head(self.params.theme, self.locale, &html::refresh_printed(&query)) + &counts;
        Ok(self.answer(body))
    }

    fn count(&self, tab: PrintedTab) -> Result<(), Problem> {
        let mut visitor = StreamedVisitor::new(self.state, None, self.info, tab.user, Visibility::Visible)?;
        let Admission { room, user, info } = &self.admission;
        let admission = Admission { room: room.clone(), user: *user, info: info.clone() };
        // A visitor who can't be counted, in a full room for example, is still shown the counts.
        visitor.join(&self.page.site, admission)?;
        tokio::spawn(visitor.stay(tab));
        Ok(())
    }

    fn answer(&self, body: String) -> Response {
        let mut response = Response::new(body.into());
        let fixed = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
        let headers = response.headers_mut();
        headers.extend(embeddable());
        headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
        let host = &self.info.host;
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}'; script-src 'self'; connect-src 'self' ws://{host} wss://{host}; \
             frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self' {}",
            *html::STYLE_HASH,
            self.page.site.name()
        );
        let cookie = self.state.embed.ids.write_cookie(&self.id, self.info.secure);
        let written = [(header::CONTENT_SECURITY_POLICY, policy), (header::SET_COOKIE, cookie)];
        headers
            .extend(written.map(|(name, value)| (name, HeaderValue::try_from(value).expect("both are visible ASCII"))));
        response
    }
}

/// What browsers ask of a frame in a page that isolates itself (`Cross-Origin-Embedder-Policy`). Other pages don't mind.
fn embeddable() -> [(HeaderName, HeaderValue); 2] {
    [(CROSS_ORIGIN_RESOURCE_POLICY, "cross-origin"), (CROSS_ORIGIN_EMBEDDER_POLICY, "require-corp")]
        .map(|(name, value)| (name, HeaderValue::from_static(value)))
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

/// The line with a room's counts.
fn counts(show: Show, locale: Locale, room: &Room, state: &HttpState) -> String {
    line(show, locale, &state.views.room_or_empty(room))
}

fn line(show: Show, locale: Locale, view: &RoomView) -> String {
    let stale = if view.regions_heard() < view.regions.len() { " class=\"stale\"" } else { "" };
    let mut line = format!("<p{stale}><i></i>");
    if show == Show::Regions {
        for (index, region) in view.regions.iter().filter(|region| region.users > 0).enumerate() {
            let dot = if index == 0 { "" } else { " · " };
            let name = if region.place.name.is_empty() { region.region.as_str() } else { &region.place.name };
            write!(line, "{dot}{} <b>{}</b>", escaped(name), locale.number(region.users.into()))
                .expect("writing to a string can't fail");
        }
    } else {
        let Sentence { before, number, after } = locale.sentence(show, show.of(view.into()));
        write!(line, "{before}<b>{number}</b>{after}").expect("writing to a string can't fail");
    }
    line + "</p>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_parameter_becomes_markup() {
        let hostile = "\"><script>alert(1)</script>&'\u{e4}";
        let pairs = ["room", "token", "show", "lang", "theme", "id", "frame"];
        let params = FrameParams::read(pairs.map(|name| (name.to_owned(), hostile.to_owned())).to_vec()).unwrap();
        let query = params.query("https://shop.example", Locale::of(hostile));
        assert!(!query.contains(['<', '>', '"', '\'']) && query.is_ascii(), "{query}");
        let element = html::element(&[("room", Some(hostile)), ("token", None)]);
        assert_eq!(
            element,
            "<live-presence room=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&#39;\u{e4}\"></live-presence>\n"
        );
    }
}
