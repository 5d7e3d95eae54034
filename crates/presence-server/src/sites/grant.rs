//! What a token opens for whoever brings it, without a page that says which site it is of; without it programs outside
//! browsers could not be let in.

use presence_core::Room;

use super::token::Token;
use super::{Site, SiteKeys, Sites, forbidden};
use crate::config::SitePattern;
use crate::problem::Problem;

/// What a good token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Grant {
    /// Whose key signed it.
    pub(crate) site: Site,
    /// The room that it opens.
    pub(crate) room: Room,
    /// The id of whoever brings it, where it says so.
    pub(crate) user: Option<String>,
    /// What others are shown of them, JSON text, where it says so.
    pub(crate) info: Option<String>,
}

impl Sites {
    /// Opens a token. `own` is the site of our own pages, and its host.
    ///
    /// # Errors
    ///
    /// Where no site of ours signed it, or it has run out.
    pub(crate) fn grant(&self, text: &str, own: Option<(Site, String)>, now_s: u64) -> Result<Grant, Problem> {
        let claimed = Token::claimed(text).map_err(forbidden)?;
        let named = self.whose(&claimed.room).into_iter().chain(own);
        let alone = self.patterns.iter().filter_map(|pattern| match pattern {
            SitePattern::Origin(origin) => Some((Site::new(pattern.clone()), origin.host.clone())),
            SitePattern::Below(_) | SitePattern::Anybody => None,
        });
        let keys = |site: &Site| SiteKeys::of(&self.secret.site_keys(site.name()));
        let signed = named.chain(alone).find(|(site, _)| Token::open(text, &keys(site)).is_ok());
        let (site, host) = signed.ok_or_else(|| forbidden("This token was not signed with the key of a site."))?;
        if claimed.exp <= now_s {
            return Err(forbidden("This token has run out: ask the site for a new one."));
        }
        let room = self.room(&site, &host, &claimed.room)?;
        let user = claimed.user.map(|user| user.text());
        Ok(Grant { site, room, user, info: claimed.info.map(|info| info.get().to_owned()) })
    }
}
