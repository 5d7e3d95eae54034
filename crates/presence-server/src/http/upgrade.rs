//! From an HTTP request to a WebSocket.

mod cable_client;

use std::net::Shutdown;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use presence_cable::action_cable::{PROTOCOL, PROTOCOL_EXTENDED, PROTOCOL_UNSUPPORTED, Version};
use presence_cable::presence_v1;
use presence_core::ConnectionId;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tungstenite::handshake::derive_accept_key;

use self::cable_client::CableClient;
use super::address_limit::AddressPermit;
use super::framing::embedding_page;
use super::listen::{ConnectionPermit, HttpPeer};
use super::request_info::RequestInfo;
use super::sign_in;
use super::state::HttpState;
use crate::identity::EmbedId;
use crate::problem::Problem;
use crate::socket::{self, EmbedVisitor, RefusedClient, SessionStart, UpgradedSocket, Visitor};
use crate::transport::Transport;

/// A close frame with code 1002, protocol error.
const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xea];

/// `GET /cable`.
pub(crate) async fn cable(State(state): State<Arc<HttpState>>, mut request: Request) -> Response {
    match open(&state, &mut request, action_cable) {
        Ok(ready) => ready.answer(state),
        Err(problem) => refused(problem),
    }
}

/// `GET /presence`, and the same for the script in a frame.
pub(crate) async fn presence(State(state): State<Arc<HttpState>>, mut request: Request) -> Response {
    match open(&state, &mut request, embed) {
        Ok(ready) => ready.answer(state),
        Err(problem) => refused(problem),
    }
}

/// Tells what an upgrade needs, beside why it is refused.
fn refused(problem: Problem) -> Response {
    let mut response = problem.into_response();
    response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    if response.status() == StatusCode::UPGRADE_REQUIRED {
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    }
    response
}

/// A request that is allowed to become a socket.
struct SocketUpgrade {
    upgrade: OnUpgrade,
    accept: String,
    connection: ConnectionId,
    negotiated: Negotiated,
    address: AddressPermit,
    permit: ConnectionPermit,
}

/// The subprotocol that a request gets.
struct Negotiated {
    subprotocol: &'static str,
    socket: NegotiatedSocket,
    /// Sent with every answer, so that they do not expire while the visitor returns, and are signed with the secret that signs
    /// now.
    cookies: Vec<HeaderValue>,
}

/// What becomes of a socket.
enum NegotiatedSocket {
    Served(SessionStart),
    /// The client is told why it may not connect.
    Refused(RefusedClient),
    /// The client offers no protocol of this server.
    Unsupported,
}

/// Checks that a request's page may open a socket, and chooses its protocol.
type Negotiate = fn(&HttpState, &Request, &RequestInfo) -> Result<Negotiated, Problem>;

fn open(state: &Arc<HttpState>, request: &mut Request, negotiate: Negotiate) -> Result<SocketUpgrade, Problem> {
    let peer = request.extensions().get::<HttpPeer>().cloned().expect("every connection has a peer");
    let info = request.extensions().get::<RequestInfo>().cloned().expect("the router resolves every request first");
    let accept = accept_key(request)?;
    let negotiated = negotiate(state, request, &info)?;
    let address = state.admit(&info)?;
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let upgrade = upgrade
        .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "This connection can't be upgraded to a WebSocket."))?;
    let (permit, connection) = (peer.permit, state.connection_id());
    Ok(SocketUpgrade { upgrade, accept, connection, negotiated, address, permit })
}

fn action_cable(state: &HttpState, request: &Request, info: &RequestInfo) -> Result<Negotiated, Problem> {
    let headers = request.headers();
    let client = CableClient::of(request);
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let grant = client.authorize(state, origin, info)?;
    // A client that is answered with the protocol "unsupported" does not try again.
    let subprotocol = offered(headers, &[PROTOCOL_EXTENDED, PROTOCOL, PROTOCOL_UNSUPPORTED])?;
    let browser = state.browser(headers, info);
    let socket = match grant {
        _ if subprotocol == PROTOCOL_UNSUPPORTED => NegotiatedSocket::Unsupported,
        Err(why) => NegotiatedSocket::Refused(why),
        Ok(grant) => {
            let signed = sign_in::user(state, request, info).unwrap_or_default();
            let cookie_user = || browser.map(|browser| state.cookies.user(&browser));
            let user = signed.as_ref().map(|signed| state.cable.members.signed_in(&signed.id)).or_else(cookie_user);
            let version = if subprotocol == PROTOCOL_EXTENDED { Version::Extended } else { Version::Plain };
            NegotiatedSocket::Served(state.cable.session(Visitor {
                user,
                signed: signed.map(Arc::new),
                version,
                sid: client.sid,
                grant,
                tab: client.tab,
                trace: request.extensions().get().copied(),
            }))
        }
    };
    let written = browser.map(|browser| HeaderValue::try_from(state.cookies.write(&browser, info.secure)));
    let browser_cookie = written.map(|cookie| cookie.expect("a cookie is visible ASCII"));
    let cookies = browser_cookie.into_iter().chain(sign_in::renewed_cookie(state, headers, info)).collect();
    Ok(Negotiated { subprotocol, socket, cookies })
}

