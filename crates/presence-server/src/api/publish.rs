//! `/api/v1/publish`: a message for everybody who listens to a stream, in every region; without it only browsers could
//! speak.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use presence_core::{Input, Message, StreamName};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::given::Given;
use super::key::Keyed;
use super::{Kept, Known, json};
use crate::problem::{Problem, ProblemAnswer};
use crate::web::Web;

/// How long a driver that is behind is waited for.
const TAKEN_WITHIN: Duration = Duration::from_secs(1);

/// What is to be published.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Publishing {
    /// The stream's name, 1 to 1,024 bytes of UTF-8: what subscribers call `stream_name`.
    #[schema(min_length = 1, max_length = 1024, example = "bench")]
    stream: String,
    /// The message: any JSON of at most 64 KiB, nested at most 100 deep. It arrives as it is written here.
    #[schema(value_type = Value)]
    data: Box<RawValue>,
    /// Whether it is kept for those who come back and ask what they missed.
    #[serde(default = "yes")]
    #[schema(default = true)]
    history: bool,
}

fn yes() -> bool {
    true
}

/// A message that was taken.
#[derive(Serialize, ToSchema)]
pub(super) struct Published {
    /// As given.
    stream: String,
    /// How many regions are live and fully known to the node that took it.
    regions_heard: usize,
    /// How many regions are known. Those that are not heard now will not get this message.
    regions_known: usize,
}

/// Publish a message
///
/// It reaches every subscriber of the stream in every region that is heard, at once and as it is, never folded or slowed.
#[utoipa::path(
    post, path = "/api/v1/publish", tag = "publish",
    request_body(content = Publishing, description = "The stream and the message"),
    responses(
        (status = 202, body = Published, description = "It is on its way"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn publish(
    State(web): State<Arc<Web>>,
    _: Keyed,
    Given(publishing): Given<Publishing>,
) -> Result<Response, Problem> {
    let message = message(&publishing)?;
    tell(&web, Input::Published { message }).await?;
    let known = Known::of(&web);
    let answer =
        Published { stream: publishing.stream, regions_heard: known.heard(), regions_known: known.mesh.regions.len() };
    Ok(json(StatusCode::ACCEPTED, Kept::ByNobody, &answer))
}

fn message(publishing: &Publishing) -> Result<Message, Problem> {
    let stream = StreamName::new(&publishing.stream).ok_or_else(|| {
        let detail = format!("A stream's name has 1 to {} bytes of UTF-8.", StreamName::BYTES_MAX);
        Problem::new(StatusCode::BAD_REQUEST, detail)
    })?;
    let text = publishing.data.get();
    if text.len() > Message::BODY_BYTES_MAX {
        let detail =
            format!("A message has at most {} bytes of JSON; this one has {}.", Message::BODY_BYTES_MAX, text.len());
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    // Raw JSON is only skimmed: what no reader could open is refused here rather than in every browser.
    serde_json::from_str::<serde_json::Value>(text).map_err(|wrong| {
        Problem::new(StatusCode::BAD_REQUEST, format!("The message is JSON that readers can't open: {wrong}."))
    })?;
    Ok(Message { stream, body: text.as_bytes().to_vec(), kept: publishing.history, whispered: false, from: None })
}

/// Hands something to the driver, which is behind by thousands of inputs where this answers 503.
pub(super) async fn tell(web: &Web, input: Input) -> Result<(), Problem> {
    web.inputs.send_timeout(input, TAKEN_WITHIN).await.map_err(|_| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "This node has more to do than it can. Try again in a second.")
    })
}
