//! The UDP socket below quinn, with half of the system calls of quinn's own:
//! - Readiness is edge-triggered. A batch that is not full has emptied the kernel's queue, so there is no second receive
//!   that only learns that.
//! - The kernel reports "writable" after every packet that was sent. Only a sender that was told to wait listens for it.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use quinn::udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Tokio, with sockets of this file.
#[derive(Debug)]
pub(super) struct MeshRuntime;

impl Runtime for MeshRuntime {
    fn new_timer(&self, at: Instant) -> Pin<Box<dyn AsyncTimer>> {
        TokioRuntime.new_timer(at)
    }

    fn spawn(&self, future: Pin<Box<dyn Future<Output = ()> + Send>>) {
        TokioRuntime.spawn(future);
    }

    fn wrap_udp_socket(&self, socket: UdpSocket) -> io::Result<Arc<dyn AsyncUdpSocket>> {
        let state = UdpSocketState::new((&socket).into())?;
        Ok(Arc::new(Socket { state, io: watch(socket, Interest::READABLE)? }))
    }
}

#[derive(Debug)]
struct Socket {
    state: UdpSocketState,
    io: AsyncFd<UdpSocket>,
}

impl Socket {
    async fn writable(self: Arc<Self>) -> io::Result<()> {
        let waiting = watch(self.io.get_ref().try_clone()?, Interest::WRITABLE)?;
        waiting.writable().await.map(drop)
    }
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Sender { socket: self, waiting: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        self.state.send(self.io.get_ref().into(), transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        metas: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        let full = buffers.len().min(BATCH_SIZE);
        loop {
            let mut readable = ready!(self.io.poll_read_ready(context))?;
            match self.state.recv(self.io.get_ref().into(), buffers, metas) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => readable.clear_ready(),
                received => {
                    if received.as_ref().is_ok_and(|count| *count < full) {
                        readable.clear_ready();
                    }
                    return Poll::Ready(received);
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.get_ref().local_addr()
    }

    fn may_fragment(&self) -> bool {
        self.state.may_fragment()
    }

    fn max_transmit_segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    fn max_receive_segments(&self) -> usize {
        self.state.gro_segments()
    }
}

#[expect(deprecated, reason = "its replacement is unsafe, for types that do not own their descriptor; this one does")]
fn watch(socket: UdpSocket, interest: Interest) -> io::Result<AsyncFd<UdpSocket>> {
    AsyncFd::with_interest(socket, interest)
}

/// One of the connections that send through a socket.
struct Sender {
    socket: Arc<Socket>,
    waiting: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send + Sync>>>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

impl UdpPoller for Sender {
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let socket = Arc::clone(&self.socket);
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(socket.writable()));
        let result = ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        Poll::Ready(result)
    }
}
