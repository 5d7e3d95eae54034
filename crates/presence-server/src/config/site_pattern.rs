//! The origins that a `--site` means.

use std::str::FromStr;

use super::Origin;

/// The origins of one `--site`.
///
/// ```
/// use presence_server::SitePattern;
///
/// let below: SitePattern = "https://*.shop.example".parse().unwrap();
/// assert_eq!(below.to_string(), "https://*.shop.example");
/// assert!("shop.example".parse::<SitePattern>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SitePattern {
    /// `https://shop.example`: this origin.
    Origin(Origin),
    /// `https://*.shop.example`: all sub-domains of this host, but not the host itself.
    Below(Origin),
    /// `*`: every origin, each a site of its own.
    Anybody,
}

impl SitePattern {
    /// Whether pages of this origin belong to it.
    pub(crate) fn covers(&self, origin: &Origin) -> bool {
        match self {
            Self::Origin(own) => own == origin,
            Self::Below(parent) => {
                let label = origin.host.strip_suffix(&parent.host).and_then(|label| label.strip_suffix('.'));
                parent.scheme == origin.scheme && label.is_some_and(|label| !label.is_empty())
            }
            Self::Anybody => true,
        }
    }
}

impl FromStr for SitePattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mistake = || {
            format!(
                "write an origin such as https://shop.example or capacitor://localhost, https://*.shop.example for its \
                 sub-domains, or * for every origin, not {text:?}"
            )
        };
        if text.trim() == "*" {
            return Ok(Self::Anybody);
        }
        let parent = text.contains("://*.").then(|| text.replacen("://*.", "://", 1));
        let origin = parent.as_deref().unwrap_or(text).parse::<Origin>().map_err(|_| mistake())?;
        Ok(if parent.is_some() { Self::Below(origin) } else { Self::Origin(origin) })
    }
}

impl std::fmt::Display for SitePattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Origin(origin) => write!(f, "{origin}"),
            Self::Below(Origin { scheme, host }) => write!(f, "{scheme}://*.{host}"),
            Self::Anybody => f.write_str("*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_an_origin_its_sub_domains_or_every_origin() {
        let covers = |pattern: &str, origin: &str| {
            pattern.parse::<SitePattern>().unwrap().covers(&origin.parse::<Origin>().unwrap())
        };
        assert!(covers("https://Shop.example/", "https://shop.example:443"));
        assert!(covers("http://localhost:3000", "http://localhost:3000"));
        assert!(covers("https://*.shop.example", "https://a.shop.example"));
        assert!(covers("https://*.shop.example", "https://a.b.shop.example"));
        assert!(covers("https://*.shop.example:8443", "https://a.shop.example:8443"));
        assert!(covers("*", "http://anything.example:1") && covers("*", "tauri://localhost"));
        assert!(covers("capacitor://localhost", "capacitor://localhost"));
        assert!(covers("https://*.B\u{fc}cher.example", "https://a.xn--bcher-kva.example"));
        for (pattern, origin) in [
            ("https://shop.example", "http://shop.example"),
            ("https://shop.example", "https://shop.example:8443"),
            ("https://shop.example", "https://a.shop.example"),
            ("https://*.shop.example", "https://shop.example"),
            ("capacitor://localhost", "http://localhost"),
            ("capacitor://localhost", "ionic://localhost"),
            ("https://*.shop.example", "https://evilshop.example"),
            ("https://*.shop.example", "http://a.shop.example"),
            ("https://*.shop.example", "https://a.shop.example:8443"),
            ("https://*.shop.example", "https://a.shop.example.evil.example"),
        ] {
            assert!(!covers(pattern, origin), "{pattern} {origin}");
        }
    }

    #[test]
    fn it_is_displayed_as_it_was_written_and_mistakes_say_what_to_write() {
        for text in ["https://shop.example", "https://*.shop.example:8443", "http://*.localhost", "*"] {
            assert_eq!(text.parse::<SitePattern>().unwrap().to_string(), text);
        }
        for wrong in ["", "shop.example", "https://*", "*.shop.example", "https://*.*.example", "https://a*.b", "null"]
        {
            let mistake = wrong.parse::<SitePattern>().unwrap_err();
            assert!(mistake.contains("https://*.shop.example"), "{wrong}");
        }
    }
}
