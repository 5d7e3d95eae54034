//! Sockets of clients that may not connect. A browser hides the answer to a refused upgrade from its page, so stock clients
//! learn why from a frame: one that is told nothing tries again for ever.

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use presence_cable::action_cable::disconnect;

use crate::hub::Frame;
use crate::transport::Transport;

/// The code of the close frame, as AnyCable sends it: the frame before says why.
const NORMAL: u16 = 1000;
/// How long the client has to end the connection.
const ENDED_WITHIN: Duration = Duration::from_secs(2);
/// What the client may still send, in bytes: it is not looked at. A client that says nothing before it is welcome sends only its
/// own close frame.
const UNREAD_BYTES_MAX: usize = 4 * 1_024;

/// Why a client may not connect, in AnyCable's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RefusedClient {
    /// Its token was valid, and has expired: a new one helps.
    TokenExpired,
    /// It has no token and needs one, or its token does not open this server.
    Unauthorized,
}

impl RefusedClient {
    fn as_str(self) -> &'static str {
        match self {
            Self::TokenExpired => "token_expired",
            Self::Unauthorized => "unauthorized",
        }
    }
}

/// Tells a client why it may not connect, and ends its socket. The hub and the driver never learn of it, so that it costs
/// about as much as an answer over HTTP. `permits` are released at its end.
pub(crate) async fn refuse<P: Send>(transport: Transport, why: RefusedClient, permits: P) {
    tracing::debug!(reason = why.as_str(), "refused a socket");
    // A new socket has room for it; one that is gone by now needs no reason.
    let _gone = Frame::text_and_close(&disconnect(why.as_str(), false), NORMAL).write(&transport);
    transport.shut(Shutdown::Write);
    // If it were closed with something unread, the client could lose the reason.
    let _late = tokio::time::timeout(ENDED_WITHIN, ended(&transport)).await;
    transport.shut(Shutdown::Both);
    drop(permits);
}

/// Waits until the client has ended the connection, or has sent more than it may.
async fn ended(transport: &Transport) {
    let (mut buffer, mut left) = ([0; 256], UNREAD_BYTES_MAX);
    while left > 0 && transport.readable().await.is_ok() {
        match transport.try_read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => left = left.saturating_sub(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}
