//! From a request to a raw WebSocket; without it no page would be live.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use presence_core::ConnectionId;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tungstenite::handshake::derive_accept_key;

use super::came::Came;
use super::crowd::Seat;
use super::listen::{Peer, Place};
use super::problem::Problem;
use super::{Web, cookie};
use crate::socket::{self, Visitor};

const PROTOCOL: &str = "actioncable-v1-json";
/// Chosen where the client offers it and nothing that we speak: it then stops for good instead of trying for ever.
const UNSUPPORTED: &str = "actioncable-unsupported";
/// A close frame with code 1002, protocol error.
const CLOSE: [u8; 4] = [0x88, 2, 0x03, 0xea];

/// `GET /cable`.
pub(crate) async fn cable(State(web): State<Arc<Web>>, mut request: Request) -> Response {
    match prepare(&web, &mut request) {
        Ok(ready) => ready.answer(web),
        Err(problem) => problem.into_response(),
    }
}

/// Everything that a socket needs, once its request is found to be right.
struct Ready {
    upgrade: OnUpgrade,
    accept: String,
    protocol: &'static str,
    visitor: Visitor,
    seat: Seat,
    place: Place,
}

fn prepare(web: &Arc<Web>, request: &mut Request) -> Result<Ready, Problem> {
    let peer = request.extensions().get::<Peer>().cloned().expect("every connection says who it is");
    let came = request.extensions().get::<Came>().cloned().expect("every request is judged first");
    let accept = accept_key(request)?;
    let headers = request.headers();
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    match origin {
        None => {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "A socket needs an Origin header, as every browser sends it.",
            ));
        }
        Some(origin) if !web.rules.may_open(origin, &came) => {
            let detail = format!(
                "Pages of {origin} may not open sockets here. Start the node with --allowed-origin {origin} if they should."
            );
            return Err(Problem::new(StatusCode::FORBIDDEN, detail));
        }
        Some(_) => {}
    }
    let protocol = protocol(headers)?;
    let seat = web.seat(&came)?;
    let user = cookie(headers, web, &came).map(|session| web.sessions.user(&session));
    let upgrade = request.extensions_mut().remove::<OnUpgrade>();
    let upgrade =
        upgrade.ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "This connection can't become a socket."))?;
    let connection = ConnectionId(web.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    Ok(Ready { upgrade, accept, protocol, visitor: Visitor { connection, user }, seat, place: peer.place })
}

impl Ready {
    fn answer(self, web: Arc<Web>) -> Response {
        let response = Response::builder()
            .status(StatusCode::SWITCHING_PROTOCOLS)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_ACCEPT, &self.accept)
            .header(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(self.protocol))
            .body(Body::empty())
            .expect("every header is right");
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
        if self.protocol == PROTOCOL {
            let (hub, names) = (Arc::clone(&web.hub), Arc::clone(&web.names));
            let id = self.visitor.connection.0;
            let reason = socket::serve(stream, parts.read_buf, self.visitor, hub, web.inputs.clone(), names).await;
            tracing::debug!(connection.id = id, reason = reason.as_str(), "a socket ended");
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

fn protocol(headers: &HeaderMap) -> Result<&'static str, Problem> {
    [PROTOCOL, UNSUPPORTED]
        .into_iter()
        .find(|name| lists(headers, header::SEC_WEBSOCKET_PROTOCOL.as_str(), name))
        .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, format!("Offer the subprotocol {PROTOCOL}.")))
}

fn lists(headers: &HeaderMap, name: &str, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(wanted))
}
