//! Who may see these pages. A browser sends a key as the password of `Basic` (RFC 7617), which it asks its user for.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};

use super::ReportSources;
use crate::http::api_key::{GivenKey, KeyRight, KeyRights};
use crate::http::listen::HttpPeer;
use crate::problem::Problem;

/// Who reads the status.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum StatusReader {
    /// The holder of a key for all sites, or a caller on this machine: sees all.
    Operator,
    /// Anybody: sees no name but those of regions, no address and no room.
    Anybody,
}

/// The head of a request.
pub(super) struct Caller<'a> {
    pub(super) peer: &'a HttpPeer,
    pub(super) version: Version,
    pub(super) headers: &'a HeaderMap,
}

impl ReportSources {
    /// Who reads the status, or the refusal.
    pub(super) async fn status_reader(&self, caller: &Caller<'_>) -> Result<StatusReader, Response> {
        let key = self.state.key_of_browser(caller.headers);
        if key.allows_everywhere(KeyRight::Read)
            || self.state.rules.is_local(caller.peer.address.ip(), caller.version, caller.headers)
        {
            return Ok(StatusReader::Operator);
        }
        match key {
            GivenKey::Wrong => Err(self.wrong_key(caller).await),
            _ if self.state.status_is_public => Ok(StatusReader::Anybody),
            GivenKey::Known(_) => {
                let detail = "This API key may not read the status. Use one that may read on all sites.";
                Err(Problem::new(StatusCode::FORBIDDEN, detail).into_response())
            }
            GivenKey::None if self.state.has_api_key() => Err(ask_for_key("status")),
            GivenKey::None => {
                let detail = "The status is for requests from this machine, under a loopback host, and for the holder of the \
                              API key, and this node has none. Start it with GP_API_KEY in its environment, or with --status public.";
                Err(Problem::new(StatusCode::FORBIDDEN, detail).into_response())
            }
        }
    }

    /// The rights of a site owner's key, or the refusal.
    pub(super) async fn owner_rights(&self, caller: &Caller<'_>) -> Result<Arc<KeyRights>, Response> {
        match self.state.key_of_browser(caller.headers) {
            GivenKey::Known(rights) if rights.allows(KeyRight::Read) => Ok(rights),
            GivenKey::Known(_) => {
                let detail = "This API key may not read. It takes one with the right \"read\".";
                Err(Problem::new(StatusCode::FORBIDDEN, detail).into_response())
            }
            GivenKey::Wrong => Err(self.wrong_key(caller).await),
            GivenKey::None if self.state.has_api_key() => Err(ask_for_key("site")),
            GivenKey::None => {
                let detail = "This needs an API key, and this node has none. Start it with --api-keys-file.";
                Err(Problem::new(StatusCode::FORBIDDEN, detail).into_response())
            }
        }
    }

    async fn wrong_key(&self, caller: &Caller<'_>) -> Response {
        tokio::time::sleep(self.state.wrong_keys.told(caller.peer.address.ip())).await;
        ask_for_key("status")
    }
}

/// Has a browser ask its user for the key.
fn ask_for_key(realm: &str) -> Response {
    let detail = "This needs an API key of this node: as the password that your browser asks for, with any name, or as \
                  \"Authorization: Bearer\".";
    let mut response = Problem::new(StatusCode::UNAUTHORIZED, detail).into_response();
    let challenge = format!("Basic realm=\"{realm}\", charset=\"UTF-8\"");
    let challenge = HeaderValue::try_from(challenge).expect("a realm is a word");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}
