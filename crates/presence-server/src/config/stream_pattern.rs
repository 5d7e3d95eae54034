//! Which streams a `--public-streams` means.

use std::str::FromStr;

use presence_core::StreamName;

/// Names of streams: one name, or with `*` at its end all that begin so.
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
    begins: String,
    more: bool,
}

impl StreamPattern {
    pub(crate) fn matches(&self, name: &str) -> bool {
        if self.more { name.starts_with(&self.begins) } else { name == self.begins }
    }
}

impl FromStr for StreamPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (begins, more) = text.strip_suffix('*').map_or((text, false), |begins| (begins, true));
        if begins.contains('*') || text.is_empty() || begins.len() > StreamName::BYTES_MAX || is_reserved(begins) {
            return Err(format!(
                "write a stream's name, such as bench, or how names begin and a star, such as chat/*, not {text:?}"
            ));
        }
        Ok(Self { begins: begins.to_owned(), more })
    }
}

/// Names that begin with `_` are kept for ourselves.
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with('_')
}
