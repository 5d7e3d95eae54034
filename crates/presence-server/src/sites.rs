//! Sites that may embed this server: their rooms, and who may be in them.

mod embed_site;
mod error;
mod grant;
mod limits;
mod page_address;
mod room_name;
mod settings;
pub(crate) mod shared;
mod signing;
mod stats;
mod table;
mod token;
mod user_token;

use std::sync::Arc;

use parking_lot::Mutex;
use presence_core::{Room, UserId};
use tokio::sync::watch;

pub(crate) use self::embed_site::{EmbedSite, SitePage};
pub(crate) use self::error::{RoomError, TokenError};
pub(crate) use self::grant::Grant;
use self::limits::SiteUsage;
pub(crate) use self::limits::{RoomPermit, network};
pub(crate) use self::page_address::PageAddress;
use self::room_name::room_or_path;
pub(crate) use self::room_name::{normal_form, normalised};
use self::settings::SiteLimits;
pub(crate) use self::settings::{SITES_MAX, SiteSettings, read_sites};
pub use self::signing::{SignRoom, SiteKey};
use self::stats::SiteStats;
pub(crate) use self::stats::{SiteConnection, SiteCounters};
use self::table::SiteSources;
pub(crate) use self::table::{KnownSite, SiteSource, SiteTable};
use self::token::{RoomToken, check_expiry};
pub(crate) use self::user_token::UserTokens;
use crate::config::{Config, Limits, Origin, SitePattern};
use crate::identity::signed_user;
use crate::secret::Secret;
use crate::signing::TextKeys;
use crate::watched_files::WatchedFiles;

/// Rooms whose path, after the host, starts with this need a token.
const PRIVATE: &str = "private/";

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
    sources: Mutex<SiteSources>,
    /// What the sources say together.
    table: watch::Sender<Arc<SiteTable>>,
    secret: Secret,
    /// The room of the app's own page, which pages of sites may not be in.
    reserved: Room,
    limits: Limits,
    usage: SiteUsage,
    stats: SiteStats,
}

impl Sites {
    /// The sites of the command line.
    pub(crate) fn new(config: &Config, secret: Secret, reserved: Room) -> Self {
        let sites = Self {
            sources: Mutex::default(),
            table: watch::Sender::new(Arc::default()),
            secret,
            reserved,
            limits: config.limits.clone(),
            usage: SiteUsage::default(),
            stats: SiteStats::default(),
        };
        let named = config.site.iter().map(|pattern| (pattern.clone(), SiteSettings::default()));
        sites.set(SiteSource::CommandLine, named.collect());
        sites
    }

    /// The sites of the command line and of the file, which is read again when it changes. Fails if the file can't be used.
    pub(crate) fn open(config: &Config, secret: Secret, reserved: Room) -> anyhow::Result<Arc<Self>> {
        let sites = Arc::new(Self::new(config, secret, reserved));
        let Some(file) = config.sites_file.clone() else { return Ok(sites) };
        let watched = WatchedFiles::new("the sites", [file.clone()]);
        sites.set(SiteSource::File, read_sites(&file)?);
        let weak = Arc::downgrade(&sites);
        tokio::spawn(watched.follow(move || {
            let sites = weak.upgrade()?;
            Some(read_sites(&file).map(|read| sites.set(SiteSource::File, read)))
        }));
        Ok(sites)
    }

    /// Sets all sites of one source.
    fn set(&self, source: SiteSource, named: Vec<(SitePattern, SiteSettings)>) {
        let mut sources = self.sources.lock();
        sources.set(source, named);
        let table = Arc::new(sources.table());
        self.table.send_if_modified(|known| {
            let changed = **known != *table;
            *known = table;
            changed
        });
    }

    /// All sites that are known now.
    pub(crate) fn table(&self) -> Arc<SiteTable> {
        Arc::clone(&self.table.borrow())
    }

