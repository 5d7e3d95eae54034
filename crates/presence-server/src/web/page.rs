//! A page of the app, made for one visit; without it there would be nothing to look at.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use presence_core::{Input, Room, Visit};

use super::came::Came;
use super::files::takes;
use super::{Web, cookie};
use crate::client;
use crate::identity::{Guest, Sessions, sha256};
use crate::secret::random;

/// The page of this room for this visit.
pub(super) fn answer(web: &Arc<Web>, room: &Room, request: &Request) -> Response {
    let came = request.extensions().get::<Came>().expect("every request is judged first");
    let known = cookie(request.headers(), web, came);
    let session = known.unwrap_or_else(Sessions::drawn);
    let guest = known.is_none().then(Guest::drawn);
    let user = web.sessions.user(&session);
    let public = user.public(room, sha256);
    let (mesh, age) = web.views.mesh_and_age();
    let view = web.views.room_or_empty(room);
    let made = web.visited.made_of(&view);
    let visit = Visit {
        path: request.uri().path(),
        user: public,
        tabs: web.views.tabs(room, &user),
        edge: came.edge.as_deref(),
        room_stream: &web.names.room(room, guest.as_ref()),
        user_stream: &web.names.user(room, &public, guest.as_ref()),
        script: client::SCRIPT,
        chance: u64::from_ne_bytes(random()),
        now_ms: mesh.as_of_ms.saturating_add(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        cache: Some(&made),
    };
    let html = web.app.page(&view, &visit);
    if known.is_some() {
        // A driver that is behind by thousands of inputs need not learn of this one; the page does not wait for it.
        drop(web.inputs.try_send(Input::Served { room: room.clone(), user }));
    }
    let gzips = takes(request.headers(), "gzip");
    let body = if gzips { web.compressed.gzip(&html).into() } else { Body::from(html) };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.extend(gzips.then_some((header::CONTENT_ENCODING, HeaderValue::from_static("gzip"))));
    let fixed = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::VARY, "accept-encoding"),
        // A browser keeps the socket of a page in its back/forward cache open: its visitor would stay counted.
        (header::CACHE_CONTROL, "no-store"),
    ];
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    let written = [
        (header::CONTENT_SECURITY_POLICY, policy(came)),
        (header::SET_COOKIE, web.sessions.written(&session, came.secure)),
    ];
    headers.extend(
        written.map(|(name, value)| (name, HeaderValue::try_from(value).expect("host and cookie are visible ASCII"))),
    );
    response
}

/// Scripts, styles and images of our own, sockets to the host of the page, and no frame around it.
fn policy(came: &Came) -> String {
    let socket = if came.secure { "wss" } else { "ws" };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self' {socket}://{}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        came.host
    )
}
