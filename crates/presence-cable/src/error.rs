//! Why a browser's frame can't be understood; said in logs, never to the browser.

/// What is wrong with a frame, a subscription's parameters or a click.
#[derive(Debug, thiserror::Error)]
pub enum CableError {
    /// The frame is not a JSON object with a `command` and an `identifier`, both strings, or its parts are not what the
    /// command needs.
    #[error("not an Action Cable command: {0}")]
    NotACommand(#[source] serde_json::Error),
    /// The command is none that we know.
    #[error("unknown command")]
    UnknownCommand,
    /// A command without an `identifier`.
    #[error("a command without an identifier")]
    NoIdentifier,
    /// A command without what it is about.
    #[error("a command without data")]
    NoData,
    /// The identifier is not JSON with a `channel`, or a parameter that must be text is none.
    #[error("not a channel's parameters: {0}")]
    BadParameters(#[source] serde_json::Error),
    /// No channel has that name.
    #[error("unknown channel")]
    UnknownChannel,
    /// The channel needs a parameter that is not there.
    #[error("the channel needs the parameter `{0}`")]
    MissingParameter(&'static str),
    /// The body of a click is not JSON with an `id` and a `target`.
    #[error("not a reflex: {0}")]
    NotAReflex(#[source] serde_json::Error),
    /// The click's `id` is longer than an id needs to be: it could not be answered within bounds.
    #[error("the reflex has too long an id")]
    IdTooLong,
    /// The frame is no message of `presence-v1`.
    #[error("not a message of presence-v1: {0}")]
    BadMessage(#[source] serde_json::Error),
}
