//! Logs; without them nobody could follow a node's life.

use anyhow::Context as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{Config, LogFormat};

/// Starts writing logs to standard error, for the whole process. [`run`](crate::run) does it by itself.
///
/// ```
/// let config = presence_server::Config::of(["--log", "warn", "--log-format", "json"]).unwrap();
/// presence_server::log(&config).unwrap();
/// assert!(presence_server::log(&config).is_err(), "once for each process");
/// ```
///
/// # Errors
///
/// Where the filter can't be read, or logs are written already.
pub fn log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log).with_context(|| {
        format!("--log {:?} can't be read: write for example info or info,presence_server=debug", config.log)
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    started.map_err(|error| anyhow::anyhow!("logs can't be written: {error}"))
}
