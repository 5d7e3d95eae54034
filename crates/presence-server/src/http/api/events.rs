//! `/api/v1/rooms/events`: the counts of a room as server-sent events.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};
use utoipa::{IntoParams, ToSchema};

use super::MeshSnapshot;
use super::access::{ReadableRoom, is_path, readable_room};
use super::counts::{CountsAnswer, RoomName};
use super::query_params::QueryParams;
use crate::http::address_limit::AddressPermit;
use crate::http::open_answer::{self, Content, Timing, Wake};
use crate::http::reader::CountsReader;
use crate::http::request_info::RequestInfo;
use crate::http::state::HttpState;
use crate::problem::{Problem, ProblemAnswer};
use crate::secret::random;
use crate::views::RoomWatch;

/// Changes that follow each other sooner are sent together.
const GAP: Duration = Duration::from_millis(250);
/// All rooms below a path are counted this often.
const PATH_EVERY: Duration = Duration::from_secs(2);
/// A stream ends before its connection does.
const SECONDS_MAX: u64 = 270;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsParams {
    /// The room's name. One that ends with a slash stands for all rooms below it.
    #[param(value_type = RoomName)]
    room: String,
    /// After how many seconds the stream ends.
    #[serde(default = "default_seconds")]
    #[param(minimum = 1, maximum = 270, default = 270)]
    seconds: u64,
}

fn default_seconds() -> u64 {
    SECONDS_MAX
}

/// One event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is written as text")]
struct CountsEvent {
    /// `Counts` as JSON, in one line.
    data: String,
    /// How many ms to wait before reconnecting when the stream has ended.
    #[schema(required = false)]
    retry: u32,
}

/// Counts of a room as they change
///
/// Server-sent events: the data of each is what `/api/v1/rooms/{room}` answers. The current counts are sent at once and
/// after every reconnect, then every change, at most four times a second. Nothing is replayed. A comment is sent every 10 s.
/// A reader is not counted as being in the room.
#[utoipa::path(
    get, path = "/api/v1/rooms/events", tag = "rooms",
    params(EventsParams),
    responses(
        (status = 200, body = CountsEvent, content_type = "text/event-stream", description = "One event for each change"),
        (status = 403, body = ProblemAnswer, content_type = "application/problem+json",
            description = "The room is private, and the request has no API key"),
        (status = 429, body = ProblemAnswer, content_type = "application/problem+json",
            description = "Too many streams and sockets from one address, or too many paths"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json",
            description = "The node is full or about to stop"),
    ),
    security((), ("key" = [])),
)]
pub(super) async fn events(
    State(state): State<Arc<HttpState>>,
    Extension(info): Extension<RequestInfo>,
    headers: HeaderMap,
    QueryParams(params): QueryParams<EventsParams>,
) -> Result<Response, Problem> {
    let room = readable_room(&state, &headers, &info, params.room)?;
    if !(1..=SECONDS_MAX).contains(&params.seconds) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, format!("A stream lasts 1 to {SECONDS_MAX} seconds.")));
    }
    let address = match room.reader {
        CountsReader::Operator => None,
        CountsReader::Anybody(_) => Some(state.admit(&info)?),
    };
    let mut draining = state.readiness.draining();
    let stream = CountsStream::new(state, room, address).await?;
    // Readers reconnect at different times, so that a node that stops causes no storm.
    let retry_ms = 1_000 + u64::from(u16::from_ne_bytes(random())) % 2_000;
    let opening = format!("retry: {retry_ms}\n{}", event(&stream.sent));
    let timing = Timing { gap: GAP, first_within: None, max_age: Duration::from_secs(params.seconds) };
    let body = open_answer::body(opening, stream, timing, async move {
        drop(draining.wait_for(|draining| *draining).await);
    });
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // Otherwise nginx buffers the stream.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers.map(|(name, value)| (name, HeaderValue::from_static(value))), body).into_response())
}

/// One reader's stream.
struct CountsStream {
    state: Arc<HttpState>,
    room: ReadableRoom,
    source: CountsSource,
    sent: CountsAnswer,
    _address: Option<AddressPermit>,
}

/// When to look for changes.
enum CountsSource {
    /// At every new view of a room.
    Room(RoomWatch),
    /// At a path's next time.
    Path(Instant),
}

impl CountsStream {
    async fn new(state: Arc<HttpState>, room: ReadableRoom, address: Option<AddressPermit>) -> Result<Self, Problem> {
        // Watched before it is read, so that no change is missed in between.
        let source = if is_path(&room.room) {
            CountsSource::Path(Instant::now() + PATH_EVERY)
        } else {
            CountsSource::Room(state.views.watch(&room.room))
        };
        let sent = CountsAnswer::of(&state, &MeshSnapshot::of(&state), &room).await?;
        Ok(Self { state, room, source, sent, _address: address })
    }

    async fn changed(&mut self) -> Option<String> {
        // Counts that the driver does not answer in time are sent with the next change or keepalive.
        let counts = CountsAnswer::of(&self.state, &MeshSnapshot::of(&self.state), &self.room).await.ok()?;
        counts.differs_from(&self.sent).then(|| {
            self.sent = counts;
            event(&self.sent)
        })
    }
}

impl Content for CountsStream {
    async fn next(&mut self) -> Wake {
        match &mut self.source {
            CountsSource::Room(changes) => changes.changed().await,
            CountsSource::Path(at) => {
                sleep_until(*at).await;
                *at = Instant::now() + PATH_EVERY;
            }
        }
        Wake::Changed
    }

    async fn changes(&mut self) -> Vec<String> {
        self.changed().await.into_iter().collect()
    }

    /// The state of regions is part of the counts and may have changed without a new view of the room.
    async fn keepalive(&mut self) -> String {
        self.changed().await.unwrap_or_else(|| ": still here\n\n".to_owned())
    }
}

fn event(counts: &CountsAnswer) -> String {
    format!("data: {}\n\n", serde_json::to_string(counts).expect("texts and numbers are always JSON"))
}
