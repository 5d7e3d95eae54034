//! Links over TLS and TCP, for networks that block UDP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use presence_core::DialError;
use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, ServerName};
use socket2::{SockRef, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use super::strangers::{Strangers, Welcome};
use crate::certificate::tls::{SharedTrust, reason_of_alert};
use crate::config::bound;
use crate::mux::Mux;

/// Bytes that are not acknowledged for this long end a connection: less than core's lease of 4.5 s.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(3);
/// Unsent bytes that the kernel holds; the rest waits here, where a heartbeat can overtake it.
const NOT_SENT_BYTES: u32 = 16 << 10;
const BACKLOG: i32 = 1_024;
/// How long a listener waits before it accepts again, if the process has no file descriptor left.
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// One connection between two nodes. Cheap to clone; ends with the last clone.
#[derive(Clone)]
pub(super) struct TlsConnection {
    pub(super) mux: Mux,
    /// The certificate of the other end.
    pub(super) certificate: Option<CertificateDer<'static>>,
}

impl TlsConnection {
    fn new(stream: TlsStream<TcpStream>, dialled: bool) -> Self {
        let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let certificate = shown.map(|certificate| certificate.clone().into_owned());
        Self { mux: Mux::new(stream, dialled), certificate }
    }

    /// Why it has ended.
    pub(super) fn reason(&self) -> DialError {
        self.mux.ended().map_or(DialError::NoAnswer, |error| reason_of(&error))
    }
}

/// The carrier over TLS.
pub(super) struct Tls {
    trust: SharedTrust,
    strangers: Strangers,
    listeners: Mutex<Vec<AbortHandle>>,
}

impl Tls {
    pub(super) fn new(trust: SharedTrust, strangers: Strangers) -> Self {
        Self { trust, strangers, listeners: Mutex::default() }
    }

    /// Listens there; each new connection is passed to `welcome`, which learns which node it leads to. Returns the port.
    pub(super) fn listen(&self, at: SocketAddr, welcome: Welcome<TlsConnection>) -> anyhow::Result<u16> {
        let socket = bound(at, Type::STREAM)?;
        socket.listen(BACKLOG)?;
        let listener = TcpListener::from_std(socket.into())?;
        let port = listener.local_addr()?.port();
        let (trust, strangers) = (Arc::clone(&self.trust), self.strangers.clone());
        let accepting = tokio::spawn(async move {
            loop {
                let Ok((stream, from)) = listener.accept().await else {
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                    continue;
                };
                let acceptor = TlsAcceptor::from(Arc::clone(&trust.read().server));
                let welcome = Arc::clone(&welcome);
                strangers.admit(from.ip(), async move {
                    set_options(&stream).map_err(|error| reason_of(&error))?;
                    let stream = acceptor.accept(stream).await.map_err(|error| reason_of(&error))?;
                    welcome(TlsConnection::new(stream.into(), false)).await
                });
            }
        });
        self.listeners.lock().push(accepting.abort_handle());
        Ok(port)
    }

    /// Connects to a node whose certificate holds that name.
    pub(super) async fn dial(&self, to: SocketAddr, name: &str) -> Result<TlsConnection, DialError> {
        let name = ServerName::try_from(name.to_owned()).map_err(|_| DialError::WrongName)?;
        let stream = timeout(ACKNOWLEDGED_WITHIN, TcpStream::connect(to)).await.map_err(|_| DialError::NoAnswer)?;
        let stream = stream.map_err(|error| reason_of(&error))?;
        set_options(&stream).map_err(|error| reason_of(&error))?;
        let connector = TlsConnector::from(Arc::clone(&self.trust.read().client));
        let stream = connector.connect(name, stream).await.map_err(|error| reason_of(&error))?;
        Ok(TlsConnection::new(stream.into(), true))
    }

    /// Stops listening. Connections end when their links do.
    pub(super) fn close(&self) {
        let listeners = std::mem::take(&mut *self.listeners.lock());
        listeners.iter().for_each(AbortHandle::abort);
    }
}

fn set_options(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(ACKNOWLEDGED_WITHIN))?;
    socket.set_tcp_notsent_lowat(NOT_SENT_BYTES)
}

/// The reason for the end of a connection, for the operator.
fn reason_of(error: &io::Error) -> DialError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (tls, error.kind()) {
        (Some(rustls::Error::AlertReceived(alert)), _) => {
            reason_of_alert((*alert).into()).unwrap_or(DialError::Protocol)
        }
        (Some(rustls::Error::InvalidCertificate(error)), _) => match error {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => DialError::WrongName,
            _ => DialError::WrongSecret,
        },
        (Some(rustls::Error::NoApplicationProtocol | rustls::Error::PeerIncompatible(_)), _) => DialError::OtherVersion,
        (Some(_), _) | (None, io::ErrorKind::InvalidData) => DialError::Protocol,
        // The machine is there, but the process is not.
        (None, io::ErrorKind::ConnectionRefused | io::ErrorKind::TimedOut) => DialError::NoAnswer,
        (None, io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable) => DialError::Unreachable,
        (None, _) => DialError::Refused,
    }
}
