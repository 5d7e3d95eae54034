//! What pages may load besides this server's own files: the Content-Security-Policy, and how an app widens it.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The Content-Security-Policy of an app's pages. At first it allows scripts, styles, fonts and images of this server, images
/// in `data:` addresses, and sockets to the page's host. Inline scripts and styles are blocked. Each method allows one more
/// source: a scheme and a host, such as `https://images.example` or `https://*.example`.
///
/// ```
/// use presence_server::{Policy, Site};
///
/// let policy = Policy::new().img("https://images.example").frame("https://player.example");
/// let site = Site { policy, ..Site::new("shop") };
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Policy {
    added: Vec<(&'static str, Cow<'static, str>)>,
}

impl Policy {
    /// The policy that allows nothing foreign.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows images of this source.
    ///
    /// # Panics
    ///
    /// As all of these methods do: if the source is not one word of visible ASCII without `;` and `,`.
    pub fn img(self, source: impl Into<Cow<'static, str>>) -> Self {
        self.and("img-src", source.into())
    }

    /// Allows scripts of this source. They can do on the page what its visitor can.
    pub fn script(self, source: impl Into<Cow<'static, str>>) -> Self {
        self.and("script-src", source.into())
    }

    /// Allows styles of this source.
    pub fn style(self, source: impl Into<Cow<'static, str>>) -> Self {
        self.and("style-src", source.into())
    }

    /// Allows fonts of this source.
    pub fn font(self, source: impl Into<Cow<'static, str>>) -> Self {
        self.and("font-src", source.into())
    }

    /// Allows audio and video of this source.
    pub fn media(self, source: impl Into<Cow<'static, str>>) -> Self {
        self.and("media-src", source.into())
    }

    /// Allows requests and sockets of the page's scripts to this source.
    pub fn connect(self, source: impl Into<Cow<'static, str>>) -> Self {
        self.and("connect-src", source.into())
    }

    /// Allows frames of this source in the page.
    pub fn frame(self, source: impl Into<Cow<'static, str>>) -> Self {
        self.and("frame-src", source.into())
    }

    /// Allows the page's forms to be sent to this source. To this server they may be sent if the site has routes of its own.
    pub fn form(self, source: impl Into<Cow<'static, str>>) -> Self {
        self.and("form-action", source.into())
    }

    fn and(mut self, directive: &'static str, source: Cow<'static, str>) -> Self {
        let is_word =
            !source.is_empty() && source.bytes().all(|byte| byte.is_ascii_graphic() && !b";,".contains(&byte));
        assert!(is_word, "a source is one word, such as https://images.example, not {source:?}");
        self.added.push((directive, source));
        self
    }

    /// The same for every page, but for its host. `forms`: the site has routes that forms may be sent to.
    pub(crate) fn headers(&self, forms: bool) -> PolicyHeaders {
        let always: [(&str, &[&str]); 11] = [
            ("default-src", &[]),
            ("script-src", &["'self'"]),
            ("style-src", &["'self'"]),
            ("img-src", &["'self'", "data:"]),
            ("font-src", &["'self'"]),
            ("connect-src", &["'self'", SOCKET]),
            ("media-src", &["'self'"]),
            ("frame-src", &[]),
            ("base-uri", &[]),
            ("form-action", if forms { &["'self'"] } else { &[] }),
            ("frame-ancestors", &[]),
        ];
        let mut header = String::new();
        for (directive, sources) in always {
            let added = self.added.iter().filter(|(of, _)| *of == directive).map(|(_, source)| &**source);
            let sources: Vec<&str> = sources.iter().copied().chain(added).collect();
            let sources = if sources.is_empty() { "'none'".to_owned() } else { sources.join(" ") };
            let separator = if header.is_empty() { "" } else { "; " };
            write!(header, "{separator}{directive} {sources}").expect("writing to a string can't fail");
        }
        let (before, after) = header.split_once(SOCKET).expect("the place of the socket is written above");
        PolicyHeaders { before: before.to_owned(), after: after.to_owned() }
    }
}

/// Stands for the address of the page's socket.
const SOCKET: &str = "{socket}";

/// The header's value for each host.
pub(crate) struct PolicyHeaders {
    before: String,
    after: String,
}

impl PolicyHeaders {
    /// The header's value for a page of this host.
    pub(crate) fn of(&self, secure: bool, host: &str) -> String {
        let scheme = if secure { "wss" } else { "ws" };
        format!("{}{scheme}://{host}{}", self.before, self.after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_is_allowed_unless_the_app_says_so() {
        let strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self' wss://shop.example; media-src 'self'; frame-src 'none'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'none'";
        assert_eq!(Policy::new().headers(false).of(true, "shop.example"), strict);
        let wide = Policy::new().img("https://a.example").img("https://b.example").frame("https://c.example");
        let wide = wide.headers(true).of(false, "localhost:4000");
        for part in [
            "img-src 'self' data: https://a.example https://b.example;",
            "frame-src https://c.example;",
            "connect-src 'self' ws://localhost:4000;",
            "form-action 'self';",
        ] {
            assert!(wide.contains(part), "{part} in {wide}");
        }
    }

    #[test]
    #[should_panic(expected = "a source is one word")]
    fn a_source_can_not_add_a_directive() {
        let _policy = Policy::new().img("https://a.example; script-src *");
    }
}
