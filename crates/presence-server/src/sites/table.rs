//! The sites that a node knows, from three sources. Of a site that several of them name, the last one says what it may do.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::SiteSettings;
use crate::config::{Origin, SitePattern};

/// Where a site is from, the weakest source first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum SiteSource {
    /// `--site`
    CommandLine,
    /// `--sites-file`
    File,
    /// `/api/v1/sites`
    Api,
}

impl SiteSource {
    /// The word in the API.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CommandLine => "command_line",
            Self::File => "file",
            Self::Api => "api",
        }
    }
}

/// A site and what is said of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct KnownSite {
    pub(crate) pattern: SitePattern,
    pub(crate) name: Arc<str>,
    pub(crate) settings: SiteSettings,
    pub(crate) source: SiteSource,
}

/// All known sites, the narrowest first: a page belongs to the first one that covers it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct SiteTable {
    sites: Vec<KnownSite>,
}

/// What each source says.
#[derive(Debug, Default)]
pub(super) struct SiteSources(BTreeMap<SiteSource, Vec<(SitePattern, SiteSettings)>>);

impl SiteSources {
    pub(super) fn set(&mut self, source: SiteSource, sites: Vec<(SitePattern, SiteSettings)>) {
        self.0.insert(source, sites);
    }

    pub(super) fn table(&self) -> SiteTable {
        let mut by_name = BTreeMap::new();
        for (source, sites) in &self.0 {
            for (pattern, settings) in sites {
                let name: Arc<str> = pattern.to_string().into();
                let (pattern, settings) = (pattern.clone(), settings.clone());
                by_name.insert(Arc::clone(&name), KnownSite { pattern, name, settings, source: *source });
            }
        }
        let mut sites: Vec<_> = by_name.into_values().collect();
        sites.sort_by_key(|site| match &site.pattern {
            SitePattern::Origin(_) => (0, 0),
            SitePattern::Below(parent) => (1, usize::MAX - parent.host.len()),
            SitePattern::Anybody => (2, 0),
        });
        SiteTable { sites }
    }
}

impl SiteTable {
    pub(crate) fn all(&self) -> &[KnownSite] {
        &self.sites
    }

    /// The site of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&KnownSite> {
        self.sites.iter().find(|site| &*site.name == name)
    }

    /// The narrowest site that covers an origin.
    pub(super) fn covering(&self, origin: &Origin) -> Option<&KnownSite> {
        self.sites.iter().find(|site| site.pattern.covers(origin))
    }
}
