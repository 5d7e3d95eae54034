//! The parts of the pages in a frame.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::theme::Theme;
use crate::http::markup::escaped;
use crate::i18n::Locale;
use crate::identity::sha256;

const STYLE: &str = "\
html{font:1rem/1.5 system-ui,sans-serif}body{margin:0;color:CanvasText}\
p,live-presence{display:block;margin:0;white-space:nowrap;overflow:hidden;text-overflow:ellipsis;\
--presence-dot-color:light-dark(#1f9d5b,#2fbf71)}\
b{font-weight:600}i{display:inline-block;width:.5em;height:.5em;margin-inline-end:.45em;vertical-align:.06em;\
border-radius:50%;background:light-dark(#1f9d5b,#2fbf71)}.stale i{background:#8a8f98}\
iframe{display:block;width:100%;height:1.5em;border:0}";

/// The content security policy allows the style by its hash.
pub(super) static STYLE_HASH: LazyLock<String> = LazyLock::new(|| STANDARD.encode(sha256(STYLE.as_bytes())));

/// How often a page is printed again.
const PRINTED_EVERY_S: u8 = 10;
/// How often the page around it is loaded again: if the server could not be
/// reached, the one in it is the browser's own error page.
const LOADED_EVERY_S: u8 = 45;

/// The beginning of a page, with `more` in its head.
pub(super) fn head(theme: Theme, locale: Locale, more: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <meta name=\"color-scheme\" content=\"{}\">\n{more}\
         <title>Global Presence</title>\n<style>{STYLE}</style>\n<body>\n",
        locale.code(),
        theme.color_scheme(),
    )
}

pub(super) fn script(address: &str) -> String {
    format!("<script type=\"module\" async src=\"{address}\"></script>\n")
}

/// The element with these attributes.
pub(super) fn element(attributes: &[(&str, Option<&str>)]) -> String {
    let given = attributes.iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    let written: String = given.map(|(name, value)| format!(" {name}=\"{}\"", escaped(value))).collect();
    format!("<live-presence{written}></live-presence>\n")
}

/// What browsers that run no scripts show instead of the element.
pub(super) fn frame(query: &str) -> String {
    let again = refresh(LOADED_EVERY_S, &format!("/embed?{query}"));
    format!("<noscript>{again}<iframe src=\"/embed/printed?{query}\"></iframe></noscript>\n")
}

pub(super) fn refresh_printed(query: &str) -> String {
    refresh(PRINTED_EVERY_S, &format!("/embed/printed?{query}"))
}

fn refresh(seconds: u8, address: &str) -> String {
    format!("<meta http-equiv=\"refresh\" content=\"{seconds};url={address}\">\n")
}
