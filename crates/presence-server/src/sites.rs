//! Whose pages may embed us, what their rooms are called, and who may enter them. Without it two sites could meet in one
//! room by accident, and anybody could be anybody.

mod grant;
mod key;
mod limits;
mod signing;
mod token;

use std::sync::Arc;

use axum::http::StatusCode;
use presence_core::{Room, UserId};

pub(crate) use self::grant::Grant;
use self::key::SiteKeys;
use self::limits::Open;
pub(crate) use self::limits::RoomSeat;
pub use self::signing::{SignRoom, SiteKey};
use self::token::Token;
use crate::config::{Config, Limits, Origin, SitePattern};
use crate::identity::signed_user;
use crate::problem::Problem;
use crate::secret::Secret;

/// What a room's path begins with, behind the host, where a token is needed to enter.
const PRIVATE: &str = "private/";

/// Pages that may meet: those of one origin, or of all sub-domains of a host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Site {
    name: Arc<str>,
    pattern: SitePattern,
}

impl Site {
    fn new(pattern: SitePattern) -> Self {
        Self { name: pattern.to_string().into(), pattern }
    }

    /// The site that one origin is.
    pub(crate) fn of(origin: Origin) -> Self {
        Self::new(SitePattern::Origin(origin))
    }

    /// As it was configured, or its origin: its users and keys are made of that.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// This text as one of the site's hosts, with a port where that is not the usual one.
    fn host(&self, text: &str) -> Option<String> {
        ["https", "http"].into_iter().find_map(|scheme| {
            let origin = format!("{scheme}://{text}").parse::<Origin>().ok()?;
            self.pattern.covers(&origin).then_some(origin.host)
        })
    }

    /// The room that a page on `host` means by this name. One that begins with a host of the same site is whole; any other
    /// is under the page's own host. Slashes at both ends say nothing.
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

/// What somebody gets who may enter a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub(crate) room: Room,
    /// Whom the site's token names; `None`: nobody, the visitor is who they were.
    pub(crate) user: Option<UserId>,
    /// What others are shown of the visitor: JSON, or nothing.
    pub(crate) info: Vec<u8>,
}

/// All sites that may embed us.
pub(crate) struct Sites {
    patterns: Vec<SitePattern>,
    secret: Secret,
    /// The room of the app's own page: no site's page gets in there.
    reserved: Room,
    limits: Limits,
    open: Open,
}

impl Sites {
    pub(crate) fn new(config: &Config, secret: Secret, reserved: Room) -> Self {
        let mut patterns = config.site.clone();
        // The narrowest that fits is a page's site.
        patterns.sort_by_key(|pattern| match pattern {
            SitePattern::Origin(_) => (0, 0),
            SitePattern::Below(parent) => (1, usize::MAX - parent.host.len()),
            SitePattern::Anybody => (2, 0),
        });
        Self { patterns, secret, reserved, limits: config.limits.clone(), open: Open::default() }
    }

    /// The site that pages of this origin belong to, and their host; `None` where they may not embed us.
    pub(crate) fn allows(&self, origin: &str) -> Option<(Site, String)> {
        let origin = origin.parse::<Origin>().ok()?;
        let pattern = self.patterns.iter().find(|pattern| pattern.covers(&origin))?;
        let host = origin.host.clone();
        let site = if *pattern == SitePattern::Anybody { Site::of(origin) } else { Site::new(pattern.clone()) };
        Some((site, host))
    }

    /// The site whose room this is, by a whole name, for what has no origin of its own: a frame, an image.
    pub(crate) fn whose(&self, name: &str) -> Option<(Site, String)> {
        let name = name.trim_matches('/');
        let host = name.split_once('/').map_or(name, |(host, _)| host);
        self.allows(&format!("https://{host}")).or_else(|| self.allows(&format!("http://{host}")))
    }

    /// The room that a page of a site on this host means.
    ///
    /// # Errors
    ///
    /// Where the name is too long, or the room is none that a page may be in.
    pub(crate) fn room(&self, site: &Site, host: &str, name: &str) -> Result<Room, Problem> {
        let room = site.room(host, name).ok_or_else(|| {
            let detail = format!("A room's name has at most {} bytes, its host included.", Room::NAME_BYTES_MAX);
            Problem::new(StatusCode::BAD_REQUEST, detail)
        })?;
        if room == self.reserved {
            return Err(Problem::new(StatusCode::FORBIDDEN, "This is the room of this server's own page."));
        }
        Ok(room)
    }

    /// Whether a token is needed to enter.
    pub(crate) fn is_private(room: &Room) -> bool {
        room.as_str().split_once('/').is_some_and(|(_, path)| path.starts_with(PRIVATE))
    }

    /// Whether that is a private room of a site, or all of a site's private rooms together.
    pub(crate) fn guards(&self, room: &Room) -> bool {
        Self::is_private(room) && self.whose(room.as_str()).is_some()
    }

    /// Lets somebody enter a room, with the site's token or without one. Nothing is kept of it.
    ///
    /// # Errors
    ///
    /// Where the name can't be, the room is private, or the token is not right for it.
    pub(crate) fn enter(
        &self,
        site: &Site,
        host: &str,
        name: &str,
        token: Option<&str>,
        now_s: u64,
    ) -> Result<Entry, Problem> {
        let room = self.room(site, host, name)?;
        let Some(token) = token else {
            if Self::is_private(&room) {
                return Err(forbidden("This room is private: its site has to sign a token for it."));
            }
            return Ok(Entry { room, user: None, info: Vec::new() });
        };
        let keys = self.secret.site_keys(site.name());
        let token = Token::open(token, &SiteKeys::of(&keys)).map_err(forbidden)?;
        if token.exp <= now_s {
            return Err(forbidden("This token has run out: ask the site for a new one."));
        }
        // Of a site with many hosts, a name without one could be anywhere: the site has to say which.
        let meant = match &site.pattern {
            SitePattern::Origin(origin) => site.room(&origin.host, &token.room),
            SitePattern::Below(_) | SitePattern::Anybody => site.room("", &token.room),
        };
        if meant.as_ref() != Some(&room) {
            let detail = format!("This token is for the room {:?}, not for {:?}.", token.room, room.as_str());
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        let user = token.user.map(|user| signed_user(&keys, site.name(), &user.text()));
        let info = token.info.map(|info| info.get().as_bytes().to_vec()).unwrap_or_default();
        Ok(Entry { room, user, info })
    }
}

fn forbidden(detail: &'static str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

#[cfg(test)]
mod tests;
