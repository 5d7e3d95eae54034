//! Links over QUIC: the usual carrier. Without it links would be slower, and every lost packet would hold up all messages.

mod config;
mod connection;
mod socket;

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use parking_lot::Mutex;
use presence_core::DialError;
use quinn::{Endpoint, Incoming, VarInt};
use socket2::{SockRef, Type};
use tokio::time::timeout;

use self::connection::reason_of;
pub(super) use self::connection::{QuicAnswer, QuicConnection};
use self::socket::MeshRuntime;
use super::strangers::{Strangers, Welcome};
use crate::certificate::tls::SharedTrust;
use crate::config::bound;

/// From this many handshakes of strangers on each has to show first that its address is its own.
const RETRY_FROM: usize = 16;
/// From this many on, those that failed and are not forgotten yet included, all are turned away: 25 KB each.
const REFUSE_FROM: usize = 512;
/// A node that is there answers the first packet within this time; an ocean and a retry are two round trips of 0.8 s.
const FIRST_ANSWER_WITHIN: Duration = Duration::from_millis(1_800);
/// Asked of the kernel: all links share one socket. It gives as much as `net.core.rmem_max` allows.
const SOCKET_BUFFER: usize = 2 << 20;
/// How long the last words of closed connections may take.
const CLOSE_WITHIN: Duration = Duration::from_millis(200);

/// All that this node does over QUIC.
pub(super) struct Quic {
    name: String,
    reset_key: [u8; 32],
    trust: SharedTrust,
    strangers: Strangers,
    /// Those that listen, then those that only dial, made when they are needed.
    sockets: Mutex<Vec<Arc<ListenSocket>>>,
}

/// One UDP socket, for accepting and for dialling.
struct ListenSocket {
    endpoint: Endpoint,
    at: SocketAddr,
    trust: SharedTrust,
    /// A clone for each connection that is no stranger's: our own dials, and nodes with a certificate of ours.
    known: Arc<()>,
}

impl Quic {
    pub(super) fn new(trust: SharedTrust, name: &str, reset_key: [u8; 32], strangers: Strangers) -> Self {
        Self { name: name.to_owned(), reset_key, trust, strangers, sockets: Mutex::default() }
    }

    /// Listens there and returns the port; each connection that comes is given to `welcome`, which finds out whose it is.
    pub(super) fn listen(&self, at: SocketAddr, welcome: Welcome<QuicConnection>) -> anyhow::Result<u16> {
        let socket = self.open(at, Some(config::server(&self.trust.read())?))?;
        let (port, strangers) = (socket.at.port(), self.strangers.clone());
        self.sockets.lock().push(Arc::clone(&socket));
        tokio::spawn(async move {
            while let Some(incoming) = socket.endpoint.accept().await {
                Arc::clone(&socket).admit(incoming, &strangers, Arc::clone(&welcome));
            }
            tracing::debug!("listening at {} has ended", socket.at);
        });
        Ok(port)
    }

    /// A connection to a node whose certificate holds that name.
    pub(super) async fn dial(&self, to: SocketAddr, name: &str) -> Result<QuicConnection, DialError> {
        let socket = self.socket_to(to).map_err(|_| DialError::Unreachable)?;
        let known = Arc::clone(&socket.known);
        // A socket of both kinds knows IPv4 by its mapped addresses.
        let to = match (to.ip(), socket.at.is_ipv6()) {
            (IpAddr::V4(v4), true) => SocketAddr::new(v4.to_ipv6_mapped().into(), to.port()),
            _ => to,
        };
        let client = config::client(&self.trust.read()).map_err(|_| DialError::Protocol)?;
        let connecting = socket.endpoint.connect_with(client, to, name);
        let mut connecting = connecting.map_err(|_| DialError::Unreachable)?;
        match timeout(FIRST_ANSWER_WITHIN, connecting.handshake_data()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(reason_of(&error)),
            Err(_) => return Err(DialError::NoAnswer),
        }
        let connection = connecting.await.map_err(|error| reason_of(&error))?;
        Ok(QuicConnection::new(connection, known))
    }

    /// The first socket from which that address can be reached, or one of its own for such addresses.
    fn socket_to(&self, to: SocketAddr) -> anyhow::Result<Arc<ListenSocket>> {
        let mut sockets = self.sockets.lock();
        if let Some(socket) = sockets.iter().find(|socket| reaches(socket.at.ip(), to.ip())) {
            return Ok(Arc::clone(socket));
        }
        let any = if to.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
        let socket = self.open(any.parse()?, None)?;
        sockets.push(Arc::clone(&socket));
        Ok(socket)
    }

    fn open(&self, at: SocketAddr, server: Option<quinn::ServerConfig>) -> anyhow::Result<Arc<ListenSocket>> {
        let socket = UdpSocket::from(bound(at, Type::DGRAM)?);
        // A smaller buffer loses some packets in a burst; QUIC sends them again.
        let _ = SockRef::from(&socket).set_recv_buffer_size(SOCKET_BUFFER);
        let _ = SockRef::from(&socket).set_send_buffer_size(SOCKET_BUFFER);
        let at = socket.local_addr().context("the socket has no address")?;
        let config = config::endpoint(&self.reset_key, &self.name, at.port());
        let endpoint = Endpoint::new(config, server, socket, Arc::new(MeshRuntime))?;
        Ok(Arc::new(ListenSocket { endpoint, at, trust: Arc::clone(&self.trust), known: Arc::default() }))
    }

    /// Closes all connections; the others know within a round trip.
    pub(super) async fn close(&self) {
        let sockets = std::mem::take(&mut *self.sockets.lock());
        for socket in &sockets {
            socket.endpoint.close(VarInt::from_u32(0), b"");
        }
        let idle = async {
            for socket in &sockets {
                socket.endpoint.wait_idle().await;
            }
        };
        let _ = timeout(CLOSE_WITHIN, idle).await;
    }
}

/// Whether packets for one address can be sent from a socket that is bound to another.
fn reaches(from: IpAddr, to: IpAddr) -> bool {
    if from.is_unspecified() {
        return from.is_ipv6() || to.is_ipv4();
    }
    from.is_ipv4() == to.is_ipv4() && from.is_loopback() == to.is_loopback()
}

impl ListenSocket {
    /// Begins a handshake, unless too many are under way.
    fn admit(self: Arc<Self>, incoming: Incoming, strangers: &Strangers, welcome: Welcome<QuicConnection>) {
        // Those that failed live on in the endpoint for a while, and cost as much.
        let open = self.endpoint.open_connections().saturating_sub(Arc::strong_count(&self.known) - 1);
        if open >= RETRY_FROM && incoming.may_retry() && !incoming.remote_address_validated() {
            // An error means that it could not be retried, which was asked before.
            drop(incoming.retry());
            return;
        }
        let from = incoming.remote_address().ip();
        if open >= REFUSE_FROM || (open >= RETRY_FROM && strangers.is_greedy(from)) {
            strangers.failed(DialError::Refused);
            return incoming.refuse();
        }
        strangers.admit(from, async move {
            // The certificate may have been renewed since this node began to listen.
            let config = config::server(&self.trust.read()).map_err(|_| DialError::Protocol)?;
            let connecting = incoming.accept_with(Arc::new(config)).map_err(|error| reason_of(&error))?;
            let connection = connecting.await.map_err(|error| reason_of(&error))?;
            welcome(QuicConnection::new(connection, Arc::clone(&self.known))).await
        });
    }
}
