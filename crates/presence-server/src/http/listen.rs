//! Accepts connections and serves HTTP on them, within limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::ServiceExt as _;

use super::connections::{Activity, AddressSlot, BusyBody, BusyConnection, HttpConnections};
use super::tls::BrowserTls;

/// Connections that the kernel holds before they are accepted: all visitors may reconnect at once.
const BACKLOG: u32 = 4_096;
/// The lifetime of a connection that does not become a socket.
const AGE_MAX: Duration = Duration::from_secs(300);
/// How much longer a connection lives while an answer on it stays open.
const STREAM_EXTRA: Duration = Duration::from_secs(900);
/// A peer that acknowledges nothing for this long is gone.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(20);
/// How long the last answer of a closing connection may take.
const LAST_ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long a stopping node waits for a further request that is on its way over a connection.
const ON_ITS_WAY: Duration = Duration::from_millis(200);
/// How long it waits for the first one: a client sends that again only if it may, and a busy one takes its time.
const FIRST_ON_ITS_WAY: Duration = Duration::from_secs(1);
/// How long to wait for the address, which the node that this one replaces may still hold.
const BIND_WITHIN: Duration = Duration::from_secs(5);
/// Connections of this machine that are accepted even if no place is left: checks of the node's health.
const LOOPBACK_RESERVE: usize = 16;
/// How long the place of a connection that was idle may take to be free.
const FREED_WITHIN: Duration = Duration::from_millis(500);
/// What a connection for which there is no place is answered.
const FULL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
/// Files that are left for the disk, other nodes and the runtime.
const OTHER_FILES: usize = 256;
/// Largest head of a request.
const HEAD_BYTES_MAX: usize = 32 * 1_024;

/// The right to hold one of the node's connections; a socket keeps it to its end.
pub(crate) type ConnectionPermit = Arc<HeldConnection>;

/// A connection that counts against the node's limit.
pub(crate) struct HeldConnection {
    _permit: OwnedSemaphorePermit,
    slot: AddressSlot,
    streams: AtomicBool,
}

impl HeldConnection {
    /// An answer on this connection stays open from now on.
    pub(super) fn begin_stream(&self) {
        self.streams.store(true, Relaxed);
    }

    pub(super) fn end_stream(&self) {
        self.streams.store(false, Relaxed);
    }
}

/// The other end of a connection, an extension of every request.
#[derive(Clone)]
pub(crate) struct HttpPeer {
    pub(crate) address: SocketAddr,
    /// Whether TLS ends at this node.
    pub(crate) secure: bool,
    pub(crate) permit: ConnectionPermit,
}

/// Binds the address that this option names. Waits a while if another process still holds it.
pub(crate) async fn bind(option: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let deadline = tokio::time::Instant::now() + BIND_WITHIN;
    let mut warned = false;
    loop {
        match try_bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && tokio::time::Instant::now() < deadline => {
                if !std::mem::replace(&mut warned, true) {
                    tracing::warn!(%address, "address in use; trying again for {} s", BIND_WITHIN.as_secs());
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("can't listen on {address}: stop the process that listens there, or set another address with {option}")
                });
            }
        }
    }
}

fn try_bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How many connections the node accepts: as many as are wanted, or as the limit of open files allows, less those that the
/// disk and other nodes need. Raises that limit as far as it may.
pub(crate) fn connections_max(wanted: usize) -> usize {
    let most = open_files().map_or(usize::MAX, |files| files.saturating_sub(OTHER_FILES).max(files / 2));
    if most < wanted {
        tracing::info!(
            connections = most,
            "the limit of open files allows fewer connections than --connections {wanted}; raise `ulimit -Hn`"
        );
    }
    wanted.min(most)
}

/// How many files this process may open; `None`: any number. Many systems start programs with 1,024, and let them have more.
fn open_files() -> Option<usize> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    allowed.map(|files| usize::try_from(files).unwrap_or(usize::MAX))
}

/// The accept loop.
pub(crate) struct HttpServer {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<BrowserTls>,
    pub(crate) router: Router,
    pub(crate) header_within: Duration,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) connections: Arc<HttpConnections>,
    /// True once the node stops listening.
    pub(crate) closing: watch::Receiver<bool>,
}

