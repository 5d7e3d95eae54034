//! A browser's connection after the upgrade: bare, or with TLS that ends here. Without it the hub would have to know which.

use std::io::{self, IoSlice, Read as _, Write};
use std::net::Shutdown;
use std::task::Poll;

use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConnection;

/// What may wait encrypted for one socket.
const HELD_BYTES_MAX: usize = 16 * 1_024;

/// Read and written without waiting, by several at once.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Bytes go as they are: all sockets share them.
    Bare(TcpStream),
    /// The plaintext is shared; what it becomes is each socket's own.
    Tls(TcpStream, Box<Mutex<ServerConnection>>),
}

/// A stream that is read and written as far as that is possible at once.
struct NonBlocking<'a>(&'a TcpStream);

impl io::Read for NonBlocking<'_> {
    /// Returns what is there. A read that does not fill the buffer has emptied the kernel's, so tokio is told to wait for
    /// the next event: that saves a system call that would find nothing. Events are edge-triggered, and an end stays
    /// readable.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (stream, mut short) = (self.0, None);
        let read = stream.try_io(Interest::READABLE, || match (&*SockRef::from(stream)).read(buffer)? {
            count if (1..buffer.len()).contains(&count) => {
                short = Some(count);
                Err(io::ErrorKind::WouldBlock.into())
            }
            count => Ok(count),
        });
        short.map_or(read, Ok)
    }
}

impl Write for NonBlocking<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport {
    pub(crate) fn tls(stream: TcpStream, mut session: ServerConnection) -> Self {
        // What waits encrypted is little: the queue in front of it can be folded, and this can not.
        session.set_buffer_limit(Some(HELD_BYTES_MAX));
        Self::Tls(stream, Box::new(Mutex::new(session)))
    }

    /// The kernel's end of it.
    pub(crate) fn stream(&self) -> &TcpStream {
        match self {
            Self::Bare(stream) | Self::Tls(stream, _) => stream,
        }
    }

    /// What is there; `Ok(0)` at the end, `WouldBlock` where nothing is.
    pub(crate) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (stream, session) = match self {
            Self::Bare(stream) => return NonBlocking(stream).read(buffer),
            Self::Tls(stream, session) => (stream, session),
        };
        let mut session = session.lock();
        loop {
            match session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                read => return read,
            }
            if session.read_tls(&mut NonBlocking(stream))? == 0 {
                return Ok(0);
            }
            let fine = session.process_new_packets();
            // An alert, or the answer to a change of keys. What finds no room now leaves with the next write.
            let _later = flush(&mut session, stream);
            fine.map_err(io::Error::other)?;
        }
    }

    /// Takes what there is room for; `WouldBlock` where there is none.
    pub(crate) fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let (stream, session) = match self {
            Self::Bare(stream) => return stream.try_write_vectored(pieces),
            Self::Tls(stream, session) => (stream, session),
        };
        let mut session = session.lock();
        flush(&mut session, stream)?;
        let taken = session.writer().write_vectored(pieces)?;
        match flush(&mut session, stream) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
            _ => Ok(taken),
        }
    }

    /// The same for one piece.
    pub(crate) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Bare(stream) => stream.try_write(bytes),
            Self::Tls(..) => self.try_write_vectored(&[IoSlice::new(bytes)]),
        }
    }

    /// Hands the kernel what was taken and not yet given to it; `WouldBlock` where some of it still waits.
    pub(crate) fn try_flush(&self) -> io::Result<()> {
        match self {
            Self::Bare(_) => Ok(()),
            Self::Tls(stream, session) => flush(&mut session.lock(), stream),
        }
    }

    /// Waits until there may be something to read; if there is at once, other tasks have their turn first. One task
    /// alone may wait: that takes no place in a list of waiters, and little in the task of a quiet socket.
    pub(crate) fn readable(&self) -> impl Future<Output = io::Result<()>> {
        let mut asked = false;
        std::future::poll_fn(move |context| {
            let ready = match self {
                // Decrypted already: the kernel knows nothing of it.
                Self::Tls(_, session) if !session.lock().wants_read() => Poll::Ready(Ok(())),
                _ => self.stream().poll_read_ready(context),
            };
            if std::mem::replace(&mut asked, true) || ready.is_pending() {
                return ready;
            }
            // To the end of the queue of tasks.
            context.waker().wake_by_ref();
            Poll::Pending
        })
    }

    /// Waits until something may be written.
    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.stream().writable().await
    }

    /// Ends one or both directions, whatever waits.
    pub(crate) fn shut(&self, how: Shutdown) {
        if let Self::Tls(stream, session) = self {
            let mut session = session.lock();
            session.send_close_notify();
            let _gone = flush(&mut session, stream);
        }
        // Fails where the connection is already gone, which is what we want.
        let _gone = SockRef::from(self.stream()).shutdown(how);
    }
}

fn flush(session: &mut ServerConnection, stream: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        if session.write_tls(&mut NonBlocking(stream))? == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}
