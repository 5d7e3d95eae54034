//! Signals: those that drain the node, and those that would end it without a drain and are ignored instead.

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that a node listens for.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    hangup: Signal,
    user1: Signal,
    user2: Signal,
    alarm: Signal,
}

impl Signals {
    /// Begins to listen: from here on none of them ends the process.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("could not listen for signals");
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            quit: listen(SignalKind::quit())?,
            hangup: listen(SignalKind::hangup())?,
            user1: listen(SignalKind::user_defined1())?,
            user2: listen(SignalKind::user_defined2())?,
            alarm: listen(SignalKind::alarm())?,
        })
    }

    /// Waits for SIGTERM, SIGINT or SIGQUIT, and logs the others.
    pub(crate) async fn stop(&mut self) {
        loop {
            let ignored = tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.quit.recv() => return,
                // Whoever has files that can be read again listens for it, too.
                _ = self.hangup.recv() => {
                    tracing::info!("SIGHUP: reading certificates, API keys, sites and the log's filter again, where they are in files; other options need a restart");
                    continue;
                }
                _ = self.user1.recv() => "SIGUSR1",
                _ = self.user2.recv() => "SIGUSR2",
                _ = self.alarm.recv() => "SIGALRM",
            };
            tracing::info!("ignored {ignored}; SIGTERM drains the node");
        }
    }
}
