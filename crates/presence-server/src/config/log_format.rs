//! How the log is written.

use clap::ValueEnum;

/// The format of the log.
///
/// ```
/// use presence_server::{Config, LogFormat};
///
/// assert_eq!(Config::of(["--log-format", "json"]).unwrap().log_format, LogFormat::Json);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum LogFormat {
    /// Human-readable.
    Text,
    /// One JSON object a line.
    Json,
}
