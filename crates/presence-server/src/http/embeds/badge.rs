//! `/badge.svg`: an image with a room's count, for places that allow images only: a readme, a forum, a mail.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::theme::Theme;
use crate::http::room_name;
use crate::http::state::HttpState;
use crate::i18n::{Locale, Sentence, Show};
use crate::problem::Problem;
use crate::sites::Sites;

/// Every visitor of a page fetches the image; within a few seconds caches may answer with the same one.
const CACHED: &str = "public, max-age=5";
/// Inline styles are allowed, since no parameter is written into the style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
const LIGHT: &str = "rect{fill:#fff;stroke:#d4d8de}text{fill:#24292f}circle{fill:#1f9d5b}";
const DARK: &str = "rect{fill:#161b22;stroke:#3d444d}text{fill:#e6edf3}circle{fill:#2fbf71}";
/// The height of the text, in pixels.
const FONT_SIZE: f64 = 12.0;

/// `GET /badge.svg?room=…`, also `show`, `lang` and `theme`. Viewers of an image are not counted.
pub(crate) async fn badge(
    State(state): State<Arc<HttpState>>,
    headers: HeaderMap,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let pairs = query.map_or_else(|_| Vec::new(), |Query(pairs)| pairs);
    let value = |wanted: &str| pairs.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let room = match room_name::complete(&state, value("room").unwrap_or_default().trim_end_matches('/')) {
        Ok(room) => room,
        Err(problem) => return problem.into_response(),
    };
    if Sites::is_private(&room) {
        return Problem::new(StatusCode::FORBIDDEN, "This room is private, so its count is not shown in an image.")
            .into_response();
    }
    let accepted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let locale = Locale::of(value("lang").or(accepted).unwrap_or_default());
    let show = Show::parse(value("show").unwrap_or_default());
    let view = state.views.room_or_empty(&room);
    let sentence = locale.sentence(show, show.of(view.as_ref().into()));
    let fixed = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, CACHED),
        (header::VARY, "accept-language"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    ];
    (fixed, svg(&sentence, locale, Theme::parse(value("theme").unwrap_or_default()))).into_response()
}

/// The image. The text is stretched to a computed width, since the viewer's fonts are unknown.
fn svg(sentence: &Sentence, locale: Locale, theme: Theme) -> String {
    let Sentence { before, number, after } = sentence;
    let text = sentence.text();
    let length = width(&text) + width(number) * 0.08;
    let whole = (length + 34.0).ceil();
    let style = match theme {
        Theme::Light => LIGHT.to_owned(),
        Theme::Dark => DARK.to_owned(),
        Theme::Either => format!("{LIGHT}@media(prefers-color-scheme:dark){{{DARK}}}"),
    };
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{whole}\" height=\"24\" role=\"img\" xml:lang=\"{}\" \
         aria-label=\"{text}\">\n<title>{text}</title>\n<style>{style}\
         text{{font:{FONT_SIZE}px Verdana,'DejaVu Sans',sans-serif}}tspan{{font-weight:bold}}</style>\n\
         <rect x=\".5\" y=\".5\" width=\"{}\" height=\"23\" rx=\"11.5\"/>\n<circle cx=\"13\" cy=\"12\" r=\"3.5\"/>\n\
         <text x=\"22\" y=\"16.2\" textLength=\"{length:.1}\" lengthAdjust=\"spacingAndGlyphs\">\
         {before}<tspan>{number}</tspan>{after}</text>\n</svg>\n",
        locale.code(),
        whole - 1.0
    )
}

/// The approximate width of a text in a sans-serif font, in pixels.
fn width(text: &str) -> f64 {
    let ems = text.chars().map(|letter| match letter {
        'i' | 'j' | 'l' | '.' | ',' | '\'' | '|' | '\u{131}' => 0.32,
        ' ' | '\u{a0}' | '\u{202f}' | 'f' | 'r' | 't' => 0.4,
        'm' | 'w' | 'M' | 'W' => 0.95,
        '\u{2e80}'..='\u{ffff}' => 1.0,
        _ => 0.63,
    });
    ems.sum::<f64>() * FONT_SIZE
}
