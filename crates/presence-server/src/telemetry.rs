//! Logs; without them nobody could follow a node's life.

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogFormat};

/// The engine tells of every link itself; what matters of that is said by the node, in its own words.
const QUIET: &str = "zenoh=error,quinn=error,quinn_proto=error,rustls=error";

/// Starts writing logs to standard error, for the whole process.
///
/// # Errors
///
/// Where the filter can't be read, or logs are written already.
pub fn log(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.log)).with_context(|| {
        format!("--log {:?} can't be read: write for example info or info,presence_server=debug", config.log)
    })?;
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    let started = match config.log_format {
        LogFormat::Text => {
            let coloured = std::io::IsTerminal::is_terminal(&std::io::stderr());
            logs.with_ansi(coloured).try_init()
        }
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logs can't be written: {error}"))
}
