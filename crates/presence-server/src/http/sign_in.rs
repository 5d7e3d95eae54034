//! Who has signed in on this server's own pages: a token in a cookie or a header, which routes of the app may hand out.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use presence_core::SignedUser;

use super::error_pages;
use super::page_request::{SentRequest, reads};
use super::refused_origin::may_not_send;
use super::request_info::RequestInfo;
use super::room_views::RoomViews;
use super::state::HttpState;
use crate::contained_app::AppFailed;
use crate::sites::UserTokens;

/// The cookie with the token of a user. Over TLS, this server's own has the prefix `__Host-`.
const COOKIE: &str = "presence-user";
/// The same over TLS.
const SECURE_COOKIE: &str = "__Host-presence-user";

/// What a route of an app's own knows about the user's sign-in, and how it signs users in and out. It is an extractor of axum.
///
/// ```
/// use axum::Router;
/// use axum::http::header::SET_COOKIE;
/// use axum::response::{IntoResponse, Redirect, Response};
/// use axum::routing::post;
/// use presence_server::{SignIn, SignedUser, Site};
///
/// async fn login(sign_in: SignIn, password: String) -> Response {
///     if password != "open sesame" {
///         return Redirect::to("/login?wrong").into_response();
///     }
///     let ali = SignedUser::new("ali").with_info(r#"{"name":"Ali Baba"}"#);
///     let day = std::time::Duration::from_secs(24 * 60 * 60);
///     ([(SET_COOKIE, sign_in.cookie(&ali, day))], Redirect::to("/cave")).into_response()
/// }
///
/// async fn logout(sign_in: SignIn) -> impl IntoResponse {
///     ([(SET_COOKIE, sign_in.end())], Redirect::to("/"))
/// }
///
/// let router = Router::new().route("/login", post(login)).route("/logout", post(logout));
/// let site = Site { router, ..Site::new("cave") };
/// ```
#[derive(Clone)]
pub struct SignIn {
    user: Option<SignedUser>,
    tokens: UserTokens,
    secure: bool,
    now_s: u64,
}

impl SignIn {
    /// Who the user is, if they have signed in.
    pub fn user(&self) -> Option<&SignedUser> {
        self.user.as_ref()
    }

    /// The `Set-Cookie` header that signs this user in, for this long. From the next page on they are this user.
    ///
    /// # Panics
    ///
    /// If the user's id does not have 1 to 256 bytes, what is said of them is not JSON text of at most 1,024 bytes, or `lasts` is
    /// more than 100 years.
    pub fn cookie(&self, user: &SignedUser, lasts: Duration) -> HeaderValue {
        let token = self.tokens.sign(user, self.now_s, lasts).unwrap_or_else(|error| panic!("{error}"));
        token_cookie(&token, lasts, self.secure)
    }

    /// The `Set-Cookie` header that signs the user out.
    pub fn end(&self) -> HeaderValue {
        token_cookie("", Duration::ZERO, self.secure)
    }
}

fn token_cookie(token: &str, lasts: Duration, secure: bool) -> HeaderValue {
    let (name, secure) = if secure { (SECURE_COOKIE, "; Secure") } else { (COOKIE, "") };
    let age_s = lasts.as_secs();
    let header = format!("{name}={token}; Path=/; Max-Age={age_s}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(header).expect("a token is visible ASCII")
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignIn").field("user", &self.user).finish_non_exhaustive()
    }
}

impl<S: Sync> FromRequestParts<S> for SignIn {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        parts.extensions.get::<Self>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

/// The user in a token of the headers.
pub(super) fn user_of_token(state: &HttpState, headers: &HeaderMap, info: &RequestInfo) -> Option<SignedUser> {
    let text = token(headers, info.secure)?;
    state.embed.sites.user_tokens(info.origin()).open(text, state.views.now_ms() / 1_000)
}

/// The `Set-Cookie` header with the same token, signed with the secret that signs now, if the cookie has one that another
/// secret has signed.
pub(super) fn renewed_cookie(state: &HttpState, headers: &HeaderMap, info: &RequestInfo) -> Option<HeaderValue> {
    let tokens = state.embed.sites.user_tokens(info.origin());
    let (token, lasts) = tokens.renewed(cookie(headers, info.secure)?, state.views.now_ms() / 1_000)?;
    Some(token_cookie(&token, lasts, info.secure))
}

/// The user who sends a request that is for no page.
pub(super) fn user(state: &HttpState, request: &Request, info: &RequestInfo) -> Result<Option<SignedUser>, AppFailed> {
    let token = user_of_token(state, request.headers(), info);
    let sent = SentRequest::of(request);
    state.app.signed_user(&sent.asked(&state.room, token.as_ref()))
}

/// Tells a route of the app's own who the user is, and what rooms look like. Its pages have the policy of the app's pages, unless
/// they have another.
pub(super) async fn offer(State(state): State<Arc<HttpState>>, mut request: Request, next: Next) -> Response {
    let info = request.extensions().get::<RequestInfo>().cloned().expect("the router resolves every request first");
    // A page of another site must not sign a visitor in or out, or send a form in their name.
    let origin = request.headers().get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    if let Some(origin) = origin.filter(|origin| !reads(&request) && !state.rules.may_open(origin, &info)) {
        return may_not_send(origin).into_response();
    }
    let user = match user(&state, &request, &info) {
        Ok(user) => user,
        Err(failed) => return error_pages::answer(&state, failed.into(), &SentRequest::of(&request), &info),
    };
    let (tokens, now_s) = (state.embed.sites.user_tokens(info.origin()), state.views.now_ms() / 1_000);
    request.extensions_mut().insert(SignIn { user, tokens, secure: info.secure, now_s });
    request.extensions_mut().insert(RoomViews::of(&state.views));
    let mut response = next.run(request).await;
    let is_page =
        response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if is_page {
        response.headers_mut().entry(header::CONTENT_SECURITY_POLICY).or_insert_with(|| state.policy(&info));
    }
    response
}

fn token(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    bearer.or_else(|| cookie(headers, secure))
}

fn cookie(headers: &HeaderMap, secure: bool) -> Option<&str> {
    let cookie = |name: &str| {
        let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find_map(|(key, value)| (key == name).then_some(value))
    };
    if secure { cookie(SECURE_COOKIE).or_else(|| cookie(COOKIE)) } else { cookie(COOKIE) }
}
