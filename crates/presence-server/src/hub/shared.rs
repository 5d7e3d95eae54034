//! What all sockets and audiences of a hub have in common.

use std::time::Duration;

use presence_cable::Encoder;
use tokio::runtime::Handle;

use super::keepalive::SocketClock;
use super::protocols::Protocols;
use super::socket_stats::SocketStats;
use super::wheel::Wheel;
use crate::clock::millis;
use crate::supervision::Supervisor;

/// One for each hub.
#[derive(Debug)]
pub(super) struct HubShared {
    /// Where flushes run: never on the thread of those who publish.
    pub(super) runtime: Handle,
    /// The bytes that may wait for one socket.
    pub(super) queue_bytes: usize,
    /// When each socket is polled.
    pub(super) wheel: Wheel,
    pub(super) clock: SocketClock,
    pub(super) protocols: Protocols,
    pub(super) stats: SocketStats,
    pub(super) supervisor: Supervisor,
}

impl HubShared {
    /// On the current runtime.
    pub(super) fn new(
        queue_bytes: usize,
        slot: Duration,
        encoders: &'static [&'static dyn Encoder],
        supervisor: Supervisor,
    ) -> Self {
        let protocols = Protocols::new(encoders);
        Self {
            runtime: Handle::current(),
            queue_bytes,
            wheel: Wheel::new(millis(slot)),
            clock: SocketClock::default(),
            protocols,
            stats: SocketStats::new(encoders),
            supervisor,
        }
    }
}
