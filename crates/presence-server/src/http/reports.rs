//! Pages for people who run a mesh or own a site: `/status` and `/owner`. They have no script and are loaded again every few
//! seconds.

mod access;
mod chart;
mod html;
mod owner;
mod status;

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use presence_core::{Input, RoomView};

use super::metrics::ObservedNode;
use super::state::HttpState;

/// How often nodes tell each other how they are.
const ANNOUNCED_EVERY: Duration = Duration::from_secs(5);
/// How often a page is loaded again.
const REFRESH_S: &str = "5";

/// What these pages read.
pub(super) struct ReportSources {
    state: Arc<HttpState>,
    node: Arc<ObservedNode>,
}

/// The routes of these pages, under every host: an operator's browser may know only an address.
pub(super) fn report_routes(state: &Arc<HttpState>, node: &Arc<ObservedNode>) -> Router {
    let sources = ReportSources { state: Arc::clone(state), node: Arc::clone(node) };
    Router::new().route("/status", get(status::page)).route("/owner", get(owner::page)).with_state(Arc::new(sources))
}

/// Tells the other nodes how this one is, for as long as it runs.
pub(crate) async fn announce(state: Weak<HttpState>, node: Arc<ObservedNode>) {
    while let Some(state) = state.upgrade() {
        let body = status::own_report(&state, &node).body();
        // A full queue costs one report.
        drop(state.inputs.try_send(Input::StatusTold { body }));
        drop(state);
        tokio::time::sleep(ANNOUNCED_EVERY).await;
    }
}

/// Of these rooms those that have users, the busiest first.
fn busiest(mut rooms: Vec<Arc<RoomView>>) -> Vec<Arc<RoomView>> {
    rooms.retain(|view| view.users > 0);
    rooms.sort_by(|one, other| other.users.cmp(&one.users).then_with(|| one.room.cmp(&other.room)));
    rooms
}

/// A page, which is loaded again unless its reader has paused it.
fn answer(body: String, paused: bool) -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        *html::STYLE_HASH
    );
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::try_from(policy).expect("a hash is visible ASCII"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if !paused {
        headers.insert(header::REFRESH, HeaderValue::from_static(REFRESH_S));
    }
    (StatusCode::OK, headers, body).into_response()
}
