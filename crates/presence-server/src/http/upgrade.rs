//! From an HTTP request to a WebSocket.

use std::net::Shutdown;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use presence_cable::action_cable::{PROTOCOL, PROTOCOL_EXTENDED, PROTOCOL_UNSUPPORTED, Version};
use presence_cable::presence_v1;
use presence_core::ConnectionId;
use serde::Deserialize;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tungstenite::handshake::derive_accept_key;

use super::address_limit::AddressPermit;
use super::framing::embedding_page;
use super::listen::{ConnectionPermit, HttpPeer};
use super::refused_origin::may_not_open_sockets;
use super::request_info::RequestInfo;
use super::state::HttpState;
use crate::identity::EmbedId;
use crate::problem::Problem;
use crate::sites::SitePage;
use crate::socket::{self, EmbedVisitor, SessionStart, UpgradedSocket, Visitor};
use crate::transport::Transport;

/// A close frame with code 1002, protocol error.
const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xea];

/// What the stock client writes before a token among its subprotocols.
const TOKEN: &str = "anycable-token.";

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

/// The query parameters of `/cable`.
#[derive(Deserialize, Default)]
struct CableParams {
    /// The session to resume.
    sid: Option<String>,
    /// A site's token.
    jid: Option<String>,
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
    /// What serves it. `None`: the client offers no protocol of this server.
    session: Option<SessionStart>,
    /// Sent with every answer, so that it does not expire while the visitor returns.
    cookie: Option<HeaderValue>,
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

/// Allows pages of this server and of allowed origins. With a site's token, allows that site's pages and programs that
/// send no origin.
fn action_cable(state: &HttpState, request: &Request, info: &RequestInfo) -> Result<Negotiated, Problem> {
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let Query(CableParams { sid, jid }) = Query::try_from_uri(request.uri()).unwrap_or_default();
    let token = jid.or_else(|| token_offered(headers));
    let own = Some(SitePage::of(info.origin()));
    let grant = token.map(|token| state.embed.sites.grant(&token, own, state.views.now_ms() / 1_000)).transpose()?;
    match (origin, &grant) {
        (None, None) => {
            let detail =
                "A socket needs an Origin header, which every browser sends, or a site's token: /cable?jid=...";
            return Err(forbidden(detail));
        }
        (Some(origin), grant) if !state.rules.may_open(origin, info) => {
            let site = state.embed.sites.page(origin).map(|page| page.site);
            if site.is_none() || site.as_ref() != grant.as_ref().map(|grant| &grant.site) {
                return Err(may_not_open_sockets(origin));
            }
        }
        _ => {}
    }
    // A client that is answered with the protocol "unsupported" does not try again.
    let subprotocol = offered(headers, &[PROTOCOL_EXTENDED, PROTOCOL, PROTOCOL_UNSUPPORTED])?;
    let user = state.browser(headers, info).map(|browser| state.cookies.user(&browser));
    let version = if subprotocol == PROTOCOL_EXTENDED { Version::Extended } else { Version::Plain };
    let session = state.cable.session(Visitor { user, version, sid, grant });
    let session = (subprotocol != PROTOCOL_UNSUPPORTED).then_some(session);
    Ok(Negotiated { subprotocol, session, cookie: None })
}

fn embed(state: &HttpState, request: &Request, info: &RequestInfo) -> Result<Negotiated, Problem> {
    let headers = request.headers();
    let page = embedding_page(state, request.uri().path(), headers, info)?;
    let subprotocol = offered(headers, &[presence_v1::PROTOCOL])?;
    let known = state.embed_cookie(headers, info);
    let kept = known.unwrap_or_else(EmbedId::random);
    // Sent with every answer, so that it does not expire while the visitor returns.
    let cookie = HeaderValue::try_from(state.embed.ids.write_cookie(&kept, info.secure)).ok();
    let session = Some(state.embed.session(EmbedVisitor { page, known, kept, address: info.address }));
    Ok(Negotiated { subprotocol, session, cookie })
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
        let cookie = self.negotiated.cookie.take();
        response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
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
        // From here on pongs show whether the peer is still there.
        drop(SockRef::from(transport.stream()).set_tcp_user_timeout(None));
        let Some(session) = self.negotiated.session else {
            // The browser has learned from the protocol that it is not supported, and need not read the close frame.
            drop(transport.try_write(&CLOSE));
            return transport.shut(Shutdown::Both);
        };
        let socket = UpgradedSocket { transport, unread, id: self.connection };
        let (hub, inputs, permits) = (Arc::clone(&state.hub), state.inputs.clone(), (self.address, self.permit));
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

/// The token among the offered subprotocols.
fn token_offered(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).find_map(|one| one.trim().strip_prefix(TOKEN)).map(str::to_owned)
}

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

fn lists(headers: &HeaderMap, name: &str, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(wanted))
}
