//! `/api/v1/rooms/events`: counts of a room as server-sent events; without it a reader would have to ask again and again.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use presence_core::Room;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use utoipa::{IntoParams, ToSchema};

use super::Known;
use super::asked::Asked;
use super::counts::{Counts, RoomName};
use super::readable::readable;
use super::rollups::RollUps;
use crate::problem::{Problem, ProblemAnswer};
use crate::secret::random;
use crate::web::{Came, Seat, Web};

/// What changes sooner after the last look waits, and is told together.
const GAP: Duration = Duration::from_millis(250);
/// A comment is sent this often where nothing else is, so that proxies and readers see that the stream lives.
const COMMENT_EVERY: Duration = Duration::from_secs(10);
/// All rooms below a path are counted anew this often.
const BELOW_EVERY: Duration = Duration::from_secs(2);
/// A stream ends after this long, before its connection does, and its reader comes back.
const LASTS_MAX: u64 = 270;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsAsked {
    /// The room's name. One that ends with a slash stands for all rooms below it.
    #[param(value_type = RoomName)]
    room: String,
    /// After how many seconds the stream ends.
    #[serde(default = "longest")]
    #[param(minimum = 1, maximum = 270, default = 270)]
    seconds: u64,
}

fn longest() -> u64 {
    LASTS_MAX
}

/// One event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what is written as text")]
struct CountsEvent {
    /// `Counts` as JSON, in one line.
    data: String,
    /// After how many ms to come back when the stream has ended.
    #[schema(required = false)]
    retry: u32,
}

/// Counts of a room as they change
///
/// Server-sent events: each one's data is what `/api/v1/rooms/{room}` answers. The present counts come at once and after
/// every reconnect, then whatever changes, at most four times a second. Nothing is replayed. A comment comes every 10 s.
/// Reading does not count as being in the room.
#[utoipa::path(
    get, path = "/api/v1/rooms/events", tag = "rooms",
    params(EventsAsked),
    responses(
        (status = 200, body = CountsEvent, content_type = "text/event-stream", description = "One event for each change"),
        (status = 403, body = ProblemAnswer, content_type = "application/problem+json",
            description = "A private room, and no API key"),
        (status = 429, body = ProblemAnswer, content_type = "application/problem+json",
            description = "Too many streams and sockets from one address, or too many paths"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json",
            description = "The node is full or about to stop"),
    ),
    security((), ("key" = [])),
)]
pub(super) async fn events(
    State(web): State<Arc<Web>>,
    Extension(came): Extension<Came>,
    headers: HeaderMap,
    Asked(asked): Asked<EventsAsked>,
) -> Result<Response, Problem> {
    let (room, _) = readable(&web, &headers, &asked.room)?;
    if !(1..=LASTS_MAX).contains(&asked.seconds) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, format!("A stream lasts 1 to {LASTS_MAX} seconds.")));
    }
    let seat = web.seat(&came)?;
    let stream = unfold(Some(Telling::begin(web, room, seat, asked.seconds).await?), |telling| async {
        let mut telling = telling?;
        let bytes = telling.next().await?;
        Some((Ok::<_, Infallible>(bytes), Some(telling)))
    });
    let fixed = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // A well-known proxy would gather what comes until it is worth sending.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((fixed.map(|(name, value)| (name, HeaderValue::from_static(value))), Body::from_stream(stream)).into_response())
}

/// One reader's stream.
struct Telling {
    web: Arc<Web>,
    room: Room,
    /// Wakes at every new view of the room; none where all below a path is told.
    changes: Option<watch::Receiver<()>>,
    draining: watch::Receiver<bool>,
    /// What is to be said next, before anything is waited for.
    opening: Option<String>,
    told: Counts,
    looked_at: Instant,
    /// Something has changed since.
    changed: bool,
    comment_at: Instant,
    ends_at: Instant,
    _seat: Seat,
}

impl Telling {
    async fn begin(web: Arc<Web>, room: Room, seat: Seat, seconds: u64) -> Result<Self, Problem> {
        // Listens first, then looks: nothing is missed in between.
        let changes = (!RollUps::is_path(&room)).then(|| web.views.watch(&room));
        let draining = web.readiness.draining();
        let counts = Counts::of(&web, &Known::of(&web), &room).await?;
        // All readers of a node that ends come back; spread, they are no storm.
        let back_after_ms = 1_000 + u64::from(u16::from_ne_bytes(random())) % 2_000;
        let now = Instant::now();
        Ok(Self {
            web,
            room,
            changes,
            draining,
            opening: Some(format!("retry: {back_after_ms}\n{}", event(&counts))),
            told: counts,
            looked_at: now,
            changed: false,
            comment_at: now + COMMENT_EVERY,
            ends_at: now + Duration::from_secs(seconds),
            _seat: seat,
        })
    }

    /// What is sent next; `None`: the stream ends.
    async fn next(&mut self) -> Option<String> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        loop {
            let mut draining = self.draining.clone();
            let (ends_at, comment_at) = (self.ends_at, self.comment_at);
            let comment_is_due = tokio::select! {
                biased;
                _ = draining.wait_for(|draining| *draining) => return None,
                () = sleep_until(ends_at) => return None,
                () = sleep_until(comment_at) => true,
                () = self.change() => false,
            };
            self.changed = false;
            self.looked_at = Instant::now();
            // What the driver could not answer in time is told when it can.
            let counts = Counts::of(&self.web, &Known::of(&self.web), &self.room).await.ok();
            if let Some(counts) = counts.filter(|counts| counts.says_more_than(&self.told)) {
                let event = event(&counts);
                (self.told, self.comment_at) = (counts, self.looked_at + COMMENT_EVERY);
                return Some(event);
            }
            if comment_is_due {
                self.comment_at = self.looked_at + COMMENT_EVERY;
                return Some(": still here\n\n".to_owned());
            }
        }
    }

    /// Something may have changed, and enough time has passed since the last look. May be given up at any time.
    async fn change(&mut self) {
        match &mut self.changes {
            Some(changes) if !self.changed => {
                if changes.changed().await.is_err() {
                    return pending().await;
                }
                self.changed = true;
            }
            Some(_) => {}
            None => return sleep_until(self.looked_at + BELOW_EVERY).await,
        }
        sleep_until(self.looked_at + GAP).await;
    }
}

fn event(counts: &Counts) -> String {
    format!("data: {}\n\n", serde_json::to_string(counts).expect("texts and numbers are always JSON"))
}
