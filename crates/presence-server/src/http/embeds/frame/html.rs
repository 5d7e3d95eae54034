//! The fixed parts of the page in a frame.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::theme::Theme;
use crate::i18n::Locale;
use crate::identity::sha256;
use crate::secret::random;

const STYLE: &str = "\
html{font:1rem/1.5 system-ui,sans-serif}body{margin:0;color:CanvasText}\
p{margin:0;white-space:nowrap;overflow:hidden;text-overflow:ellipsis}p:has(+p){display:none}\
b{font-weight:600}i{display:inline-block;width:.5em;height:.5em;margin-inline-end:.45em;vertical-align:.06em;\
border-radius:50%;background:light-dark(#1f9d5b,#2fbf71)}.stale i{background:#8a8f98}";

/// The content security policy allows the style by its hash.
pub(super) static STYLE_HASH: LazyLock<String> = LazyLock::new(|| STANDARD.encode(sha256(STYLE.as_bytes())));

/// The page before its counts. The refresh runs only when the answer has ended because the node drains or is gone. Some
/// seconds later another node may answer, and the visitor is back before the departure counts.
pub(super) fn head(address: &str, theme: Theme, locale: Locale) -> String {
    let [drawn] = random::<1>();
    format!(
        "<!doctype html>\n<html lang=\"{}\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <meta name=\"color-scheme\" content=\"{}\">\n{}\
         <title>Global Presence</title>\n<style>{STYLE}</style>\n<body>\n",
        locale.code(),
        theme.color_scheme(),
        refresh(5 + drawn % 6, address)
    )
}

pub(super) fn refresh(seconds: u8, address: &str) -> String {
    format!("<meta http-equiv=\"refresh\" content=\"{seconds};url={address}\">\n")
}
