//! What the reading task knows of client protocols: a list of their encoders, and one trait for all sessions.

use std::sync::Arc;
use std::time::Duration;

use presence_cable::presence_v1::PresenceV1;
use presence_cable::{Encoder, action_cable};
use presence_core::Input;

use crate::hub::{Connection, Hub};

/// Every protocol that clients speak here: one line each.
pub(crate) static ENCODERS: &[&dyn Encoder] = &[
    &action_cable::PLAIN,
    &action_cable::PLACED,
    &action_cable::EXTENDED,
    &action_cable::TURBO,
    &action_cable::TURBO_EXTENDED,
    &action_cable::TURBO_PRESENCE,
    &PresenceV1,
];

/// A session that a request asked for. It begins once its socket is there.
pub(crate) struct SessionStart {
    /// How its frames are written.
    pub(crate) encoder: &'static dyn Encoder,
    pub(crate) begin: Begin,
}

/// Begins a session on a connection.
pub(crate) type Begin = Box<dyn FnOnce(Arc<Connection>, Arc<Hub>) -> Box<dyn Protocol> + Send>;

/// One browser's session, in the protocol that its request chose.
pub(crate) trait Protocol: Send {
    /// Handles one message. Returns how long reading pauses.
    fn text(&mut self, text: &str) -> Option<Duration>;

    /// Continues what had to wait. Returns how long reading still pauses for it.
    fn resume(&mut self) -> Option<Duration> {
        None
    }

    /// Handles the answer to a ping, with the round trip in ms if it is known.
    fn ponged(&mut self, _round_trip_ms: Option<u32>) {}

    /// Takes what happened since the last call, for the driver.
    fn take_inputs(&mut self) -> Vec<Input>;

    /// Ends every subscription: the socket is gone.
    fn end(&mut self);
}
