//! What an operator says of a site while nodes run: what it may use, and which of its keys are accepted.

use std::path::Path;

use anyhow::{Context as _, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::config::{Limits, SitePattern};
use crate::secret::KeyNumber;

/// Sites in a file, and sites that the API has set.
pub(crate) const SITES_MAX: usize = 1_000;
const FILE_BYTES_MAX: u64 = 1_024 * 1_024;
/// Keys that are accepted at a time: the old one and the new one.
const KEYS_MAX: usize = 2;

/// A site's settings. What is not said is as the node's options have it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SiteSettings {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rooms_per_site: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) users_per_room: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) joins_per_second: Option<u32>,
    /// The keys whose tokens are accepted; none: the first one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) keys: Vec<KeyNumber>,
}

impl SiteSettings {
    /// Fails with a sentence if these can't be a site's settings.
    pub(crate) fn check(&self) -> Result<(), String> {
        let limits = [self.rooms_per_site, self.users_per_room, self.joins_per_second.map(|limit| limit as usize)];
        if limits.contains(&Some(0)) {
            return Err("A limit is 1 or more. To refuse a site, delete it.".to_owned());
        }
        if self.keys.len() > KEYS_MAX || self.keys.first() == self.keys.get(1) && self.keys.len() > 1 {
            return Err("keys has one number, or two different ones.".to_owned());
        }
        Ok(())
    }

    /// The node's limits, with those that the settings have in their place.
    pub(super) fn limits(&self, node: &Limits) -> SiteLimits {
        SiteLimits {
            rooms_per_site: self.rooms_per_site.unwrap_or(node.rooms_per_site),
            users_per_room: self.users_per_room.unwrap_or(node.users_per_room),
            joins_per_second: self.joins_per_second.unwrap_or(node.joins_per_second),
        }
    }
}

/// What one site may use of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct SiteLimits {
    pub(crate) rooms_per_site: usize,
    pub(crate) users_per_room: usize,
    pub(crate) joins_per_second: u32,
}

/// An entry of `--sites-file`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteEntry {
    site: String,
    rooms_per_site: Option<usize>,
    users_per_room: Option<usize>,
    joins_per_second: Option<u32>,
    #[serde(default)]
    keys: Vec<KeyNumber>,
}

/// The sites of a file. An error says what to write.
pub(crate) fn read_sites(file: &Path) -> anyhow::Result<Vec<(SitePattern, SiteSettings)>> {
    let shown = file.display();
    let unreadable = || format!("--sites-file {shown} is not readable");
    let size = std::fs::metadata(file).with_context(unreadable)?.len();
    ensure!(size <= FILE_BYTES_MAX, "--sites-file {shown} has more than {FILE_BYTES_MAX} bytes");
    let text = std::fs::read_to_string(file).with_context(unreadable)?;
    parse(&text).with_context(|| format!("--sites-file {shown}"))
}

fn parse(text: &str) -> anyhow::Result<Vec<(SitePattern, SiteSettings)>> {
    let entries: Vec<SiteEntry> = match serde_json::from_str(text) {
        Ok(entries) => entries,
        Err(wrong) => bail!(
            r#"{wrong}: write an array of sites such as {{"site": "https://shop.example"}}, which may also have rooms_per_site, users_per_room, joins_per_second and keys"#
        ),
    };
    ensure!(entries.len() <= SITES_MAX, "it has {} sites; a file has at most {SITES_MAX}", entries.len());
    let mut sites: Vec<(SitePattern, SiteSettings)> = Vec::with_capacity(entries.len());
    for SiteEntry { site, rooms_per_site, users_per_room, joins_per_second, keys } in entries {
        let pattern: SitePattern = site.parse().map_err(|mistake| anyhow!("site {site:?}: {mistake}"))?;
        let settings = SiteSettings { rooms_per_site, users_per_room, joins_per_second, keys };
        settings.check().map_err(|mistake| anyhow!("site {site:?}: {mistake}"))?;
        ensure!(sites.iter().all(|(known, _)| *known != pattern), "site {site:?} is there twice");
        sites.push((pattern, settings));
    }
    Ok(sites)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_of_a_file_has_the_limits_that_it_names_and_those_of_the_node() {
        let read = parse(r#"[{"site": "https://*.Shop.example", "rooms_per_site": 5, "keys": [2, 1]}, {"site": "*"}]"#);
        let read = read.unwrap();
        assert_eq!(read[0].0.to_string(), "https://*.shop.example");
        let node = crate::Config::of([]).unwrap().limits;
        let limits = read[0].1.limits(&node);
        assert_eq!((limits.rooms_per_site, limits.users_per_room), (5, node.users_per_room));
        assert_eq!((read[0].1.keys.len(), &read[1].1), (2, &SiteSettings::default()));
    }

    #[test]
    fn a_mistake_in_the_file_says_what_to_write() {
        for (text, says) in [
            ("{}", "an array of sites"),
            (r#"[{"site": "shop.example"}]"#, "https://shop.example"),
            (r#"[{"site": "https://a.example", "room_per_site": 5}]"#, "rooms_per_site"),
            (r#"[{"site": "https://a.example", "rooms_per_site": 0}]"#, "1 or more"),
            (r#"[{"site": "https://a.example", "keys": [1, 1]}]"#, "two different"),
            (r#"[{"site": "https://a.example", "keys": [1, 2, 3]}]"#, "two different"),
            (r#"[{"site": "https://a.example", "keys": [0]}]"#, "line 1"),
            (r#"[{"site": "https://a.example"}, {"site": "https://A.example/"}]"#, "twice"),
        ] {
            let mistake = format!("{:#}", parse(text).unwrap_err());
            assert!(mistake.contains(says), "{text}: {mistake}");
        }
    }
}
