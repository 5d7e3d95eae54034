//! A page for frames that keeps its number current without any script; without it nothing could be shown where none may run.

use std::fmt::Write as _;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use presence_core::RoomView;

use super::Web;
use super::came::Came;
use super::listen::Peer;
use super::stay::{Over, Stay, Writing};
use crate::clock::wall_ms;
use crate::identity::{EmbedId, sha256};
use crate::problem::Problem;
use crate::secret::random;
use crate::sites::Site;
use crate::words::{Language, Sentence, Show};

/// Every number is a line of the page, and only the last one is shown: after this long it begins anew.
const LASTS: Duration = Duration::from_secs(600);
/// A page that can't be answered now asks again after so many seconds.
const AGAIN_S: &str = "15";

const STYLE: &str = "\
html{font:1rem/1.5 system-ui,sans-serif}body{margin:0;color:CanvasText}\
p{margin:0;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}p:has(+p){display:none}\
b{font-weight:600}i{display:inline-block;width:.5em;height:.5em;margin-inline-end:.45em;vertical-align:.06em;\
border-radius:50%;background:light-dark(#1f9d5b,#2fbf71)}.stale i{background:#8a8f98}";

/// The style may stand in the page since its hash is in the policy.
static STYLE_HASH: LazyLock<String> = LazyLock::new(|| STANDARD.encode(sha256(STYLE.as_bytes())));

type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// `GET /embed?room=…`, also `show`, `lang`, `theme` and `token`.
pub(super) async fn embed(
    State(web): State<Arc<Web>>,
    Extension(peer): Extension<Peer>,
    Extension(came): Extension<Came>,
    headers: HeaderMap,
    query: Pairs,
) -> Response {
    let problem = match open(&web, &peer, &came, &headers, query) {
        Ok(response) => return response,
        Err(problem) => problem,
    };
    let soon = matches!(problem.status(), 429 | 503);
    let mut response = problem.into_response();
    if soon {
        // Nobody else would: a frame has no script that could.
        response.headers_mut().insert(header::REFRESH, HeaderValue::from_static(AGAIN_S));
    }
    response
}

/// What the page that has the frame asks for.
#[derive(Default)]
struct Asked {
    room: String,
    token: Option<String>,
    show: Show,
    lang: Option<String>,
    theme: Theme,
    /// The origin of that page, as our own refresh repeats it.
    from: Option<String>,
}

/// Which of light and dark.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Theme {
    #[default]
    Either,
    Light,
    Dark,
}

impl Theme {
    pub(super) fn parse(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::Either,
        }
    }

    /// The value of `color-scheme`.
    fn scheme(self) -> &'static str {
        match self {
            Self::Either => "light dark",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Asked {
    fn read(pairs: Vec<(String, String)>) -> Result<Self, Problem> {
        let mut asked = Self::default();
        for (name, value) in pairs {
            match name.as_str() {
                "room" => asked.room = value,
                "token" => asked.token = Some(value),
                "show" => asked.show = Show::parse(&value),
                "lang" => asked.lang = Some(value),
                "theme" => asked.theme = Theme::parse(&value),
                "from" => asked.from = Some(value),
                _ => {
                    let detail = format!("Ask for room=, show=, lang=, theme= and token=, not {name:?}.");
                    return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
                }
            }
        }
        Ok(asked)
    }
}

fn open(web: &Arc<Web>, peer: &Peer, came: &Came, headers: &HeaderMap, query: Pairs) -> Result<Response, Problem> {
    let Query(pairs) = query.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "The query can't be read."))?;
    let asked = Asked::read(pairs)?;
    let origin = framing(headers, came, asked.from.as_deref())?;
    let (site, host) = web.site(&origin, came).ok_or_else(|| Problem::foreign(&origin))?;
    let entry = web.embed.sites.enter(&site, &host, &asked.room, asked.token.as_deref(), wall_ms() / 1_000)?;
    let known = web.embed_cookie(headers, came);
    let id = known.unwrap_or_else(EmbedId::drawn);
    let mut stay = Stay::begin(web, peer, came, id.user(site.name()), true)?;
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let language = Language::of(asked.lang.as_deref().or(accepted).unwrap_or_default());
    let again = again(&asked, &origin, language);
    let begun = head(&again, asked.theme, language);
    let writing = Numbers { show: asked.show, language, again };
    // What is not counted is shown all the same.
    stay.join(&site, entry)?;
    Ok(answer(stay.write(begun, writing), &site, &web.embed.embeds.cookie_written(&id, came.secure)))
}

fn answer(body: Body, site: &Site, cookie: &str) -> Response {
    let mut response = Response::new(body);
    // Without chunks a page whose node is gone is a whole page, which refreshes itself; with them it would be half of one,
    // which does not.
    *response.version_mut() = Version::HTTP_10;
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let headers = response.headers_mut();
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors {}",
        *STYLE_HASH,
        site.name()
    );
    let written = [(header::CONTENT_SECURITY_POLICY, policy.as_str()), (header::SET_COOKIE, cookie)];
    headers.extend(written.map(|(name, value)| (name, HeaderValue::try_from(value).expect("both are visible ASCII"))));
    response
}

