//! Carries: HTTP, WebSockets, the mesh, the disk. It knows nothing of what is drawn and decides nothing about presence.
//!
//! | File | Without it |
//! |---|---|
//! | `config` | no setting could be given, or a wrong one would be found out at night |
//! | `telemetry` | nobody could follow a node's life |
//! | `secret`, `identity` | nobody could be told from anybody else |
//! | `sites` | no other page could show who is there |
//! | `web`, `api` | nothing would be served |
//! | `asset`, `client` | pages would have neither script nor style |
//! | `socket`, `hub` | nothing would be live |
//! | `driver`, `views`, `queries` | nobody would feed the node, nobody could read what it knows |
//! | `mesh`, `certificate` | a node would be alone |
//! | `store` | a restart would forget |

mod api;
mod asset;
pub mod certificate;
mod client;
mod config;
mod driver;
mod hub;
mod identity;
pub mod mesh;
mod moment;
mod queries;
mod running;
mod secret;
mod sites;
mod socket;
mod store;
mod telemetry;
mod views;
mod web;

use std::sync::Arc;

pub use asset::Asset;
pub use client::{LICENCES, SCRIPT};
pub use config::{Config, Edge, Limits, Location, LogFormat, Origin, Secrets, one_line};
pub use identity::sha256;
use presence_core::{App, Place, Region};
pub use running::Running;
pub use sites::{SignRoom, SiteKey, SitePattern};
pub use telemetry::log;

/// What a site brings besides its app.
#[derive(Clone, Debug)]
pub struct Site {
    /// The room of the page at `/`, and the name under which its visitors' identities are made: a constant of the site,
    /// never a host name, or one browser would be two users in two regions.
    pub name: &'static str,
    /// Files that pages refer to, besides [`SCRIPT`].
    pub assets: Vec<Asset>,
    /// The place of a region's code, for a node that was told none.
    pub place: fn(&Region) -> Option<Place>,
}

impl Site {
    /// A site without files of its own that knows no region's place. The name is at most 1,024 bytes long, not empty, and
    /// does not begin with `_`.
    ///
    /// ```
    /// use presence_server::{Asset, Site};
    ///
    /// let site = Site { assets: vec![Asset::new("style.css", b"body { margin: 0 }")], ..Site::new("shop") };
    /// assert_eq!((site.name, site.assets.len()), ("shop", 1));
    /// ```
    pub fn new(name: &'static str) -> Self {
        Self { name, assets: Vec::new(), place: |_| None }
    }
}

/// One node, ready to run.
pub struct Server {
    config: Config,
    app: Arc<dyn App>,
    site: Site,
}

impl Server {
    /// A node with these settings that serves this app.
    pub fn new(config: Config, app: impl App, site: Site) -> Self {
        Self { config, app: Arc::new(app), site }
    }

    /// Serves until SIGTERM or SIGINT, then drains.
    ///
    /// # Errors
    ///
    /// With one sentence that says what to do: a setting that can't be, an address that is taken, another node of this
    /// name, a second signal.
    pub async fn run(self) -> anyhow::Result<()> {
        self.start().await?.until_signalled().await
    }

    /// Starts serving, for whoever ends it in another way than by a signal.
    ///
    /// # Errors
    ///
    /// As [`Server::run`].
    pub async fn start(self) -> anyhow::Result<Running> {
        running::start(self.config, self.app, self.site).await
    }
}
