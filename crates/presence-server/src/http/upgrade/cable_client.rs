//! What a request to `/cable` says of its client, in the words of AnyCable's clients.

use axum::extract::Request;
use axum::http::{HeaderMap, header};

use super::super::refused_origin::may_not_open_sockets;
use super::super::request_info::RequestInfo;
use super::super::state::HttpState;
use crate::problem::Problem;
use crate::sites::{Grant, RoomError, SitePage};
use crate::socket::RefusedClient;

/// The header with a token.
const TOKEN_HEADER: &str = "x-jid";
/// The query parameter with a token.
const TOKEN_PARAMETER: &str = "jid";
/// What the stock client writes before a token among its subprotocols.
const TOKEN_SUBPROTOCOL: &str = "anycable-token.";
/// The header with the id of an earlier session.
const SESSION_HEADER: &str = "x-anycable-restore-sid";
/// The query parameter with the id of an earlier session.
const SESSION_PARAMETER: &str = "sid";

/// The query parameter with the tab's name for itself, the same for all of its sockets.
const TAB_PARAMETER: &str = "tab";

/// A client of `/cable`. As in AnyCable, a header counts before a parameter, and an empty text is none.
pub(super) struct CableClient {
    /// The session to go on with.
    pub(super) sid: Option<String>,
    /// A site's token.
    token: Option<String>,
    pub(super) tab: Option<String>,
}

impl CableClient {
    pub(super) fn of(request: &Request) -> Self {
        let (headers, query) = (request.headers(), request.uri().query().unwrap_or_default());
        let sid = sent(headers, SESSION_HEADER).or_else(|| asked(query, SESSION_PARAMETER));
        let token = sent(headers, TOKEN_HEADER).or_else(|| offered(headers)).or_else(|| asked(query, TOKEN_PARAMETER));
        Self { sid, token, tab: asked(query, TAB_PARAMETER) }
    }

    /// What the client's token opens, if it has one. Allows pages of this server and of allowed origins. With a site's token,
    /// allows that site's pages and programs that send no origin. A page of no site is refused before it becomes a socket; a
    /// client for which a right token would do is told so by the socket.
    pub(super) fn authorize(
        &self,
        state: &HttpState,
        origin: Option<&str>,
        info: &RequestInfo,
    ) -> Result<Result<Option<Grant>, RefusedClient>, Problem> {
        // The site whose token is needed; `None`: any token will do, or none.
        let of_site = match origin {
            Some(origin) if !state.rules.may_open(origin, info) => {
                let page = state.embed.sites.page(origin).ok_or_else(|| may_not_open_sockets(origin))?;
                Some(page.site)
            }
            _ => None,
        };
        let Some(token) = &self.token else {
            let needed = origin.is_none() || of_site.is_some();
            return Ok(if needed { Err(RefusedClient::Unauthorized) } else { Ok(None) });
        };
        let own = Some(SitePage::of(info.origin()));
        Ok(match state.embed.sites.grant(token, own, state.views.now_ms() / 1_000) {
            Ok(grant) if of_site.is_none_or(|site| site == grant.site) => Ok(Some(grant)),
            Err(RoomError::TokenExpired) => Err(RefusedClient::TokenExpired),
            Ok(_) | Err(_) => Err(RefusedClient::Unauthorized),
        })
    }
}

/// The text of a header.
fn sent(headers: &HeaderMap, name: &str) -> Option<String> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The token among the offered subprotocols.
fn offered(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let tokens = values.flat_map(|value| value.split(',')).filter_map(|one| one.trim().strip_prefix(TOKEN_SUBPROTOCOL));
    tokens.map(str::to_owned).find(|token| !token.is_empty())
}

/// The text of a query parameter.
fn asked(query: &str, name: &str) -> Option<String> {
    let mut all = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
    all.find_map(|(_, text)| (!text.is_empty()).then(|| text.into_owned()))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn client(uri: &str, headers: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let CableClient { sid, token, .. } = CableClient::of(&request.body(Body::empty()).unwrap());
        (sid, token)
    }

    #[test]
    fn a_header_counts_before_a_subprotocol_and_that_before_a_parameter() {
        let some = |sid: &str, token: &str| {
            let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            (text(sid), text(token))
        };
        let offered = ("sec-websocket-protocol", "actioncable-v1-json, anycable-token.offered");
        for (uri, headers, expected) in [
            ("/cable", &[][..], some("", "")),
            ("/cable?sid=&jid=", &[("x-jid", " "), ("sec-websocket-protocol", "anycable-token.")][..], some("", "")),
            ("/cable?jid=asked&sid=a%2Eb&other=1", &[][..], some("a.b", "asked")),
            ("/cable?jid=asked&jid=again&sid=&sid=last", &[][..], some("last", "asked")),
            ("/cable?jid=asked", &[offered][..], some("", "offered")),
            (
                "/cable?jid=asked&sid=asked",
                &[offered, ("X-JID", "sent"), ("X-ANYCABLE-RESTORE-SID", "sent")][..],
                some("sent", "sent"),
            ),
        ] {
            assert_eq!(client(uri, headers), expected, "{uri} {headers:?}");
        }
    }
}
