//! The UDP socket below quinn, with half of the system calls of quinn's own:
//! - Readiness is edge-triggered. A batch that is not full has emptied the kernel's queue, so there is no second receive
//!   that only learns that.
//! - The kernel reports "writable" after every packet that was sent: that is not listened for. quinn asks before each packet whether
//!   it may send, and may, unless the last one found no room. That is rare, and a short pause does then.

use std::io::{self, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use quinn::udp::{BATCH_SIZE, RecvMeta, Transmit, UdpSocketState};
use quinn::{AsyncTimer, AsyncUdpSocket, Runtime, TokioRuntime, UdpPoller};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::{Sleep, sleep};

/// By then the kernel has room again: in a millisecond a network takes half of what is kept for it, or more.
const FULL_FOR: Duration = Duration::from_millis(1);

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
        #[expect(
            deprecated,
            reason = "its replacement is unsafe, for types that may lose their descriptor; not this one"
        )]
        let io = AsyncFd::with_interest(socket, Interest::READABLE)?;
        Ok(Arc::new(Socket { state, io, full: AtomicBool::new(false) }))
    }
}

#[derive(Debug)]
struct Socket {
    state: UdpSocketState,
    io: AsyncFd<UdpSocket>,
    /// The last packet found no room in the kernel.
    full: AtomicBool,
}

impl AsyncUdpSocket for Socket {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Box::pin(Sender { socket: self, pause: None })
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        let sent = self.state.send(self.io.get_ref().into(), transmit);
        let full = sent.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock);
        self.full.fetch_or(full, Relaxed);
        sent
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

/// One of the connections that send through a socket.
#[derive(Debug)]
struct Sender {
    socket: Arc<Socket>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl UdpPoller for Sender {
    fn poll_writable(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.socket.full.load(Relaxed) {
            let pause = self.pause.get_or_insert_with(|| Box::pin(sleep(FULL_FOR)));
            ready!(Future::poll(pause.as_mut(), context));
            self.socket.full.store(false, Relaxed);
        }
        self.pause = None;
        Poll::Ready(Ok(()))
    }
}
