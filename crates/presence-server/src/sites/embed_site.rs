//! The site of a page: its name, and the rooms that its pages mean.

use std::sync::Arc;

use presence_core::Room;

use super::room_name::normal_form;
use crate::config::{Origin, SitePattern};

/// Pages that share rooms: those of one origin, or of all sub-domains of a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EmbedSite {
    name: Arc<str>,
    pub(super) pattern: SitePattern,
    /// Sites of the same quota share their limits: anyone can invent an origin that `*` covers.
    pub(super) quota: Arc<str>,
}

impl EmbedSite {
    pub(super) fn new(pattern: SitePattern) -> Self {
        let name: Arc<str> = pattern.to_string().into();
        Self { quota: Arc::clone(&name), name, pattern }
    }

    /// The site of one of the origins that `*` covers.
    pub(super) fn anybody(origin: Origin) -> Self {
        Self { quota: SitePattern::Anybody.to_string().into(), ..Self::of(origin) }
    }

    /// The site of one origin.
    pub(crate) fn of(origin: Origin) -> Self {
        Self::new(SitePattern::Origin(origin))
    }

    /// The site as it was configured, or its origin. Its users and keys are derived from this text.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn scheme(&self) -> Option<&str> {
        match &self.pattern {
            SitePattern::Origin(origin) | SitePattern::Below(origin) => Some(&origin.scheme),
            SitePattern::Anybody => None,
        }
    }

    /// Parses this text as one of the site's hosts, with its port unless that is the default.
    pub(super) fn host(&self, text: &str) -> Option<String> {
        let scheme = self.scheme()?;
        let origin = format!("{scheme}://{text}").parse::<Origin>().ok()?;
        self.pattern.covers(&origin).then_some(origin.host)
    }

    /// The room that a page on `host` means by this name. A name that starts with a host of the site is complete; any other
    /// is below the page's own host.
    pub(super) fn room(&self, host: &str, name: &str) -> Option<Room> {
        let name = &*normal_form(name);
        let (first, rest) = name.split_once('/').unwrap_or((name, ""));
        let (host, path) = match self.host(first) {
            Some(first) => (first, rest),
            None => (host.to_owned(), name),
        };
        Room::new(&if path.is_empty() { host } else { format!("{host}/{path}") })
    }
}

/// A page's site, and the page's host with its port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct SitePage {
    pub(crate) site: EmbedSite,
    pub(crate) host: String,
}

impl SitePage {
    /// A page of the site that one origin is.
    pub(crate) fn of(origin: Origin) -> Self {
        let host = origin.host.clone();
        Self { site: EmbedSite::of(origin), host }
    }

    pub(super) fn origin(&self) -> Option<Origin> {
        let scheme = self.site.scheme()?.to_owned();
        Some(Origin { scheme, host: self.host.clone() })
    }
}
