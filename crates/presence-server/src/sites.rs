//! Sites that may embed this server: their rooms, and who may be in them.

mod error;
mod grant;
mod limits;
mod signing;
mod token;

use std::sync::Arc;

use presence_core::{Room, UserId};

pub(crate) use self::error::{RoomError, TokenError};
pub(crate) use self::grant::Grant;
pub(crate) use self::limits::RoomPermit;
use self::limits::SiteUsage;
pub use self::signing::{SignRoom, SiteKey};
use self::token::RoomToken;
use crate::config::{Config, Limits, Origin, SitePattern};
use crate::identity::signed_user;
use crate::secret::Secret;
use crate::signing::TextKeys;

/// Rooms whose path, after the host, starts with this need a token.
const PRIVATE: &str = "private/";

/// Pages that share rooms: those of one origin, or of all sub-domains of a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct EmbedSite {
    name: Arc<str>,
    pattern: SitePattern,
}

impl EmbedSite {
    fn new(pattern: SitePattern) -> Self {
        Self { name: pattern.to_string().into(), pattern }
    }

    /// The site of one origin.
    pub(crate) fn of(origin: Origin) -> Self {
        Self::new(SitePattern::Origin(origin))
    }

    /// The site as it was configured, or its origin. Its users and keys are derived from this text.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Parses this text as one of the site's hosts, with its port unless that is the default.
    fn host(&self, text: &str) -> Option<String> {
        ["https", "http"].into_iter().find_map(|scheme| {
            let origin = format!("{scheme}://{text}").parse::<Origin>().ok()?;
            self.pattern.covers(&origin).then_some(origin.host)
        })
    }

    /// The room that a page on `host` means by this name. A name that starts with a host of the site is complete; any other
    /// is below the page's own host. Slashes at both ends are ignored.
    fn room(&self, host: &str, name: &str) -> Option<Room> {
        let name = name.trim_matches('/');
        let (first, rest) = name.split_once('/').map_or((name, ""), |(first, rest)| (first, rest));
        let (host, path) = match self.host(first) {
            Some(first) => (first, rest.trim_start_matches('/')),
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
}

/// A visitor's right to be in a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Admission {
    pub(crate) room: Room,
    /// The user that the site's token names; `None`: the visitor's own.
    pub(crate) user: Option<UserId>,
    /// What others are shown about the visitor: JSON, or nothing.
    pub(crate) info: Vec<u8>,
}

/// All sites that may embed this server.
pub(crate) struct Sites {
    patterns: Vec<SitePattern>,
    secret: Secret,
    /// The room of the app's own page, which pages of sites may not be in.
    reserved: Room,
    limits: Limits,
    usage: SiteUsage,
}

impl Sites {
    pub(crate) fn new(config: &Config, secret: Secret, reserved: Room) -> Self {
        let mut patterns = config.site.clone();
        // A page belongs to the narrowest site that covers it.
        patterns.sort_by_key(|pattern| match pattern {
            SitePattern::Origin(_) => (0, 0),
            SitePattern::Below(parent) => (1, usize::MAX - parent.host.len()),
            SitePattern::Anybody => (2, 0),
        });
        Self { patterns, secret, reserved, limits: config.limits.clone(), usage: SiteUsage::default() }
    }

    /// The site of pages of this origin; `None` if they may not embed this server.
    pub(crate) fn page(&self, origin: &str) -> Option<SitePage> {
        let origin = origin.parse::<Origin>().ok()?;
        let pattern = self.patterns.iter().find(|pattern| pattern.covers(&origin))?;
        if *pattern == SitePattern::Anybody {
            return Some(SitePage::of(origin));
        }
        Some(SitePage { site: EmbedSite::new(pattern.clone()), host: origin.host })
    }

    /// The site of a room with a complete name.
    pub(crate) fn page_of_room(&self, name: &str) -> Option<SitePage> {
        let name = name.trim_matches('/');
        let host = name.split_once('/').map_or(name, |(host, _)| host);
        self.page(&format!("https://{host}")).or_else(|| self.page(&format!("http://{host}")))
    }

    /// The room that a page of a site means.
    fn room(&self, page: &SitePage, name: &str) -> Result<Room, RoomError> {
        let room = page.site.room(&page.host, name).ok_or(RoomError::NameTooLong)?;
        if room == self.reserved { Err(RoomError::Reserved) } else { Ok(room) }
    }

    /// Whether a room needs a token.
    pub(crate) fn is_private(room: &Room) -> bool {
        room.as_str().split_once('/').is_some_and(|(_, path)| path.starts_with(PRIVATE))
    }

    /// Whether this is a private room of a site, or a path above private rooms of a site.
    pub(crate) fn guards(&self, room: &Room) -> bool {
        Self::is_private(room) && self.page_of_room(room.as_str()).is_some()
    }

    /// Lets a visitor of a page into a room, with the site's token or without one.
    pub(crate) fn admit(
        &self,
        page: &SitePage,
        name: &str,
        token: Option<&str>,
        now_s: u64,
    ) -> Result<Admission, RoomError> {
        let room = self.room(page, name)?;
        let Some(token) = token else {
            if Self::is_private(&room) {
                return Err(RoomError::TokenMissing);
            }
            return Ok(Admission { room, user: None, info: Vec::new() });
        };
        let site = &page.site;
        let keys = self.secret.site_keys(site.name());
        let token = RoomToken::open(token, &TextKeys::of(&keys))?;
        if token.exp <= now_s {
            return Err(RoomError::TokenExpired);
        }
        // If a site has many hosts, its tokens must name one.
        let meant = match &site.pattern {
            SitePattern::Origin(origin) => site.room(&origin.host, &token.room),
            SitePattern::Below(_) | SitePattern::Anybody => site.room("", &token.room),
        };
        if meant.as_ref() != Some(&room) {
            return Err(RoomError::TokenForOtherRoom { token: token.room, room });
        }
        let user = token.user.map(|user| signed_user(&keys, site.name(), &user.text()));
        let info = token.info.map(|info| info.get().as_bytes().to_vec()).unwrap_or_default();
        Ok(Admission { room, user, info })
    }
}

#[cfg(test)]
mod tests;