fn embed(state: &HttpState, request: &Request, info: &RequestInfo) -> Result<Negotiated, Problem> {
    let headers = request.headers();
    let page = embedding_page(state, request.uri().path(), headers, info)?;
    let subprotocol = offered(headers, &[presence_v1::PROTOCOL])?;
    let known = state.embed_cookie(headers, info);
    let kept = known.unwrap_or_else(EmbedId::random);
    let cookies = HeaderValue::try_from(state.embed.ids.write_cookie(&kept, info.secure)).into_iter().collect();
    let session = state.embed.session(EmbedVisitor { page, known, kept, address: info.address });
    Ok(Negotiated { subprotocol, socket: NegotiatedSocket::Served(session), cookies })
}

impl SocketUpgrade {
    fn answer(mut self, state: Arc<HttpState>) -> Response {
        let mut response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, &self.accept)
            .header(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(self.negotiated.subprotocol))
            .body(Body::empty())
            .expect("every header is right");
        for cookie in std::mem::take(&mut self.negotiated.cookies) {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        tokio::spawn(self.serve(state));
        response
    }

    /// Takes the connection over from HTTP. A task of its own serves it, a small one, since it may run for days.
    async fn serve(self, state: Arc<HttpState>) {
        let Ok(upgraded) = self.upgrade.await else { return };
        let Some((transport, unread)) = transport(upgraded) else {
            tracing::error!("an upgraded connection has an unknown type; the socket is dropped");
            return;
        };
        let permits = (self.address, self.permit);
        let session = match self.negotiated.socket {
            NegotiatedSocket::Served(session) => session,
            // Boxed, so that the task of every other socket has no room for it.
            NegotiatedSocket::Refused(why) => return Box::pin(socket::refuse(transport, why, permits)).await,
            NegotiatedSocket::Unsupported => {
                // The browser has learned from the protocol that it is not supported, and need not read the close frame.
                drop(transport.try_write(&CLOSE));
                return transport.shut(Shutdown::Both);
            }
        };
        // From here on pongs show whether the peer is still there.
        drop(SockRef::from(transport.stream()).set_tcp_user_timeout(None));
        let socket = UpgradedSocket { transport, unread, id: self.connection };
        let (hub, inputs) = (Arc::clone(&state.hub), state.inputs.clone());
        tokio::spawn(socket::serve(socket, session, hub, inputs, permits));
    }
}

/// The connection below HTTP, and what was read from it already.
fn transport(upgraded: Upgraded) -> Option<(Transport, Bytes)> {
    let tls = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(bare) => return Some((Transport::Bare(bare.io.into_inner()), bare.read_buf)),
        Err(upgraded) => upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>().ok()?,
    };
    let (stream, session) = tls.io.into_inner().into_inner();
    Some((Transport::tls(stream, session), tls.read_buf))
}

fn accept_key(request: &Request) -> Result<String, Problem> {
    let headers = request.headers();
    let upgrades =
        lists(headers, header::CONNECTION.as_str(), "upgrade") && lists(headers, header::UPGRADE.as_str(), "websocket");
    if request.method() != Method::GET || !upgrades {
        return Err(Problem::new(StatusCode::UPGRADE_REQUIRED, "This address answers WebSocket requests only."));
    }
    if headers.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "Send Sec-WebSocket-Version: 13."));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
    let key =
        key.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "Send a Sec-WebSocket-Key of 16 bytes in Base64."))?;
    Ok(derive_accept_key(key.as_bytes()))
}

/// The first of these subprotocols that the client offers.
fn offered(headers: &HeaderMap, supported: &[&'static str]) -> Result<&'static str, Problem> {
    let found = supported.iter().find(|name| lists(headers, header::SEC_WEBSOCKET_PROTOCOL.as_str(), name));
    found.copied().ok_or_else(|| {
        let ours: Vec<&str> = supported.iter().copied().filter(|name| *name != PROTOCOL_UNSUPPORTED).collect();
        Problem::new(StatusCode::BAD_REQUEST, format!("Offer the subprotocol {}.", ours.join(" or ")))
    })
}

fn lists(headers: &HeaderMap, name: &str, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(wanted))
}
