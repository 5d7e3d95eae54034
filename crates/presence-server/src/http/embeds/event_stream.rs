//! `presence-v1` as server-sent events, for pages whose WebSockets are blocked by a proxy.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use presence_cable::presence_v1;

use super::streamed::{JoinedRoom, StreamEvent, StreamedVisitor, Visibility, draining};
use super::{COUNTED_WITHIN, QueryPairs, valid};
use crate::http::framing::embedding_page;
use crate::http::listen::HttpPeer;
use crate::http::open_answer::{self, Content, Timing, Wake};
use crate::http::open_streams::OpenStream;
use crate::http::request_info::RequestInfo;
use crate::http::state::HttpState;
use crate::identity::EmbedId;
use crate::problem::Problem;

/// No sign tells whether a browser still reads a stream, so the browser has to open it again after this long.
const MAX_AGE: Duration = Duration::from_secs(60);
/// The same where the browser has too many open streams. The counts are in it.
const BRIEF: Duration = Duration::from_millis(500);
/// When the browser should ask again after that: its visitor counts for 20 s after an answer that the server ended.
const BRIEF_EVERY: Duration = Duration::from_secs(12);
/// New counts are written at most this often, so that an answer about a large room stays small.
const GAP: Duration = Duration::from_secs(1);

/// `GET /presence/events?room=…&room=…&token=…&id=…&visible=…`: a token is for the room before it.
pub(crate) async fn events(
    State(state): State<Arc<HttpState>>,
    Extension(peer): Extension<HttpPeer>,
    Extension(info): Extension<RequestInfo>,
    head: Parts,
    query: QueryPairs,
) -> Response {
    match open(&state, &peer, &info, &head, query) {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

/// The query parameters.
struct StreamParams {
    rooms: Vec<RequestedRoom>,
    id: Option<String>,
    visibility: Visibility,
}

/// A room, and the token that was given for it.
struct RequestedRoom {
    name: String,
    token: Option<String>,
}

impl StreamParams {
    fn read(pairs: Vec<(String, String)>, most: usize) -> Result<Self, Problem> {
        let mut params = Self { rooms: Vec::new(), id: None, visibility: Visibility::Visible };
        for (name, value) in pairs {
            match (name.as_str(), params.rooms.last_mut()) {
                ("room", _) => params.rooms.push(RequestedRoom { name: value, token: None }),
                ("token", Some(room)) => room.token = Some(value),
                ("id", _) => params.id = Some(value),
                ("visible", _) if value == "false" => params.visibility = Visibility::Hidden,
                ("visible", _) => params.visibility = Visibility::Visible,
                _ => {
                    let detail = format!(
                        "The parameters are room=, each followed by its token=, id= and visible=, not {name:?}."
                    );
                    return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
                }
            }
        }
        if params.rooms.is_empty() || params.rooms.len() > most {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                format!("Ask for 1 to {most} rooms: ?room=one&room=two."),
            ));
        }
        Ok(params)
    }
}

fn open(
    state: &Arc<HttpState>,
    peer: &HttpPeer,
    info: &RequestInfo,
    head: &Parts,
    query: QueryPairs,
) -> Result<Response, Problem> {
    let page = embedding_page(state, head.uri.path(), &head.headers, info)?;
    let params = StreamParams::read(valid(query)?, state.hub.limits.rooms_per_socket)?;
    let cookie = state.embed_cookie(&head.headers, info);
    let (id, identity) = state.embed.ids.identify(cookie, params.id.as_deref(), EmbedId::random());
    let mut visitor = StreamedVisitor::new(state, Some(peer), info, id.user(page.site.name()), params.visibility)?;
    let mut opening = event(&presence_v1::welcome(&state.embed.ids.text(&id), identity));
    let mut names = Vec::new();
    for room in params.rooms {
        let now_s = state.views.now_ms() / 1_000;
        let admission = state.embed.sites.admit(&page, &room.name, room.token.as_deref(), now_s);
        let uncounted = match admission.and_then(|admission| visitor.join(&page.site, admission)) {
            Ok(JoinedRoom { index, uncounted }) => {
                debug_assert_eq!(index, names.len(), "rooms are joined in order");
                names.push(presence_v1::prefix(&room.name));
                uncounted
            }
            Err(error) => Some(error),
        };
        if let Some(problem) = uncounted.map(Problem::from) {
            opening.push_str(&event(&presence_v1::join_error(&room.name, None, problem.status(), problem.detail())));
        }
    }
    let place = state.open_streams.open(id, head.version, &head.headers);
    let max_age = if place.is_some() { MAX_AGE } else { BRIEF };
    let timing = Timing { gap: GAP, first_within: Some(COUNTED_WITHIN), max_age };
    let counts = StreamedCounts { visitor, names, place };
    let mut response = Response::new(open_answer::body(opening, counts, timing, draining(Arc::clone(state))));
    let fixed = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store, no-transform"),
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let headers = response.headers_mut();
    headers.extend(fixed.map(|(name, value)| (name, HeaderValue::from_static(value))));
    let cookie = state.embed.ids.write_cookie(&id, info.secure);
    headers.insert(header::SET_COOKIE, HeaderValue::try_from(cookie).expect("a cookie is visible ASCII"));
    Ok(response)
}

fn event(json: &str) -> String {
    format!("data: {json}\n\n")
}

/// A visitor's counts as `presence-v1`, one message for each event.
struct StreamedCounts {
    visitor: StreamedVisitor,
    /// What a message about a room begins with, by the room's index.
    names: Vec<String>,
    /// The right to stay open.
    place: Option<OpenStream>,
}

impl Content for StreamedCounts {
    async fn next(&mut self) -> Wake {
        match self.visitor.next().await {
            StreamEvent::Changed => Wake::Changed,
            StreamEvent::Handled => Wake::Handled,
            StreamEvent::Dismissed(index) => Wake::Chunk(event(&presence_v1::left(&self.names[index]))),
        }
    }

    async fn changes(&mut self) -> Vec<String> {
        let changes = self.visitor.take_changes().into_iter();
        changes.map(|(index, view)| event(&format!("{}{}", self.names[index], presence_v1::counts(&view)))).collect()
    }

    async fn keepalive(&mut self) -> String {
        event(presence_v1::PING)
    }

    /// Says when the browser should open the stream again.
    fn last_chunk(&self) -> Option<String> {
        let wait_ms = if self.place.is_some() { 0 } else { BRIEF_EVERY.as_millis() };
        Some(format!("event: again\ndata: {wait_ms}\n\n"))
    }

    fn reader_gone(&mut self) {
        self.visitor.closed();
    }
}
