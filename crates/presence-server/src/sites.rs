//! Sites that may embed this server: their rooms, and who may be in them.

mod error;
mod grant;
mod limits;
mod room_name;
mod signing;
mod token;

use std::sync::Arc;

use presence_core::{Room, UserId};

pub(crate) use self::error::{RoomError, TokenError};
pub(crate) use self::grant::Grant;
use self::limits::SiteUsage;
pub(crate) use self::limits::{RoomPermit, network};
use self::room_name::room_or_path;
pub(crate) use self::room_name::{normal_form, normalised};
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
    /// Sites of the same quota share their limits: anyone can invent an origin that `*` covers.
    quota: Arc<str>,
}

impl EmbedSite {
    fn new(pattern: SitePattern) -> Self {
        let name: Arc<str> = pattern.to_string().into();
        Self { quota: Arc::clone(&name), name, pattern }
    }

    /// The site of one of the origins that `*` covers.
    fn anybody(origin: Origin) -> Self {
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

    /// Parses this text as one of the site's hosts, with its port unless that is the default.
    fn host(&self, text: &str) -> Option<String> {
        let scheme = match &self.pattern {
            SitePattern::Origin(origin) | SitePattern::Below(origin) => &origin.scheme,
            SitePattern::Anybody => return None,
        };
        let origin = format!("{scheme}://{text}").parse::<Origin>().ok()?;
        self.pattern.covers(&origin).then_some(origin.host)
    }

    /// The room that a page on `host` means by this name. A name that starts with a host of the site is complete; any other
    /// is below the page's own host.
    fn room(&self, host: &str, name: &str) -> Option<Room> {
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
            return Some(SitePage { host: origin.host.clone(), site: EmbedSite::anybody(origin) });
        }
        Some(SitePage { site: EmbedSite::new(pattern.clone()), host: origin.host })
    }

    /// The room of a complete name, or of a path of rooms, which ends with a slash. `None`: no room can have this name.
    pub(crate) fn named(&self, name: &str) -> Option<Room> {
        let room = room_or_path(name)?;
        let (first, rest) = room.as_str().split_once('/').unwrap_or((room.as_str(), ""));
        let own = self.reserved.as_str().split('/').next() == Some(first);
        let page = self.page_of_room(first).filter(|page| !own && page.host != first);
        // Hosts are compared without regard to case and the default port.
        match page {
            Some(page) if room.as_str() == first => Room::new(&page.host),
            Some(page) => Room::new(&format!("{}/{rest}", page.host)),
            None => Some(room),
        }
    }

    /// The site of a room with a complete name.
    pub(crate) fn page_of_room(&self, name: &str) -> Option<SitePage> {
        let name = name.trim_start_matches('/');
        let host = name.split_once('/').map_or(name, |(host, _)| host);
        let of_apps = self.patterns.iter().filter_map(|pattern| match pattern {
            SitePattern::Origin(origin) if !origin.is_web() => Some(origin.scheme.as_str()),
            _ => None,
        });
        ["https", "http"].into_iter().chain(of_apps).find_map(|scheme| self.page(&format!("{scheme}://{host}")))
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

    /// The prefix of the private rooms below a path; `None` if none are below it.
    pub(crate) fn private_below(path: &Room) -> Option<String> {
        let (first, rest) = path.as_str().split_once('/')?;
        rest.is_empty().then(|| format!("{first}/{PRIVATE}"))
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
