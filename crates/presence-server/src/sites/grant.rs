//! Tokens of visitors without an origin, such as programs outside browsers.

use presence_core::Room;

use super::token::{RoomToken, check_expiry};
use super::{EmbedSite, RoomError, SitePage, Sites, TokenError};
use crate::config::SitePattern;

/// Sites whose keys are tried for a token that names a room without its host: anybody may send tokens that no site has signed.
const TRIED_MAX: usize = 64;

/// What a valid token grants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Grant {
    /// The site that signed it.
    pub(crate) site: EmbedSite,
    pub(crate) room: Room,
    /// The visitor's id, if the token has one.
    pub(crate) user: Option<String>,
    /// What others are shown about the visitor, JSON text, if the token has it.
    pub(crate) info: Option<String>,
}

impl Sites {
    /// Opens a token that any site may have signed. `own` is the server's own page.
    pub(crate) fn grant(&self, text: &str, own: Option<SitePage>, now_s: u64) -> Result<Grant, RoomError> {
        let claims = RoomToken::unverified(text)?;
        let named = self.page_of_room(&claims.room).into_iter().chain(own);
        let table = self.table();
        let with_one_host = table.all().iter().filter_map(|site| match &site.pattern {
            SitePattern::Origin(origin) => Some(SitePage::of(origin.clone())),
            SitePattern::Below(_) | SitePattern::Anybody => None,
        });
        let tried = named.chain(with_one_host.take(TRIED_MAX));
        let signer = tried.into_iter().find(|page| RoomToken::open(text, &self.keys(&page.site)).is_ok());
        let page = signer.ok_or(TokenError::NotSignedByAnySite)?;
        check_expiry(claims.exp, now_s)?;
        let room = self.room(&page, &claims.room)?;
        let user = claims.user.map(|user| user.text());
        Ok(Grant { site: page.site, room, user, info: claims.info.map(|info| info.get().to_owned()) })
    }
}
