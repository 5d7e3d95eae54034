//! The streams that a `--public-streams` means.

use std::str::FromStr;

use presence_core::StreamName;

/// Names of streams: one name, or all names with a prefix, which is marked by `*` at its end.
///
/// ```
/// use presence_server::StreamPattern;
///
/// assert!("bench".parse::<StreamPattern>().is_ok());
/// assert!("chat/*".parse::<StreamPattern>().is_ok());
/// assert!("chat/*/all".parse::<StreamPattern>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StreamPattern {
    name: String,
    is_prefix: bool,
}

impl StreamPattern {
    pub(crate) fn matches(&self, name: &str) -> bool {
        if self.is_prefix { name.starts_with(&self.name) } else { name == self.name }
    }
}

impl FromStr for StreamPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let prefix = text.strip_suffix('*');
        let name = prefix.unwrap_or(text);
        if name.contains('*') || text.is_empty() || name.len() > StreamName::BYTES_MAX || is_reserved(name) {
            return Err(format!(
                "write a stream's name, such as bench, or a prefix and a star, such as chat/*, not {text:?}"
            ));
        }
        Ok(Self { name: name.to_owned(), is_prefix: prefix.is_some() })
    }
}

/// Whether a name is reserved for this server: it starts with `_`.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with('_')
}