/// The origin of the page that has the frame. Only browsers can be believed: a page can't write these headers, but it can
/// keep its name to itself, and is refused then. `frame-ancestors` does the rest.
fn framing(headers: &HeaderMap, came: &Came, from: Option<&str>) -> Result<String, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let referrer = text("referer").and_then(origin_of);
    let own = referrer.as_deref().is_some_and(|origin| origin.split("://").nth(1) == Some(&came.host));
    let refreshed = own || text("sec-fetch-site") == Some("same-origin");
    let origin = if refreshed { from.map(str::to_owned).or(referrer) } else { referrer };
    origin.ok_or_else(|| {
        let detail =
            "This page is made for a frame, and has to know whose: write <iframe referrerpolicy=\"origin\" …>.";
        Problem::new(StatusCode::FORBIDDEN, detail)
    })
}

/// `https://shop.example` of `https://shop.example/lamps?page=2`.
fn origin_of(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next()?;
    Some(format!("{scheme}://{host}").to_ascii_lowercase())
}

/// The address of the same frame, for its own refresh.
fn again(asked: &Asked, origin: &str, language: Language) -> String {
    let mut again = format!("/embed?room={}&amp;from={}", encoded(&asked.room), encoded(origin));
    let show = [(Show::Looking, "looking"), (Show::Tabs, "tabs"), (Show::Regions, "regions")];
    let show = show.iter().find(|(show, _)| *show == asked.show).map(|(_, name)| *name);
    let theme = (asked.theme != Theme::Either).then(|| asked.theme.scheme());
    let rest = [("show", show), ("theme", theme), ("lang", Some(language.code())), ("token", asked.token.as_deref())];
    for (name, value) in rest {
        if let Some(value) = value {
            write!(again, "&amp;{name}={}", encoded(value)).expect("writing to a string can't fail");
        }
    }
    again
}

/// All but the numbers. A refresh is due only once the page has ended, since the node drains or is gone: some seconds
/// later another may answer, and whoever is seen to leave is back before it counts.
fn head(again: &str, theme: Theme, language: Language) -> String {
    let [drawn] = random::<1>();
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <meta name=\"color-scheme\" content=\"{}\">\n{}\
         <title>Global Presence</title>\n<style>{STYLE}</style>\n<body>\n",
        language.code(),
        theme.scheme(),
        refresh(5 + drawn % 6, again)
    )
}

fn refresh(seconds: u8, again: &str) -> String {
    format!("<meta http-equiv=\"refresh\" content=\"{seconds};url={again}\">\n")
}

/// As a query holds it: nothing in it means anything in an attribute of HTML either.
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

/// Every number a line, of which the style shows the last.
struct Numbers {
    show: Show,
    language: Language,
    again: String,
}

impl Writing for Numbers {
    fn line(&self) -> String {
        "<!-- -->\n".to_owned()
    }

    fn lasts(&self) -> Duration {
        LASTS
    }

    fn counts(&self, _place: usize, view: &RoomView) -> String {
        let stale = if view.regions_heard() < view.regions.len() { " class=\"stale\"" } else { "" };
        let mut html = format!("<p{stale}><i></i>");
        if self.show == Show::Regions {
            for (place, region) in view.regions.iter().filter(|region| region.users > 0).enumerate() {
                let dot = if place == 0 { "" } else { " · " };
                write!(html, "{dot}{} <b>{}</b>", region.region, self.language.number(region.users))
                    .expect("writing to a string can't fail");
            }
        } else {
            let Sentence { before, number, after } = self.language.sentence(self.show, self.show.of(view));
            write!(html, "{before}<b>{number}</b>{after}").expect("writing to a string can't fail");
        }
        html + "</p>\n"
    }

    fn farewell(&self, over: Over) -> String {
        match over {
            Over::Time => refresh(0, &self.again),
            // This node would refuse it, and the refusal would stand there.
            Over::Drain => String::new(),
        }
    }

    fn left(&self, _place: usize) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn whose_frame_it_is_the_browser_says() {
        let came = Came {
            host: "presence.example".to_owned(),
            secure: true,
            address: "192.0.2.1".parse().unwrap(),
            edge: None,
        };
        let origin = |headers: &[(&'static str, &str)], from| framing(&said(headers), &came, from).ok();
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
    fn nothing_that_is_asked_for_becomes_markup() {
        let hostile = "\"><script>alert(1)</script>&'\u{e4}";
        let pairs = ["room", "token", "show", "lang", "theme"].map(|name| (name.to_owned(), hostile.to_owned()));
        let asked = Asked::read(pairs.to_vec()).unwrap();
        let language = Language::of(hostile);
        let html = head(&again(&asked, "https://shop.example", language), asked.theme, language);
        assert!(!html.contains("script") || html.contains("%3Cscript%3E"), "{html}");
        assert!(!html.contains("<script") && !html.contains("alert(") && html.is_ascii(), "{html}");
        assert_eq!(html.matches('<').count(), html.matches('>').count());
    }
}
