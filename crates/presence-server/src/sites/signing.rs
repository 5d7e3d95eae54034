//! What the command line signs and prints for a site's owner.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde_json::value::RawValue;

use super::Site;
use super::key::SiteKeys;
use super::token::{Token, User};
use crate::clock::wall_ms;
use crate::config::{Secrets, SitePattern, lasting};
use crate::secret::Secret;

/// Prints a token that lets somebody into a room.
///
/// ```no_run
/// # fn main() -> anyhow::Result<()> {
/// use clap::Parser;
/// use presence_server::SignRoom;
///
/// #[derive(Parser)]
/// struct Line {
///     #[command(flatten)]
///     room: SignRoom,
/// }
///
/// // With GP_SECRET in the environment.
/// let line = Line::parse_from(["sign", "private/orders/7", "--site", "https://shop.example"]);
/// println!("{}", line.room.token()?);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Args)]
#[command(about = "Prints a token that lets somebody into a room", long_about = None)]
pub struct SignRoom {
    /// The room: shop.example/private/orders/7, or private/orders/7 where the site is one host
    #[arg(value_name = "ROOM")]
    room: String,

    /// The site as the node was told it with --site; where that is *, the origin of the page
    #[arg(long, value_name = "ORIGIN")]
    site: SitePattern,

    /// The visitor as the site knows it: one user on all devices [default: whoever has the token]
    #[arg(long, value_name = "ID")]
    user: Option<String>,

    /// What others are shown of the visitor, JSON of at most 1 KiB
    #[arg(long, value_name = "JSON")]
    info: Option<String>,

    /// How long the token can be used
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = lasting)]
    expires: Duration,

    /// Where a node without GP_SECRET keeps its own
    #[arg(long, env = "GP_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl SignRoom {
    /// The token, signed with the site's key.
    ///
    /// # Errors
    ///
    /// Where there is no secret to make the key from, or the token could never be used.
    pub fn token(&self) -> anyhow::Result<String> {
        let site = named(&self.site)?;
        let whole = match &site.pattern {
            SitePattern::Origin(origin) => site.room(&origin.host, &self.room),
            SitePattern::Below(_) | SitePattern::Anybody => {
                let host = self.room.split('/').next().unwrap_or_default();
                site.host(host).and_then(|host| site.room(&host, &self.room))
            }
        };
        let room = whole.with_context(|| {
            format!(
                "of a site with many hosts the room names one, such as a.shop.example/private/7, not {:?}",
                self.room
            )
        })?;
        let info = self.info.clone().map(RawValue::from_string).transpose();
        let token = Token {
            room: room.to_string(),
            exp: wall_ms() / 1_000 + self.expires.as_secs(),
            user: self.user.clone().map(User::Text),
            info: info.map_err(|_| anyhow!("--info is JSON, such as '{{\"name\":\"Ada\"}}'"))?,
        };
        token.check().map_err(|mistake| anyhow!(mistake))?;
        Ok(token.signed(&keys(&site, self.data_dir.as_deref())?.0))
    }
}

/// Prints the key with which a site signs tokens itself.
///
/// ```no_run
/// # fn main() -> anyhow::Result<()> {
/// use clap::Parser;
/// use presence_server::SiteKey;
///
/// #[derive(Parser)]
/// struct Line {
///     #[command(flatten)]
///     site: SiteKey,
/// }
///
/// // With GP_SECRET in the environment.
/// let line = Line::parse_from(["key", "--site", "https://shop.example"]);
/// println!("{}", line.site.key()?.0);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Args)]
#[command(about = "Prints the key with which a site signs tokens itself", long_about = None)]
pub struct SiteKey {
    /// The site as the node was told it with --site; where that is *, the origin of the page
    #[arg(long, value_name = "ORIGIN")]
    site: SitePattern,

    /// Where a node without GP_SECRET keeps its own
    #[arg(long, env = "GP_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl SiteKey {
    /// The key, and while `GP_SECRET` is being changed a sentence about that.
    ///
    /// # Errors
    ///
    /// Where there is no secret to make the key from.
    pub fn key(&self) -> anyhow::Result<(String, Option<&'static str>)> {
        let (keys, changing) = keys(&named(&self.site)?, self.data_dir.as_deref())?;
        let said = "this is the key of the new GP_SECRET: use it once every node has that, before GP_SECRET_PREVIOUS is dropped";
        Ok((keys.newest().to_owned(), changing.then_some(said)))
    }
}

fn named(pattern: &SitePattern) -> anyhow::Result<Site> {
    if *pattern == SitePattern::Anybody {
        bail!("under --site '*' every origin has a key of its own: write the page's, such as https://shop.example");
    }
    Ok(Site::new(pattern.clone()))
}

/// The site's keys, and whether the secret behind them is being changed.
fn keys(site: &Site, data_dir: Option<&Path>) -> anyhow::Result<(SiteKeys, bool)> {
    let secret = Secret::known(&Secrets::from_environment(), data_dir)?;
    Ok((SiteKeys::of(&secret.site_keys(site.name())), secret.is_changing()))
}