    /// Waits until the API's settings of a site are these here; `None`: none.
    pub(crate) async fn until(&self, site: &SitePattern, settings: Option<&SiteSettings>) {
        let name = site.to_string();
        let mut table = self.table.subscribe();
        let of_api = |table: &Arc<SiteTable>| {
            let known = table.named(&name).filter(|site| site.source == SiteSource::Api);
            known.map(|site| &site.settings) == settings
        };
        // Can't fail: the sender is this one's.
        drop(table.wait_for(of_api).await);
    }

    /// What pages of a quota may use.
    fn limits_of(&self, quota: &str) -> SiteLimits {
        let table = self.table.borrow();
        table.named(quota).map_or(&SiteSettings::default(), |site| &site.settings).limits(&self.limits)
    }

    /// The keys whose tokens a site's pages may use.
    fn keys(&self, site: &EmbedSite) -> TextKeys {
        let table = self.table.borrow();
        let numbers = table.named(&site.quota).map_or(&[][..], |site| &site.settings.keys);
        TextKeys::of(&self.secret.site_keys(site.name(), numbers))
    }

    /// The site of pages of this origin; `None` if they may not embed this server.
    pub(crate) fn page(&self, origin: &str) -> Option<SitePage> {
        let origin = origin.parse::<Origin>().ok()?;
        let table = self.table.borrow();
        let known = table.covering(&origin)?;
        if known.pattern == SitePattern::Anybody {
            return Some(SitePage { host: origin.host.clone(), site: EmbedSite::anybody(origin) });
        }
        Some(SitePage { site: EmbedSite::new(known.pattern.clone()), host: origin.host })
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
        let table = self.table();
        let of_apps = table.all().iter().filter_map(|site| match &site.pattern {
            SitePattern::Origin(origin) if !origin.is_web() => Some(origin.scheme.as_str()),
            _ => None,
        });
        ["https", "http"].into_iter().chain(of_apps).find_map(|scheme| self.page(&format!("{scheme}://{host}")))
    }

    /// The origin of a room, stream or path with a complete name; `None` if it is no site's.
    pub(crate) fn origin_of(&self, name: &str) -> Option<Origin> {
        let own = self.reserved.as_str().split('/').next() == name.split('/').next();
        self.page_of_room(name).filter(|_| !own).and_then(|page| page.origin())
    }

    /// What the site of a room is counted as, by the room's host; `None` if the room is no site's.
    pub(crate) fn counted_as(&self, host: &str) -> Option<Arc<str>> {
        let own = self.reserved.as_str().split('/').next() == Some(host);
        self.page_of_room(host).filter(|_| !own).map(|page| page.site.quota)
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
        let admitted = self.admission(page, name, token, now_s);
        admitted.inspect_err(|error| self.stats.refused(&page.site.quota, error))
    }

    fn admission(&self, page: &SitePage, name: &str, token: Option<&str>, now_s: u64) -> Result<Admission, RoomError> {
        let room = self.room(page, name)?;
        let Some(token) = token else {
            if Self::is_private(&room) {
                return Err(RoomError::TokenMissing);
            }
            return Ok(Admission { room, user: None, info: Vec::new() });
        };
        let site = &page.site;
        let token = RoomToken::open(token, &self.keys(site))?;
        check_expiry(token.exp, now_s)?;
        // If a site has many hosts, its tokens must name one.
        let meant = match &site.pattern {
            SitePattern::Origin(origin) => site.room(&origin.host, &token.room),
            SitePattern::Below(_) | SitePattern::Anybody => site.room("", &token.room),
        };
        if meant.as_ref() != Some(&room) {
            return Err(RoomError::TokenForOtherRoom { token: token.room, room });
        }
        let user_key = || self.secret.site_user_key(site.name());
        let user = token.user.map(|user| signed_user(&user_key(), site.name(), &user.text()));
        let info = token.info.map(|info| info.get().as_bytes().to_vec()).unwrap_or_default();
        Ok(Admission { room, user, info })
    }
}

#[cfg(test)]
mod tests;
