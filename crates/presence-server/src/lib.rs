//! Carries: HTTP, WebSockets, the mesh, the disk. It knows nothing of what is drawn and decides nothing about presence.
//!
//! An app is three functions: `page` draws a whole page, `reflex` says what a click means, `render` draws what has
//! changed. Everything else is here. This is one, complete; the folder `examples/` has larger ones:
//!
//! ```no_run
//! use presence_server::{App, Change, Fragment, ReflexCall, Refusal, RoomView, Site, Visit, Write};
//!
//! /// One number and one lamp, the same for everybody who looks, in every region.
//! struct Lamp;
//!
//! impl App for Lamp {
//!     fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
//!         let Visit { room_stream, script, .. } = visit;
//!         let (here, lamp) = (here(view), lamp(view));
//!         format!(
//!             r#"<!doctype html><title>Lamp</title>
//!             <meta name="presence-room" content="{room_stream}"><script type="module" src="{script}"></script>
//!             <cable-ready-stream-from identifier="{room_stream}"></cable-ready-stream-from>{here}{lamp}"#
//!         )
//!     }
//!
//!     fn reflex(&self, call: &ReflexCall, _: &RoomView) -> Result<Vec<Write>, Refusal> {
//!         let value = call.target.strip_prefix("Lamp#").filter(|value| ["on", "off"].contains(value));
//!         let value = value.ok_or(Refusal::Unknown)?.into();
//!         Ok(vec![Write::Set { key: "lamp", value, lasts_ms: None }])
//!     }
//!
//!     fn render(&self, _: &Change, view: &RoomView) -> Vec<Fragment> {
//!         vec![Fragment::new("here", here(view)), Fragment::new("lamp", lamp(view))]
//!     }
//! }
//!
//! fn here(view: &RoomView) -> String {
//!     format!(r#"<p id="here">{} here</p>"#, view.users)
//! }
//!
//! fn lamp(view: &RoomView) -> String {
//!     let on = view.registers.get("lamp").is_some_and(|entry| entry.value == b"on");
//!     let next = if on { "off" } else { "on" };
//!     format!(r#"<button id="lamp" data-reflex="click->Lamp#{next}">Switch it {next}</button>"#)
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     presence_server::run(Lamp, Site::new("lamp"))
//! }
//! ```
//!
//! | File | Without it |
//! |---|---|
//! | `command_line` | every app would write the same `main` |
//! | `config` | no setting could be given, or a wrong one would be found out at night |
//! | `telemetry` | nobody could follow a node's life |
//! | `secret`, `identity` | nobody could be told from anybody else |
//! | `sites` | no other page could show who is there |
//! | `http` | nothing would be served |
//! | `i18n` | frames and images would speak English alone |
//! | `asset`, `client` | pages would have neither script nor style |
//! | `socket`, `hub` | nothing would be live |
//! | `driver`, `views`, `queries` | nobody would feed the node, nobody could read what it knows |
//! | `mesh`, `certificate` | a node would be alone |
//! | `webhooks` | other servers would have to ask again and again |
//! | `store` | a restart would forget |

mod asset;
#[doc(hidden)]
pub mod certificate;
mod client;
mod clock;
mod close_reason;
mod command_line;
mod config;
mod driver;
mod history;
mod http;
mod hub;
mod i18n;
mod identity;
mod lru;
#[doc(hidden)]
pub mod mesh;
#[doc(hidden)]
pub mod mux;
mod presence_events;
mod problem;
mod queries;
mod resolver;
mod rfc3339;
mod running;
mod secret;
mod signing;
mod sites;
mod socket;
mod store;
mod streams;
mod telemetry;
mod transport;
mod views;
mod webhooks;

use std::sync::Arc;

pub use asset::Asset;
pub use client::{LICENCES, SCRIPT};
pub use command_line::run;
pub use config::{
    Config, Edge, Limits, Location, LogFormat, Origin, Secrets, SitePattern, StreamPattern, Threshold, WebhookOptions,
    WebhookUrl, one_line,
};
pub use identity::sha256;
pub use presence_core::{
    App, Author, Change, Entry, Fragment, Place, PublicId, ReflexCall, Refusal, Region, RegionState, RegionView, Room,
    RoomView, UserId, Visit, Write,
};
pub use running::Running;
pub use sites::{SignRoom, SiteKey};
pub use streams::SignStream;
pub use telemetry::log;

/// What a site brings besides its app.
///
/// ```
/// use presence_server::{Asset, Place, Site};
///
/// let site = Site {
///     assets: vec![Asset::new("style.css", b"body { margin: 0 }")],
///     place: |region| match region.as_str() {
///         "yyz" => Some(Place { name: "Toronto, Canada".to_owned(), location: Some((43.68, -79.63)) }),
///         _ => None,
///     },
///     ..Site::new("shop")
/// };
/// assert_eq!((site.name, site.assets.len()), ("shop", 1));
/// ```
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
    pub fn new(name: &'static str) -> Self {
        Self { name, assets: Vec::new(), place: |_| None }
    }
}

/// One node, ready to run. [`run`] is the usual way to one; this is for a program that has its own `main`, or a test:
///
/// ```
/// # use presence_server::{App, Change, Fragment, ReflexCall, Refusal, RoomView, Visit, Write};
/// # struct Lamp;
/// # impl App for Lamp {
/// #     fn page(&self, _: &RoomView, _: &Visit<'_>) -> String { "A lamp.".to_owned() }
/// #     fn reflex(&self, _: &ReflexCall, _: &RoomView) -> Result<Vec<Write>, Refusal> { Err(Refusal::Unknown) }
/// #     fn render(&self, _: &Change, _: &RoomView) -> Vec<Fragment> { Vec::new() }
/// # }
/// use presence_server::{Config, Server, Site};
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// let config = Config::of(["--listen", "127.0.0.1:0"]).map_err(anyhow::Error::msg)?;
/// let running = Server::new(config, Lamp, Site::new("lamp")).start().await?;
/// println!("http://{}", running.address());
/// running.drain().await?;
/// # Ok::<(), anyhow::Error>(()) })?;
/// # Ok::<(), anyhow::Error>(())
/// ```
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
