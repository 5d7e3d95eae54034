//! A page of the app, rendered for one visit.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use presence_core::{Input, Room, Visit};

use super::files::accepts;
use super::request_info::RequestInfo;
use super::state::HttpState;
use crate::client;
use crate::clock::millis;
use crate::contained_app::AppFailed;
use crate::identity::{BrowserId, Guest, sha256};
use crate::secret::random;

/// The page of a room for one visit. `Err`: the app failed.
pub(super) fn answer(state: &Arc<HttpState>, room: &Room, request: &Request) -> Result<Response, AppFailed> {
    let info = request.extensions().get::<RequestInfo>().expect("the router resolves every request first");
    let known = state.browser(request.headers(), info);
    let browser = known.unwrap_or_else(BrowserId::random);
    let guest = known.is_none().then(Guest::random);
    let user = state.cookies.user(&browser);
    let public = user.public(room, sha256);
    let (mesh, age) = state.views.mesh_and_age();
    let view = state.views.room_or_empty(room);
    let drawn = state.view_cache.drawn(&view);
    let visit = Visit {
        path: request.uri().path(),
        user: public,
        tabs: state.views.tabs(room, &user),
        edge: info.edge.as_deref(),
        room_stream: &state.names.room(room, guest.as_ref()),
        user_stream: &state.names.user(room, &public, guest.as_ref()),
        script: client::SCRIPT,
        chance: u64::from_ne_bytes(random()),
        now_ms: mesh.as_of_ms.saturating_add(millis(age)),
        cache: Some(&drawn),
    };
    let html = state.app.page(&view, &visit)?;
    if known.is_some() {
        // A page does not wait for a driver that is behind.
        drop(state.inputs.try_send(Input::Served { room: room.clone(), user }));
    }
    let gzips = accepts(request.headers(), "gzip");
    let body = if gzips { state.gzip_cache.gzip(&html).into() } else { Body::from(html) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.extend(gzips.then_some((header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))));
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::VARY, "accept-encoding"),
        // A browser keeps the socket of a page in its back/forward cache open, and the visitor would stay counted.
        (header::CACHE_CONTROL, "no-store"),
    ];
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    let written = [
        (header::CONTENT_SECURITY_POLICY, policy(info)),
        (header::SET_COOKIE, state.cookies.write(&browser, info.secure)),
    ];
    headers.extend(
        written.map(|(name, value)| (name, HeaderValue::try_from(value).expect("host and cookie are visible ASCII"))),
    );
    Ok(response)
}

/// Allows scripts, styles and images of this server and sockets to the page's host, and no frame around the page.
fn policy(info: &RequestInfo) -> String {
    let socket = if info.secure { "wss" } else { "ws" };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self' {socket}://{}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        info.host
    )
}
