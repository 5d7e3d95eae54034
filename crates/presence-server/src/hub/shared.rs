//! What all sockets and audiences of a hub have in common.

use std::time::Duration;

use presence_cable::Encoder;

use super::keepalive::SocketClock;
use super::language::Languages;
use super::wheel::Wheel;
use crate::clock::millis;

/// One for each hub.
#[derive(Debug)]
pub(super) struct Shared {
    /// The bytes that may wait for one socket.
    pub(super) queue_bytes: usize,
    /// When each socket is polled.
    pub(super) wheel: Wheel,
    pub(super) clock: SocketClock,
    pub(super) languages: Languages,
}

impl Shared {
    pub(super) fn new(queue_bytes: usize, slot: Duration, encoders: &'static [&'static dyn Encoder]) -> Self {
        let languages = Languages::new(encoders);
        Self { queue_bytes, wheel: Wheel::new(millis(slot)), clock: SocketClock::default(), languages }
    }
}
