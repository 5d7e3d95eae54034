//! Takes connections; without its limits a crowd of silent ones would keep everybody else out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// The kernel keeps this many connections that we have not taken yet: a whole audience may come back at once.
const BACKLOG: u32 = 4_096;
/// A connection that has not become a socket ends after this long.
const AGE_MAX: Duration = Duration::from_secs(300);
/// An answer that stays open may go on for so long after that.
const STAY_MAX: Duration = Duration::from_secs(900);
/// What was sent and is not taken for so long never will be: whoever was there is gone without a word.
const TAKEN_WITHIN: Duration = Duration::from_secs(20);
/// What an ended connection may still take to finish its last answer.
const FAREWELL: Duration = Duration::from_secs(5);
/// The address may still be held by the node that this one replaces.
const TAKEN_FOR: Duration = Duration::from_secs(5);
/// Disk, other nodes, whatever the runtime needs.
const FILES_FOR_OTHERS: usize = 256;
/// Largest head of a request.
const HEAD_BYTES_MAX: usize = 32 * 1_024;

/// One connection's share of all that the node holds; sockets keep it to their end.
pub(crate) type Place = Arc<Held>;

/// What a place is made of.
pub(crate) struct Held {
    _permit: OwnedSemaphorePermit,
    stays: AtomicBool,
}

impl Held {
    /// From now on an answer on this connection stays open, or no more.
    pub(crate) fn stays(&self, stays: bool) {
        self.stays.store(stays, Relaxed);
    }
}

/// Who is at the other end, told with every request.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// TLS ends here.
    pub(crate) secure: bool,
    pub(crate) place: Place,
}

/// Takes the address, waiting for whoever still holds it.
///
/// # Errors
///
/// One sentence.
pub(crate) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let deadline = tokio::time::Instant::now() + TAKEN_FOR;
    let mut said = false;
    loop {
        match try_bind(address) {
            Ok(listener) => return Ok(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && tokio::time::Instant::now() < deadline => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!("{address} is still in use; trying again for {} s", TAKEN_FOR.as_secs());
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!("can't listen on {address}: end what listens there, or give another address with --listen")
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

/// How many connections there can be: as many as are wanted, but fewer than the system lets this process open files, so
/// that the disk and other nodes are never out of reach.
pub(crate) fn places(wanted: usize) -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let files = line.and_then(|line| line.split_whitespace().next()).and_then(|soft| soft.parse::<usize>().ok());
    let most = files.map_or(usize::MAX, |files| files.saturating_sub(FILES_FOR_OTHERS).max(files / 2));
    if most < wanted {
        tracing::info!(
            "the system lets this process open few files: it takes {most} connections instead of {wanted}; raise `ulimit -n`"
        );
    }
    wanted.min(most)
}

/// What the accept loop was told.
pub(crate) struct Listening {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) router: Router,
    pub(crate) header_within: Duration,
    pub(crate) places: Arc<Semaphore>,
    /// True once the node stops listening.
    pub(crate) closing: watch::Receiver<bool>,
}

impl Listening {
    /// Takes connections until the node stops. Where all places are taken, more wait outside.
    pub(crate) async fn run(mut self) {
        loop {
            let place = tokio::select! {
                place = Arc::clone(&self.places).acquire_owned() => place.expect("the semaphore is never closed"),
                _ = self.closing.wait_for(|closing| *closing) => return,
            };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = self.closing.wait_for(|closing| *closing) => return,
            };
            match accepted {
                Ok((stream, address)) => {
                    let place = Arc::new(Held { _permit: place, stays: AtomicBool::new(false) });
                    self.take(stream, Peer { address, secure: self.tls.is_some(), place });
                }
                Err(error) => {
                    // Most often too many open files: others must end first, and asking at once would only burn time.
                    tracing::warn!("a connection could not be taken: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    fn take(&self, stream: TcpStream, peer: Peer) {
        // Clicks and broadcasts are small; a stream that refuses is about to end anyway.
        drop(stream.set_nodelay(true));
        drop(SockRef::from(&stream).set_tcp_user_timeout(Some(TAKEN_WITHIN)));
        let serving =
            Serving { router: self.router.clone(), closing: self.closing.clone(), within: self.header_within };
        match self.tls.clone() {
            None => drop(tokio::spawn(serving.run(stream, peer))),
            Some(tls) => drop(tokio::spawn(async move {
                // Who speaks no TLS, or takes too long for it, is dropped like anybody who sends no request.
                if let Ok(Ok(stream)) = tokio::time::timeout(serving.within, tls.accept(stream)).await {
                    serving.run(stream, peer).await;
                }
            })),
        }
    }
}

/// One connection that speaks HTTP.
struct Serving {
    router: Router,
    closing: watch::Receiver<bool>,
    /// How long it may take over the head of a request.
    within: Duration,
}

impl Serving {
    async fn run(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, peer: Peer) {
        let Self { router, mut closing, within } = self;
        let place = Arc::clone(&peer.place);
        let service = service_fn(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(peer.clone());
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(within)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        // How it ends is the peer's affair: resets and half requests are daily bread.
        let farewell = tokio::select! {
            _ = connection.as_mut() => return,
            _ = closing.wait_for(|closing| *closing) => FAREWELL,
            () = tokio::time::sleep(AGE_MAX) => {
                if place.stays.load(Relaxed) { STAY_MAX } else { FAREWELL }
            }
        };
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection => {}
            () = tokio::time::sleep(farewell) => {}
            () = closed(closing), if farewell > FAREWELL => {}
        }
    }
}

/// The node has stopped, and what still goes on has had its time.
async fn closed(mut closing: watch::Receiver<bool>) {
    drop(closing.wait_for(|closing| *closing).await);
    tokio::time::sleep(FAREWELL).await;
}
