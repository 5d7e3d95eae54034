//! A page of the app, rendered for one visit.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use presence_core::{Input, PageError, Room, Route, SignedUser, Visit};

use super::files::accepts;
use super::page_request::{SentRequest, reads};
use super::request_info::RequestInfo;
use super::state::HttpState;
use super::{error_pages, sign_in};
use crate::client;
use crate::clock::millis;
use crate::identity::{BrowserId, Guest, NameHolder, sha256};
use crate::problem::Problem;
use crate::secret::random;
use crate::sites::normalised;

/// Longest path and query of a page of a user who has signed in: they are signed into the names of its streams.
const SIGNED_ADDRESS_BYTES_MAX: usize = 1_024;

/// Answers a request that is for no file and no route of the app's own.
pub(super) fn answer(state: &Arc<HttpState>, request: &Request) -> Response {
    let info = request.extensions().get::<RequestInfo>().expect("the router resolves every request first");
    let sent = SentRequest::of(request);
    let token = sign_in::user_of_token(state, request.headers(), info);
    let failed = |error| error_pages::answer(state, error, &sent, info);
    let (route, signed) = match state.app.enter(&sent.asked(&state.room, token.as_ref())) {
        Ok(entered) => entered,
        Err(error) => return failed(error.into()),
    };
    match route {
        Route::Page(room) => match normalised(room) {
            Some(_) if !reads(request) => method_not_allowed(),
            Some(room) => {
                let page = PageVisit { state, room: &room, request, info, sent: &sent, signed: signed.as_ref() };
                page.answer().unwrap_or_else(failed)
            }
            None => failed(PageError::NotFound),
        },
        Route::Redirect(address) => redirect(&address).unwrap_or_else(|| {
            tracing::error!(path = sent.address.path, "the app redirects to an address that no header can hold");
            failed(PageError::Failed)
        }),
        Route::NotFound => failed(PageError::NotFound),
        Route::Forbidden => failed(PageError::Forbidden),
    }
}

pub(super) fn method_not_allowed() -> Response {
    let problem = Problem::new(StatusCode::METHOD_NOT_ALLOWED, "This address answers GET and HEAD only.");
    ([(header::ALLOW, "GET, HEAD")], problem).into_response()
}

fn redirect(address: &str) -> Option<Response> {
    let headers = [
        (header::LOCATION, HeaderValue::from_str(address).ok()?),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Some((StatusCode::SEE_OTHER, headers).into_response())
}

/// A request for a page that its user may see.
struct PageVisit<'a> {
    state: &'a Arc<HttpState>,
    room: &'a Room,
    request: &'a Request,
    info: &'a RequestInfo,
    sent: &'a SentRequest<'a>,
    signed: Option<&'a SignedUser>,
}

impl PageVisit<'_> {
    /// The page. `Err`: it can't be shown.
    fn answer(&self) -> Result<Response, PageError> {
        let Self { state, room, request, info, signed, .. } = *self;
        let known = state.browser(request.headers(), info);
        let browser = known.unwrap_or_else(BrowserId::random);
        let guest = (known.is_none() && signed.is_none()).then(Guest::random);
        let user =
            signed.map_or_else(|| state.cookies.user(&browser), |signed| state.cable.members.signed_in(&signed.id));
        let public = user.public(room, sha256);
        let address = request.uri().path_and_query().map_or("/", |address| address.as_str());
        if signed.is_some() && address.len() > SIGNED_ADDRESS_BYTES_MAX {
            return Err(PageError::NotFound);
        }
        let holder = match (signed, &guest) {
            (Some(_), _) => NameHolder::SignedIn { user: public, address },
            (None, guest) => guest.as_ref().into(),
        };
        let (mesh, age) = state.views.mesh_and_age();
        let view = state.views.page(room, &state.app.related(room).unwrap_or_default());
        let drawn = state.view_cache.drawn(&view);
        let visit = Visit {
            origin: &info.origin().to_string(),
            path: self.sent.address.path,
            query: &self.sent.address.query,
            signed,
            user: public,
            tabs: state.views.tabs(room, &user),
            edge: info.edge.as_deref(),
            room_stream: &state.names.room(room, holder),
            user_stream: &state.names.user(room, &public, holder),
            script: client::SCRIPT,
            chance: u64::from_ne_bytes(random()),
            now_ms: mesh.as_of_ms.saturating_add(millis(age)),
            cache: Some(&drawn),
        };
        let html = state.app.page(&view, &visit)?;
        if guest.is_none() {
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
        let cookie = state.cookies.write(&browser, info.secure);
        let written = [
            (header::CONTENT_SECURITY_POLICY, state.policy(info)),
            (header::SET_COOKIE, HeaderValue::try_from(cookie).expect("a cookie is visible ASCII")),
        ];
        headers.extend(written);
        if let Some(cookie) = sign_in::renewed_cookie(state, request.headers(), info) {
            headers.append(header::SET_COOKIE, cookie);
        }
        Ok(response)
    }
}
