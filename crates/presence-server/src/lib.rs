//! Carries: HTTP, WebSockets, the mesh, the disk. What pages show is decided by the app, and who is present by `presence-core`.
//!
//! An app is three functions: `page` draws a whole page, `reflex` says what a click means, `render` draws what has
//! changed. Everything else is in this crate. This app is complete; the folder `examples/` has larger ones:
//!
//! ```no_run
//! use presence_server::{App, Change, Click, Fragment, Refusal, RoomView, Site, Visit, Write};
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
//!     fn reflex(&self, click: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> {
//!         let value = click.target.strip_prefix("Lamp#").filter(|value| ["on", "off"].contains(value));
//!         Ok(vec![Write::set_bytes("lamp", value.ok_or(Refusal::Unknown)?)])
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
//!     // What StimulusReflex would add is there already, so a fragment that is drawn again is the same element.
//!     let live = r#"data-controller="stimulus-reflex" data-action="click->stimulus-reflex#__perform""#;
//!     format!(r#"<button id="lamp" data-reflex="click->Lamp#{next}" {live}>Switch it {next}</button>"#)
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
//! | `testing` | regions in memory, for tests of an app |
//! | `command_line`, `running`, `signals`, `monitor` | an app's `main`; starts and stops the parts in the right order; looks at them every second |
//! | `http` | pages, the API, embeds, the upgrade to a socket |
//! | `node_thread`, `driver` | the thread of a node, and the task that owns it |
//! | `drawing_queue` | has the app draw what has changed |
//! | `webhooks` | tells other servers who joins and leaves, and what apps report |
//! | `socket` | a WebSocket's reading half, in each protocol |
//! | `presence_events` | tells browsers who joins and leaves |
//! | `hub` | subscriptions, and writing to all sockets |
//! | `carrier`, `nats`, `mesh`, `mux`, `resolver`, `store` | links to other nodes, one of two kinds; facts on disk |
//! | `sites`, `streams`, `identity` | who may be where, and who visitors are |
//! | `contained_app` | calls the app, and survives it |
//! | `views`, `queries`, `history`, `node_reports` | what is read without the driver, what only it can answer, what was published lately, what other nodes say of themselves |
//! | `config`, `telemetry`, `certificate`, `secret`, `signing` | options, the log, keys |
//! | `traces` | sends traces of clicks to a collector |
//! | `https_client` | requests to other servers |
//! | `supervision`, `memory` | parts that end, a driver that hangs; how much memory is used |
//! | `service_manager` | what systemd is told, and the socket that it hands over |
//! | `watched_files` | files that are read again after a change |
//! | `policy`, `asset`, `client`, `i18n`, `lru`, `rfc3339`, `clock`, `planted`, `problem`, `close_reason`, `input_topic`, `transport` | leaves |

mod asset;
#[doc(hidden)]
pub mod carrier;
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
mod input_topic;
mod lru;
mod memory;
#[doc(hidden)]
pub mod mesh;
mod monitor;
#[doc(hidden)]
pub mod mux;
#[doc(hidden)]
pub mod nats;
mod node_reports;
mod node_thread;
mod planted;
mod policy;
mod presence_events;
mod problem;
mod queries;
mod resolver;
mod rfc3339;
mod running;
mod secret;
mod service_manager;
mod signals;
mod signing;
mod sites;
mod socket;
mod store;
mod streams;
mod supervision;
mod telemetry;
pub mod testing;
mod traces;
mod transport;
mod views;
mod watched_files;
mod webhooks;

use std::sync::Arc;

use futures_util::future::BoxFuture;

pub use asset::Asset;
pub use client::{LICENCES, SCRIPT};
pub use command_line::check::CheckCommand;
pub use command_line::facts::FactsCommand;
pub use command_line::health::HealthCommand;
pub use command_line::top::TopCommand;
pub use command_line::{AppCommand, print_lines, run};
pub use config::{
    Config, Edge, Limits, Location, LogFormat, NatsOptions, Origin, OtlpEndpoint, Secrets, SitePattern, StatusAccess,
    StreamPattern, Threshold, TraceOptions, WebhookOptions, WebhookUrl, one_line,
};
pub use http::{RoomViews, SignIn};
pub use identity::sha256;
pub use policy::Policy;
pub use presence_core::{
    App, Author, Change, Click, Entry, EntryId, FactKind, Fields, Fragment, Lifetime, NotJson, PageError, PageRequest,
    Place, PublicId, Receipt, ReflexError, Refusal, Region, RegionState, RegionView, Report, Room, RoomView, Route,
    SignedUser, UserId, Visit, Write, WriteReceipts,
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
    /// Files that pages refer to, besides [`SCRIPT`], and those at addresses that others know.
    pub assets: Vec<Asset>,
    /// Routes of the app's own, beside its pages: a login, an upload. The library's routes come before them, files and pages after
    /// them. [`SignIn`] tells them who the user is, [`RoomViews`] what rooms look like now.
    pub router: axum::Router,
    /// What pages may load besides this server's own files.
    pub policy: Policy,
    /// The place of a region, for a node without `--region-name` and `--region-location`.
    pub place: fn(&Region) -> Option<Place>,
}

impl Site {
    /// A site without files, routes and places. The name has 1 to 1,024 bytes and does not start with `_`.
    pub fn new(name: &'static str) -> Self {
        Self { name, assets: Vec::new(), router: axum::Router::new(), policy: Policy::new(), place: |_| None }
    }
}

/// A node that is ready to run, for a program with its own `main` or for a test. Most apps call [`run`]:
///
/// ```
/// # use presence_server::{App, Change, Click, Fragment, Refusal, RoomView, Visit, Write};
/// # struct Lamp;
/// # impl App for Lamp {
/// #     fn page(&self, _: &RoomView, _: &Visit<'_>) -> String { "A lamp.".to_owned() }
/// #     fn reflex(&self, _: &Click, _: &RoomView) -> Result<Vec<Write>, Refusal> { Err(Refusal::Unknown) }
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
        self.boxed_run().await
    }

    /// Starts to serve, for a caller that stops the node in another way than by a signal.
    ///
    /// # Errors
    ///
    /// As [`Server::run`].
    pub async fn start(self) -> anyhow::Result<Running> {
        self.boxed_start().await
    }

    // An async function is compiled with the crate that awaits it. Boxed, the whole server is compiled with this one, and not once
    // more with each app.

    #[inline(never)]
    fn boxed_run(self) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async {
            // From here on: a signal during the start must not end the process halfway.
            let signals = signals::Signals::listen()?;
            running::start(self.config, self.app, self.site).await?.until(signals).await
        })
    }

    #[inline(never)]
    fn boxed_start(self) -> BoxFuture<'static, anyhow::Result<Running>> {
        Box::pin(running::start(self.config, self.app, self.site))
    }
}
