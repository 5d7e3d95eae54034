//! Carries: HTTP, WebSockets, the mesh, the disk. What pages show is decided by the app, and who is present by `presence-core`.
//!
//! An app is three functions: `page` draws a whole page, `reflex` says what a click means, `render` draws what has
//! changed. Everything else is in this crate. This app is complete; the folder `examples/` has larger ones:
//!
//! ```no_run
//! use presence_server::{App, Change, Fragment, ReflexCall, Refusal, RoomView, Site, Visit, Write};
//!
//! /// One number and one lamp, the same for all visitors in all regions.
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
//! The modules, outermost first. Each uses only those below it:
//!
//! | Module | What it does |
//! |---|---|
//! | `command_line`, `running`, `signals`, `monitor` | an app's `main`; starts and stops the parts in the right order; looks at them every second |
//! | `http` | pages, the API, embeds, the upgrade to a socket |
//! | `node_thread`, `driver` | the thread of a node, and the task that owns it |
//! | `drawing_queue` | has the app draw what has changed |
//! | `webhooks` | tells other servers who joins and leaves |
//! | `socket` | a WebSocket's reading half, in each protocol |
//! | `presence_events` | tells browsers who joins and leaves |
//! | `hub` | subscriptions, and writing to all sockets |
//! | `mesh`, `mux`, `resolver`, `store` | links to other nodes; facts on disk |
//! | `sites`, `streams`, `identity` | who may be where, and who visitors are |
//! | `contained_app` | calls the app, and survives it |
//! | `views`, `queries`, `history` | what is read without the driver, what only it can answer, what was published lately |
//! | `config`, `telemetry`, `certificate`, `secret`, `signing` | options, the log, keys |
//! | `https_client` | requests to other servers |
//! | `supervision`, `memory` | parts that end, a driver that hangs; how much memory is used |
//! | `watched_files` | files that are read again after a change |
//! | `asset`, `client`, `i18n`, `lru`, `rfc3339`, `clock`, `problem`, `close_reason`, `transport` | leaves |

mod asset;
#[doc(hidden)]
pub mod certificate;
mod client;
mod clock;
mod close_reason;
mod command_line;
mod config;
mod contained_app;
mod drawing_queue;
mod driver;
mod history;
mod http;
mod https_client;
mod hub;
mod i18n;
mod identity;
mod lru;
mod memory;
#[doc(hidden)]
pub mod mesh;
mod monitor;
#[doc(hidden)]
pub mod mux;
mod node_thread;
mod presence_events;
mod problem;
mod queries;
mod resolver;
mod rfc3339;
mod running;
mod secret;
mod signals;
mod signing;
mod sites;
mod socket;
mod store;
mod streams;
mod supervision;
mod telemetry;
mod transport;
mod views;
mod watched_files;
mod webhooks;

use std::sync::Arc;

pub use asset::Asset;
pub use client::{LICENCES, SCRIPT};
pub use command_line::facts::FactsCommand;
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

/// A site: its name, and what it has besides its app.
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
    /// The room of the page at `/`. Visitors' identities are derived from it too, so it must be the same on all nodes: with a
    /// host name, one browser would be two users in two regions.
    pub name: &'static str,
    /// Files that pages refer to, besides [`SCRIPT`].
    pub assets: Vec<Asset>,
    /// The place of a region, for a node without `--region-name` and `--region-location`.
    pub place: fn(&Region) -> Option<Place>,
}

impl Site {
    /// A site without files and places. The name has 1 to 1,024 bytes and does not start with `_`.
    pub fn new(name: &'static str) -> Self {
        Self { name, assets: Vec::new(), place: |_| None }
    }
}

/// A node that is ready to run, for a program with its own `main` or for a test. Most apps call [`run`]:
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
    /// A node with these options that serves this app.
    pub fn new(config: Config, app: impl App, site: Site) -> Self {
        Self { config, app: Arc::new(app), site }
    }

    /// Serves until SIGTERM, SIGINT or SIGQUIT, then drains.
    ///
    /// # Errors
    ///
    /// One sentence that says what to do: about a wrong option, an address in use, another node of this name, a second signal.
    pub async fn run(self) -> anyhow::Result<()> {
        // From here on: a signal during the start must not end the process halfway.
        let signals = signals::Signals::listen()?;
        self.start().await?.until(signals).await
    }

    /// Starts to serve, for a caller that stops the node in another way than by a signal.
    ///
    /// # Errors
    ///
    /// As [`Server::run`].
    pub async fn start(self) -> anyhow::Result<Running> {
        running::start(self.config, self.app, self.site).await
    }
}
