//! A request as an app is shown it.

use axum::extract::Request;
use axum::http::Method;
use presence_core::{PageRequest, Room, SignedUser};

use crate::sites::PageAddress;

/// Whether a request changes nothing.
pub(super) fn reads(request: &Request) -> bool {
    matches!(*request.method(), Method::GET | Method::HEAD)
}

/// What the browser sent.
pub(super) struct SentRequest<'a> {
    pub(super) address: PageAddress<'a>,
    /// Those that are text.
    headers: Vec<(&'a str, &'a str)>,
}

impl<'a> SentRequest<'a> {
    pub(super) fn of(request: &'a Request) -> Self {
        let address = request.uri().path_and_query().map_or("/", |address| address.as_str());
        let texts = request.headers().iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        Self { address: PageAddress::of(address), headers: texts.collect() }
    }

    /// The request to a site, from this user if they have signed in.
    pub(super) fn asked<'b>(&'b self, site: &'b Room, signed: Option<&'b SignedUser>) -> PageRequest<'b> {
        PageRequest { site, path: self.address.path, query: &self.address.query, headers: &self.headers, signed }
    }
}
