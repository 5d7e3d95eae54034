//! Origins of pages.

use std::str::FromStr;

/// Schemes whose pages have no origin that names them, or are no pages.
const WITHOUT_PAGES: [&str; 8] = ["about", "blob", "data", "file", "ftp", "javascript", "ws", "wss"];

/// Scheme and host with port, as a browser names them in `Origin`: no path, no default port, lower case, and a host in other
/// scripts as Punycode. Besides websites, apps and browser extensions have pages, with schemes of their own.
///
/// ```
/// use presence_server::Origin;
///
/// let origin: Origin = "https://B\u{fc}cher.example:443/".parse().unwrap();
/// assert_eq!(origin.to_string(), "https://xn--bcher-kva.example");
/// assert!(origin.is_secure() && origin.is_web());
/// let app: Origin = "capacitor://localhost".parse().unwrap();
/// assert_eq!((app.scheme.as_str(), app.host.as_str(), app.is_web()), ("capacitor", "localhost", false));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// `https`, `http`, or that of an app or a browser extension, such as `capacitor` or `chrome-extension`.
    pub scheme: String,
    /// `example.org` or `example.org:8443`.
    pub host: String,
}

impl Origin {
    /// The origin of a website.
    pub(crate) fn web(secure: bool, host: &str) -> Self {
        Self { scheme: if secure { "https" } else { "http" }.to_owned(), host: host.to_owned() }
    }

    /// `https`, and with it `Secure` cookies.
    pub fn is_secure(&self) -> bool {
        self.scheme == "https"
    }

    /// `https` or `http`.
    pub fn is_web(&self) -> bool {
        is_web(&self.scheme)
    }
}

fn is_web(scheme: &str) -> bool {
    matches!(scheme, "https" | "http")
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text.trim()).ok_or_else(|| {
            format!("write a scheme and a host, such as https://example.org or capacitor://localhost, not {text:?}")
        })
    }
}

fn parse(text: &str) -> Option<Origin> {
    let (scheme, rest) = text.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let scheme_byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let named = scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(scheme_byte);
    if !named || WITHOUT_PAGES.contains(&scheme.as_str()) {
        return None;
    }
    let host = rest.strip_suffix('/').unwrap_or(rest);
    let default_port = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let host = host.strip_suffix(default_port).unwrap_or(host);
    let host = if host.is_ascii() { host.to_ascii_lowercase() } else { punycode(host)? };
    let host_char = |c: char| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']') || (c == '_' && !is_web(&scheme))
    };
    let named = host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') && host.chars().all(host_char);
    (named && is_well_formed(&host)).then_some(Origin { scheme, host })
}

/// Whether brackets stand around a number alone, and a port is a number.
fn is_well_formed(host: &str) -> bool {
    let (named, after) = match host.strip_prefix('[') {
        Some(inside) => {
            let Some((number, after)) = inside.split_once(']') else { return false };
            (number.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b':')), after)
        }
        None => {
            let (name, after) = host.split_at(host.find(':').unwrap_or(host.len()));
            (!name.contains(['[', ']']), after)
        }
    };
    let port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    named && (after.is_empty() || after.strip_prefix(':').is_some_and(port))
}

/// A host in other scripts, as browsers write it.
fn punycode(host: &str) -> Option<String> {
    let (name, port) = host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
    let name = idna::domain_to_ascii(name).ok()?;
    Some(port.map_or_else(|| name.clone(), |port| format!("{name}:{port}")))
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)
    }
}

/// The address of a server: the origin of a website.
///
/// # Errors
///
/// A sentence that says what to write.
pub(super) fn public_url(text: &str) -> Result<Origin, String> {
    let origin = text.parse::<Origin>().ok().filter(Origin::is_web);
    origin.ok_or_else(|| format!("write a scheme and a host, such as https://example.org, not {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<String, String> {
        text.parse::<Origin>().map(|origin| origin.to_string())
    }

    #[test]
    fn origins_are_what_browsers_send() {
        for (text, origin) in [
            ("https://Example.org:443/", "https://example.org"),
            ("http://example.org:80", "http://example.org"),
            ("http://[::1]:4000", "http://[::1]:4000"),
            ("https://B\u{fc}cher.example", "https://xn--bcher-kva.example"),
            ("https://BU\u{308}CHER.example:8443/", "https://xn--bcher-kva.example:8443"),
            ("https://\u{4f8b}\u{3048}.\u{30c6}\u{30b9}\u{30c8}", "https://xn--r8jz45g.xn--zckzah"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("Tauri://localhost/", "tauri://localhost"),
            ("ionic://localhost:443", "ionic://localhost:443"),
            (
                "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
                "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            ),
            (
                "moz-extension://0b62e1b6-1d0a-4a3e-8d6a-9d1f6b0c2a11",
                "moz-extension://0b62e1b6-1d0a-4a3e-8d6a-9d1f6b0c2a11",
            ),
            ("app://my_bundle", "app://my_bundle"),
        ] {
            assert_eq!(written(text).as_deref(), Ok(origin));
        }
        for wrong in [
            "",
            "example.org",
            "null",
            "https://",
            "ftp://example.org",
            "file://host",
            "wss://example.org",
            "1x://a",
            "a b://c",
            "https://a/b",
            "https://a b",
            "https://:80",
            "https://a:b",
            "https://a:",
            "https://[::1]:b",
            "https://[::1",
            "https://[::1]a",
            "capacitor://9\u{e9}[::1]a.localhost",
            "https://\u{fc}:AMS.localhost",
            "https://a_b",
            "https://\u{fc};b",
            "https://\u{fc}/b",
        ] {
            assert!(written(wrong).is_err_and(|mistake| mistake.contains("https://example.org")), "{wrong}");
        }
    }

    #[test]
    fn a_server_has_the_address_of_a_website() {
        assert!(public_url("https://example.org").is_ok());
        assert!(public_url("capacitor://localhost").is_err_and(|mistake| mistake.contains("https://example.org")));
    }
}