impl HttpServer {
    /// Accepts connections until the node stops.
    pub(crate) async fn run(mut self) {
        let reserve = Arc::new(Semaphore::new(LOOPBACK_RESERVE));
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = self.closing.wait_for(|closing| *closing) => return,
            };
            match accepted {
                Ok((stream, address)) => match self.hold(address, &reserve).await {
                    Some(held) => self.serve(stream, address, held),
                    // Nothing was read: a client that sends its request at once may see a reset instead.
                    None if self.tls.is_none() => drop(stream.try_write(FULL)),
                    None => {}
                },
                Err(error) => {
                    // Most often there are too many open files, and trying again at once would not help.
                    tracing::warn!(%error, "could not accept a connection; raise `ulimit -n` if too many files are open");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// A place for a connection of this address. Where none is left, one that is idle has to end.
    async fn hold(&self, address: SocketAddr, reserve: &Arc<Semaphore>) -> Option<HeldConnection> {
        let slot = self.connections.acquire(address.ip())?;
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) if self.connections.end_oldest_idle() => {
                let freed = Arc::clone(&self.permits).acquire_owned();
                tokio::time::timeout(FREED_WITHIN, freed).await.ok().and_then(Result::ok)
            }
            Err(_) => None,
        };
        let local = address.ip().to_canonical().is_loopback();
        let permit = permit.or_else(|| local.then(|| Arc::clone(reserve).try_acquire_owned().ok()).flatten())?;
        Some(HeldConnection { _permit: permit, slot, streams: AtomicBool::new(false) })
    }

    fn serve(&self, stream: TcpStream, address: SocketAddr, held: HeldConnection) {
        // Clicks and broadcasts are small. A stream that refuses an option is about to end.
        drop(stream.set_nodelay(true));
        drop(SockRef::from(&stream).set_tcp_user_timeout(Some(ACKNOWLEDGED_WITHIN)));
        let connection = HttpConnection {
            router: self.router.clone(),
            closing: self.closing.clone(),
            header_within: self.header_within,
            activity: held.slot.connection(),
        };
        let peer = HttpPeer { address, secure: self.tls.is_some(), permit: Arc::new(held) };
        match self.tls.clone() {
            None => drop(tokio::spawn(connection.run(stream, peer))),
            Some(tls) => drop(tokio::spawn(async move {
                let accepted = tokio::select! {
                    accepted = tls.accept(stream, connection.header_within) => accepted,
                    () = connection.activity.ended() => return,
                };
                // A peer that speaks no TLS, or takes too long for it, is dropped like one that sends no request.
                if let Some(stream) = accepted {
                    connection.run(stream, peer).await;
                }
            })),
        }
    }
}

/// One connection that speaks HTTP.
struct HttpConnection {
    router: Router,
    closing: watch::Receiver<bool>,
    /// How long the head of a request may take.
    header_within: Duration,
    activity: Activity,
}

impl HttpConnection {
    async fn run(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: HttpPeer) {
        let Self { router, mut closing, header_within, activity } = self;
        let permit = Arc::clone(&peer.permit);
        let asked = AtomicBool::new(false);
        let service = service_fn(|request: Request<Incoming>| {
            let busy = activity.begin();
            asked.store(true, Relaxed);
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer.clone());
            let answer = router.clone().oneshot(request);
            async move { answer.await.map(|response| busy_during(response, busy)) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(header_within)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        // Errors are the peer's: resets and half requests are common.
        let grace = tokio::select! {
            _ = connection.as_mut() => return,
            () = stopped(&mut closing, &asked) => LAST_ANSWER_WITHIN,
            () = activity.ended() => {
                if activity.is_idle() {
                    return;
                }
                LAST_ANSWER_WITHIN
            }
            () = tokio::time::sleep(AGE_MAX) => {
                if permit.streams.load(Relaxed) { STREAM_EXTRA } else { LAST_ANSWER_WITHIN }
            }
        };
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection => {}
            () = tokio::time::sleep(grace) => {}
            () = closed(closing), if grace > LAST_ANSWER_WITHIN => {}
        }
    }
}

/// An answer until whose end the connection is busy; one that becomes a socket is busy from now on.
fn busy_during(response: Response, busy: BusyConnection) -> Response {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        busy.never_idle();
        return response;
    }
    response.map(|body| Body::new(BusyBody { body, _busy: busy }))
}

/// Waits until the node stops and what is on its way has arrived.
async fn stopped(closing: &mut watch::Receiver<bool>, asked: &AtomicBool) {
    drop(closing.wait_for(|closing| *closing).await);
    tokio::time::sleep(ON_ITS_WAY).await;
    if !asked.load(Relaxed) {
        tokio::time::sleep(FIRST_ON_ITS_WAY).await;
    }
}

/// Waits until the node has stopped and the last answers have had their time.
async fn closed(mut closing: watch::Receiver<bool>) {
    drop(closing.wait_for(|closing| *closing).await);
    tokio::time::sleep(LAST_ANSWER_WITHIN).await;
}
