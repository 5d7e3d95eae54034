//! The log.

use anyhow::Context as _;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::config::{Config, LogFormat};

/// Starts logging to standard error, for the whole process. [`run`](crate::run) calls this.
///
/// ```
/// let config = presence_server::Config::of(["--log", "warn", "--log-format", "json"]).unwrap();
/// presence_server::log(&config).unwrap();
/// assert!(presence_server::log(&config).is_err(), "once for each process");
/// ```
///
/// # Errors
///
/// If the filter is invalid, or the process logs already.
pub fn log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log).with_context(|| {
        format!("--log {:?} is not a filter: write info or info,presence_server=debug, for example", config.log)
    })?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_target(false);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    let started = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
    started.map_err(|error| anyhow::anyhow!("could not start logging: {error}"))
}
