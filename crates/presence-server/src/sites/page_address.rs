//! The address of a page on this server: a path and a query.

use presence_core::Fields;

/// Most values of a query; those after them are left out.
const FIELDS_MAX: usize = 128;

/// A page's address, without scheme and host.
pub(crate) struct PageAddress<'a> {
    /// As the browser sent it, percent-encoded.
    pub(crate) path: &'a str,
    /// Decoded.
    pub(crate) query: Fields,
}

impl<'a> PageAddress<'a> {
    /// The address of this path and query: `/lots?page=2`.
    pub(crate) fn of(address: &'a str) -> Self {
        let (path, query) = address.split_once('?').unwrap_or((address, ""));
        Self { path, query: form_urlencoded::parse(query.as_bytes()).take(FIELDS_MAX).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_decoded_and_bounded() {
        let address = PageAddress::of("/caf%C3%A9?q=a+b%26c&q=2&empty");
        assert_eq!(address.path, "/caf%C3%A9");
        assert_eq!(address.query.iter().collect::<Vec<_>>(), [("q", "a b&c"), ("q", "2"), ("empty", "")]);
        assert_eq!(PageAddress::of("/").query, Fields::default());
        let long = format!("/?{}", "a=1&".repeat(1_000));
        assert_eq!(PageAddress::of(&long).query.all("a").count(), 128);
    }
}
