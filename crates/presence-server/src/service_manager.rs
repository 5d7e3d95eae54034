//! What a service manager such as systemd is told, and the socket that it hands over. Without one, nothing of this happens.

use std::os::fd::AsFd as _;

use sd_notify::NotifyState;
use socket2::SockRef;
use tokio::net::TcpListener;

/// The socket that the service manager listens on for this process, if it is handed over as standard input
/// (`StandardInput=socket`). It stays open while one process follows another, so that no connection is refused.
pub(crate) fn listener() -> std::io::Result<Option<TcpListener>> {
    let stdin = std::io::stdin();
    if !SockRef::from(&stdin).is_listener().unwrap_or(false) {
        return Ok(None);
    }
    let listener = std::net::TcpListener::from(stdin.as_fd().try_clone_to_owned()?);
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Some)
}

/// The node accepts connections.
pub(crate) fn serving() {
    tell(NotifyState::Ready);
}

/// The node works. If this is not said for the time of `WatchdogSec=`, systemd ends the process and starts it again.
pub(crate) fn alive() {
    tell(NotifyState::Watchdog);
}

/// The node drains.
pub(crate) fn stopping() {
    tell(NotifyState::Stopping);
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "could not tell the service manager");
    }
}
