//! The frame of these pages: head, style, tables.

use std::fmt::Write as _;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::http::markup::escaped;
use crate::i18n::Locale;
use crate::identity::sha256;

const STYLE: &str = include_str!("style.css");

/// The content security policy allows the style by its hash.
pub(super) static STYLE_HASH: LazyLock<String> = LazyLock::new(|| STANDARD.encode(sha256(STYLE.as_bytes())));

/// A page with this title and these sections. `again`: the address that pauses the page, or lets it go on.
pub(super) fn page(title: &str, lead: &str, sections: &[String], paused: bool, again: &str) -> String {
    let (title, again) = (escaped(title), escaped(again));
    let pause = if paused { "Go on" } else { "Pause" };
    let live = if paused { "This page is paused." } else { "This page is loaded again every 5 seconds." };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
         <body>\n<header>\n<h1>{title}</h1>\n{lead}\n</header>\n<main>\n{}</main>\n\
         <footer><p>{live} <a href=\"{again}\">{pause}</a></p></footer>\n",
        sections.concat()
    )
}

/// A section with a heading. `body` is markup.
pub(super) fn section(heading: &str, body: &str) -> String {
    format!("<section>\n<h2>{}</h2>\n{body}\n</section>\n", escaped(heading))
}

/// A table that scrolls sideways on a small screen. The first cell of a row is its heading; cells are markup.
pub(super) fn table(label: &str, heads: &[&str], rows: &[Vec<String>]) -> String {
    let label = escaped(label);
    let heads: String = heads.iter().map(|head| format!("<th scope=\"col\">{}</th>", escaped(head))).collect();
    let mut body = String::new();
    for row in rows {
        let cells = row.iter().enumerate().map(|(index, cell)| match index {
            0 => format!("<th scope=\"row\">{cell}</th>"),
            _ => format!("<td>{cell}</td>"),
        });
        writeln!(body, "<tr>{}</tr>", cells.collect::<String>()).expect("writing to a string can't fail");
    }
    format!(
        "<div class=\"wide\" role=\"region\" aria-label=\"{label}\" tabindex=\"0\"><table>\n\
         <thead><tr>{heads}</tr></thead>\n<tbody>\n{body}</tbody></table></div>"
    )
}

/// How good something is, for the eye; the text says it, too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    Good,
    Bad,
    Unknown,
}

/// A word with a tone. The word is escaped.
pub(super) fn mark(tone: Tone, word: &str) -> String {
    let class = match tone {
        Tone::Good => "good",
        Tone::Bad => "bad",
        Tone::Unknown => "unknown",
    };
    format!("<span class=\"mark {class}\">{}</span>", escaped(word))
}

/// A large number and what it counts.
pub(super) fn figure(number: &str, words: &str) -> String {
    format!("<p class=\"figure\"><b>{}</b> <span>{}</span></p>\n", escaped(number), escaped(words))
}

/// A number as it is written in English, the language of these pages.
pub(super) fn number(value: u64) -> String {
    Locale::of("en").number(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_named_becomes_markup() {
        let hostile = "</title><script>\"&'";
        let made = page(hostile, "", &[section(hostile, &mark(Tone::Bad, hostile))], false, hostile);
        let made = made + &figure(hostile, hostile) + &table(hostile, &[hostile], &[]);
        assert!(!made.contains("<script") && !made.contains("\"&'"), "{made}");
    }

    #[test]
    fn thousands_have_commas() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    }
}
