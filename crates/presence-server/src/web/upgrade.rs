//! From a request to a raw WebSocket; without it no page would be live.

use std::net::Shutdown;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use presence_cable::{PROTOCOL, PROTOCOL_EMBED, PROTOCOL_EXTENDED, PROTOCOL_UNSUPPORTED};
use presence_core::ConnectionId;
use serde::Deserialize;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tungstenite::handshake::derive_accept_key;

use super::came::Came;
use super::crowd::Seat;
use super::listen::{Peer, Place};
use super::{Web, cookie};
use crate::clock::wall_ms;
use crate::config::Origin;
use crate::identity::EmbedId;
use crate::problem::Problem;
use crate::sites::Site;
use crate::socket::{self, EmbedVisitor, Language, Visitor};
use crate::transport::Transport;

/// A close frame with code 1002, protocol error.
const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xea];

/// What the stock client puts before a token among its subprotocols.
const TOKEN: &str = "anycable-token.";

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

/// What a socket's address may say.
#[derive(Deserialize, Default)]
struct Asked {
    /// The session that is to be gone on with.
    sid: Option<String>,
    /// A site's token.
    jid: Option<String>,
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
    language: fn(&Web, &Request, Option<&str>, &Came) -> Spoken,
) -> Result<Ready, Problem> {
    let peer = request.extensions().get::<Peer>().cloned().expect("every connection says who it is");
    let came = request.extensions().get::<Came>().cloned().expect("every request is judged first");
    let accept = accept_key(request)?;
    let origin = request.headers().get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let (protocol, language) = language(web, request, origin, &came)?;
    let seat = web.seat(&came)?;
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let upgrade =
        upgrade.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "This connection can't become a socket."))?;
    let connection = ConnectionId(web.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let (secure, place) = (came.secure, peer.place);
    Ok(Ready { upgrade, accept, protocol, connection, language, secure, seat, place })
}

/// Pages of our own and of allowed origins; with a site's token that site's pages, and whoever is no page.
fn cable_language(web: &Web, request: &Request, origin: Option<&str>, came: &Came) -> Spoken {
    let headers = request.headers();
    let Query(Asked { sid, jid }) = Query::try_from_uri(request.uri()).unwrap_or_default();
    let token = jid.or_else(|| token_offered(headers));
    let own = came.origin();
    let own = Some((Site::of(own.clone()), own.host));
    let grant = token.map(|token| web.embed.sites.grant(&token, own.clone(), wall_ms() / 1_000)).transpose()?;
    match (origin, &grant) {
        (None, None) => {
            let detail =
                "A socket needs an Origin header, as every browser sends it, or a site's token: /cable?jid=...";
            return Err(forbidden(detail));
        }
        (Some(origin), grant) if !web.rules.may_open(origin, came) => {
            let site = web.embed.sites.allows(origin).map(|(site, _)| site);
            if site.is_none() || site.as_ref() != grant.as_ref().map(|grant| &grant.site) {
                return Err(forbidden(format!(
                    "Pages of {origin} may not open sockets here. Start the node with --allowed-origin {origin} if they \
                     should."
                )));
            }
        }
        _ => {}
    }
    // A client that offers what nobody speaks, and is answered by it, stops for good.
    let protocol = offered(headers, &[PROTOCOL_EXTENDED, PROTOCOL, PROTOCOL_UNSUPPORTED])?;
    let user = cookie(headers, web, came).map(|session| web.sessions.user(&session));
    let visitor = Visitor { user, extended: protocol == PROTOCOL_EXTENDED, sid, grant };
    let language = Language::Cable { cable: Arc::clone(&web.cable), visitor };
    Ok((protocol, (protocol != PROTOCOL_UNSUPPORTED).then_some(language)))
}

fn embed_language(web: &Web, request: &Request, origin: Option<&str>, came: &Came) -> Spoken {
    let headers = request.headers();
    let origin = origin.ok_or_else(|| forbidden("A socket needs an Origin header, as every browser sends it."))?;
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
        tokio::spawn(self.take(web));
        response
    }

    /// Takes the connection over from HTTP. What serves it is a task of its own, a small one: it may stay for days.
    async fn take(self, web: Arc<Web>) {
        let Ok(upgraded) = self.upgrade.await else { return };
        let Some((transport, unread)) = transport(upgraded) else {
            tracing::error!("a connection that became a socket is not one of our own");
            return;
        };
        // Whether a socket is still there is told by its pongs.
        drop(SockRef::from(transport.stream()).set_tcp_user_timeout(None));
        let Some(language) = self.language else {
            // The browser has seen by the protocol that we do not speak; whether it reads the farewell is its own affair.
            drop(transport.try_write(&CLOSE));
            return transport.shut(Shutdown::Both);
        };
        let (held, driven) = ((self.seat, self.place), (Arc::clone(&web.hub), web.inputs.clone()));
        tokio::spawn(socket::serve(transport, unread, self.connection, language, driven, held));
    }
}

/// What is left of a connection without HTTP, and what was read of it already.
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
    found.copied().ok_or_else(|| {
        let ours: Vec<&str> = spoken.iter().copied().filter(|name| *name != PROTOCOL_UNSUPPORTED).collect();
        Problem::new(StatusCode::BAD_REQUEST, format!("Offer the subprotocol {}.", ours.join(" or ")))
    })
}

/// The token that is offered as if it were a subprotocol.
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
