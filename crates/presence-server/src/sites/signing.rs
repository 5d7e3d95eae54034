//! The commands that print tokens and keys for the owner of a site.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use serde_json::value::RawValue;

use super::EmbedSite;
use super::token::{RoomToken, TokenUser};
use crate::clock::wall_ms;
use crate::config::{Secrets, SitePattern, expiry};
use crate::secret::{KeyNumber, Secret};
use crate::signing::TextKeys;

/// Prints a token that lets a visitor into a room.
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
#[command(about = "Prints a token that lets a visitor into a room", long_about = None)]
pub struct SignRoom {
    /// The room: shop.example/private/orders/7, or private/orders/7 if the site is one host
    #[arg(value_name = "ROOM")]
    room: String,

    /// The site as in the node's --site; if that is *, the origin of the page
    #[arg(long, value_name = "ORIGIN")]
    site: SitePattern,

    /// The visitor's id on the site, which makes one user on all devices [default: none, so that each browser is a user]
    #[arg(long, value_name = "ID")]
    user: Option<String>,

    /// What others are shown about the visitor, JSON of at most 1 KiB
    #[arg(long, value_name = "JSON")]
    info: Option<String>,

    /// How long the token is valid
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = expiry)]
    expires: Duration,

    /// Which of the site's keys: the first one unless the site's settings accept others
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = KeyNumber::from_str)]
    key_number: KeyNumber,

    /// The data directory of a node without GP_SECRET, which holds the secret
    #[arg(long, env = "GP_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl SignRoom {
    /// The token, signed with the site's key.
    ///
    /// # Errors
    ///
    /// If there is no secret, or the token could never be used.
    pub fn token(&self) -> anyhow::Result<String> {
        let site = site(&self.site)?;
        let whole = match &site.pattern {
            SitePattern::Origin(origin) => site.room(&origin.host, &self.room),
            SitePattern::Below(_) | SitePattern::Anybody => {
                let host = self.room.split('/').next().unwrap_or_default();
                site.host(host).and_then(|host| site.room(&host, &self.room))
            }
        };
        let room = whole.with_context(|| {
            format!(
                "{:?} has no host of the site: if a site has many hosts, write the room with its host, such as \
                 a.shop.example/private/7",
                self.room
            )
        })?;
        let info = self.info.clone().map(RawValue::from_string).transpose();
        let token = RoomToken {
            room: room.to_string(),
            exp: wall_ms() / 1_000 + self.expires.as_secs(),
            user: self.user.clone().map(TokenUser::Text),
            info: info.map_err(|_| anyhow!("--info must be JSON, such as '{{\"name\":\"Ada\"}}'"))?,
        };
        token.check().map_err(|error| anyhow!("{error}"))?;
        Ok(token.sign(&keys(&site, self.key_number, self.data_dir.as_deref())?.0))
    }
}

/// Prints the key that a site signs its tokens with.
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
#[command(about = "Prints the key that a site signs its tokens with", long_about = None)]
pub struct SiteKey {
    /// The site as in the node's --site; if that is *, the origin of the page
    #[arg(long, value_name = "ORIGIN")]
    site: SitePattern,

    /// Which of the site's keys: the first one unless the site's settings accept others
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = KeyNumber::from_str)]
    key_number: KeyNumber,

    /// The data directory of a node without GP_SECRET, which holds the secret
    #[arg(long, env = "GP_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
}

impl SiteKey {
    /// The key, and advice for the operator during a rotation of `GP_SECRET`.
    ///
    /// # Errors
    ///
    /// If there is no secret.
    pub fn key(&self) -> anyhow::Result<(String, Option<&'static str>)> {
        let (keys, rotating) = keys(&site(&self.site)?, self.key_number, self.data_dir.as_deref())?;
        let advice = "this key belongs to GP_SECRET: if that is the new secret, use the key as soon as every node accepts it, and before you remove GP_SECRET_ACCEPTED";
        Ok((keys.signing().to_owned(), rotating.then_some(advice)))
    }
}

fn site(pattern: &SitePattern) -> anyhow::Result<EmbedSite> {
    if *pattern == SitePattern::Anybody {
        bail!(
            "with --site '*' every origin has its own key: write the origin of the page, such as https://shop.example"
        );
    }
    Ok(EmbedSite::new(pattern.clone()))
}

/// The site's keys, and whether a rotation is in progress.
fn keys(site: &EmbedSite, number: KeyNumber, data_dir: Option<&Path>) -> anyhow::Result<(TextKeys, bool)> {
    let secret = Secret::existing(&Secrets::from_environment(), data_dir)?;
    Ok((TextKeys::of(&secret.site_keys(site.name(), &[number])), secret.is_rotating()))
}
