//! From a request to a raw WebSocket; without it no page would be live.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use presence_cable::PROTOCOL_EMBED;
use presence_core::ConnectionId;
use socket2::SockRef;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

use super::came::Came;
use super::crowd::Seat;
use super::listen::{Peer, Place};
use super::problem::Problem;
use super::{Web, cookie};
use crate::config::Origin;
use crate::identity::EmbedId;
use crate::sites::Site;
use crate::socket::{self, EmbedVisitor, Language, Visitor};

const PROTOCOL: &str = "actioncable-v1-json";
/// Chosen where the client offers it and nothing that we speak: it then stops for good instead of trying for ever.
const UNSUPPORTED: &str = "actioncable-unsupported";
/// A close frame with code 1002, protocol error.
const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xea];

/// `GET /cable`.
pub(crate) async fn cable(State(web): State<Arc<Web>>, mut request: Request) -> Response {
    match open(&web, &mut request, cable_language) {
        Ok(ready) => ready.answer(web, None),
        Err(problem) => problem.into_response(),
    }
}

/// `GET /presence`.
pub(crate) async fn presence(State(web): State<Arc<Web>>, mut request: Request) -> Response {
    match open(&web, &mut request, embed_language) {
        Ok(ready) => {
            let cookie = ready.cookie(&web);
            ready.answer(web, cookie)
        }
        Err(problem) => problem.into_response(),
    }
}

/// Everything that a socket needs, once its request is found to be right.
struct Ready {
    upgrade: OnUpgrade,
    accept: String,
    protocol: &'static str,
    connection: ConnectionId,
    /// `None`: nothing that we speak was offered.
    language: Option<Language>,
    secure: bool,
    seat: Seat,
    place: Place,
}

/// What a request's page may speak, if it may speak at all.
type Spoken = Result<(&'static str, Option<Language>), Problem>;

fn open(
    web: &Arc<Web>,
    request: &mut Request,
    language: fn(&Web, &HeaderMap, &str, &Came) -> Spoken,
) -> Result<Ready, Problem> {
    let peer = request.extensions().get::<Peer>().cloned().expect("every connection says who it is");
    let came = request.extensions().get::<Came>().cloned().expect("every request is judged first");
    let accept = accept_key(request)?;
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let origin = origin.ok_or_else(|| forbidden("A socket needs an Origin header, as every browser sends it."))?;
    let (protocol, language) = language(web, headers, origin, &came)?;
    let seat = web.seat(&came)?;
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let upgrade =
        upgrade.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "This connection can't become a socket."))?;
    let connection = ConnectionId(web.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let (secure, place) = (came.secure, peer.place);
    Ok(Ready { upgrade, accept, protocol, connection, language, secure, seat, place })
}

fn cable_language(web: &Web, headers: &HeaderMap, origin: &str, came: &Came) -> Spoken {
    if !web.rules.may_open(origin, came) {
        return Err(forbidden(format!(
            "Pages of {origin} may not open sockets here. Start the node with --allowed-origin {origin} if they should."
        )));
    }
    let protocol = offered(headers, &[PROTOCOL, UNSUPPORTED])?;
    let user = cookie(headers, web, came).map(|session| web.sessions.user(&session));
    let language = Language::Cable { names: Arc::clone(&web.names), visitor: Visitor { user } };
    Ok((protocol, (protocol == PROTOCOL).then_some(language)))
}

fn embed_language(web: &Web, headers: &HeaderMap, origin: &str, came: &Came) -> Spoken {
    let (site, host) = web.site(origin, came).ok_or_else(|| Problem::foreign(origin))?;
    let protocol = offered(headers, &[PROTOCOL_EMBED])?;
    let known = web.embed_cookie(headers, came);
    let visitor = EmbedVisitor { site, host, known, kept: known.unwrap_or_else(EmbedId::drawn) };
    Ok((protocol, Some(Language::Embed { visitor, shared: web.embed.clone() })))
}

impl Web {
    /// The site of a page, and its host: one that may embed us, or our own origin.
    pub(crate) fn site(&self, origin: &str, came: &Came) -> Option<(Site, String)> {
        let own = || {
            let origin = origin.parse::<Origin>().ok().filter(|origin| self.rules.is_own(origin, came))?;
            let host = origin.host.clone();
            Some((Site::of(origin), host))
        };
        self.embed.sites.allows(origin).or_else(own)
    }

    /// The id of a request's embed cookie.
    pub(crate) fn embed_cookie(&self, headers: &HeaderMap, came: &Came) -> Option<EmbedId> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        cookies.filter_map(|cookies| self.embed.embeds.cookie(cookies, came.secure)).next()
    }
}

impl Ready {
    /// Set at every answer, so that it lasts for as long as somebody comes back.
    fn cookie(&self, web: &Web) -> Option<HeaderValue> {
        let Some(Language::Embed { visitor, .. }) = &self.language else { return None };
        HeaderValue::try_from(web.embed.embeds.cookie_written(&visitor.kept, self.secure)).ok()
    }

    fn answer(self, web: Arc<Web>, cookie: Option<HeaderValue>) -> Response {
        let mut response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, &self.accept)
            .header(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(self.protocol))
            .body(Body::empty())
            .expect("every header is right");
        response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
        tokio::spawn(self.serve(web));
        response
    }

    async fn serve(self, web: Arc<Web>) {
        let Ok(upgraded) = self.upgrade.await else { return };
        let Ok(parts) = upgraded.downcast::<TokioIo<TcpStream>>() else {
            tracing::error!("a connection that became a socket is not one of our own");
            return;
        };
        let mut stream = parts.io.into_inner();
        // Whether a socket is still there is told by its pongs.
        drop(SockRef::from(&stream).set_tcp_user_timeout(None));
        if let Some(language) = self.language {
            let (hub, inputs) = (Arc::clone(&web.hub), web.inputs.clone());
            let reason = socket::serve(stream, parts.read_buf, self.connection, language, hub, inputs).await;
            tracing::debug!(connection.id = self.connection.0, reason = reason.as_str(), "a socket ended");
        } else {
            // The browser has seen by the protocol that we do not speak; whether it reads the farewell is its own affair.
            drop(stream.write_all(&CLOSE).await);
        }
        drop((self.seat, self.place));
    }
}

fn accept_key(request: &Request) -> Result<String, Problem> {
    let headers = request.headers();
    let upgrades =
        lists(headers, header::CONNECTION.as_str(), "upgrade") && lists(headers, header::UPGRADE.as_str(), "websocket");
    if request.method() != Method::GET || !upgrades {
        return Err(Problem::new(StatusCode::UPGRADE_REQUIRED, "This address speaks WebSocket only."));
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
fn offered(headers: &HeaderMap, spoken: &[&'static str]) -> Result<&'static str, Problem> {
    let found = spoken.iter().find(|name| lists(headers, header::SEC_WEBSOCKET_PROTOCOL.as_str(), name));
    let first = spoken.first().expect("something is spoken");
    found.copied().ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, format!("Offer the subprotocol {first}.")))
}

fn forbidden(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, detail)
}

fn lists(headers: &HeaderMap, name: &str, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(wanted))
}
