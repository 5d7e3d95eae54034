//! What is spoken on a socket: the reader drives one of these and need not know which.

use std::time::Duration;

use presence_core::Input;

use super::action_cable::Session;
use super::presence_v1::Embed;

/// One browser's side, in the language that its subprotocol chose.
pub(super) enum Protocol {
    /// Action Cable.
    Cable(Box<Session>),
    /// `presence-v1`.
    Embed(Box<Embed>),
}

impl Protocol {
    /// Handles one message. Returns how long nothing more may be read.
    pub(super) fn text(&mut self, text: &str) -> Option<Duration> {
        match self {
            Self::Cable(session) => session.text(text),
            Self::Embed(embed) => embed.text(text),
        }
    }

    /// Goes on with what had to wait. Returns how long it still has to, and nothing may be read meanwhile.
    pub(super) fn resume(&mut self) -> Option<Duration> {
        match self {
            Self::Cable(_) => None,
            Self::Embed(embed) => embed.resume(),
        }
    }

    /// Our ping was answered.
    pub(super) fn ponged(&mut self, round_trip_ms: Option<u32>) {
        match self {
            Self::Cable(session) => session.ponged(round_trip_ms),
            // The page shows no round trip.
            Self::Embed(_) => {}
        }
    }

    /// What has happened since, for the driver.
    pub(super) fn take_inputs(&mut self) -> Vec<Input> {
        match self {
            Self::Cable(session) => session.take_inputs(),
            Self::Embed(embed) => embed.take_inputs(),
        }
    }

    /// The socket is gone: nobody listens any more.
    pub(super) fn end(&mut self) {
        match self {
            Self::Cable(session) => session.end(),
            Self::Embed(embed) => embed.end(),
        }
    }
}
