//! `/api/v1/publish`: a message for every subscriber of a stream, in every region.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use presence_core::{Input, Message, StreamName};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::access::Authorized;
use super::json_body::JsonBody;
use super::{Caching, MeshSnapshot, json};
use crate::http::state::HttpState;
use crate::problem::{Problem, ProblemAnswer};

/// A message to publish.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Publishing)]
pub(super) struct PublishBody {
    /// The stream's name, 1 to 1,024 bytes of UTF-8: what subscribers call `stream_name`.
    #[schema(min_length = 1, max_length = 1024, example = "bench")]
    stream: String,
    /// The message: any JSON of at most 64 KiB, nested at most 100 deep. It arrives unchanged.
    #[schema(value_type = Value)]
    data: Box<RawValue>,
    /// Whether it is kept for subscribers who reconnect and ask for what they missed.
    #[serde(default = "default_history")]
    #[schema(default = true)]
    history: bool,
}

fn default_history() -> bool {
    true
}

/// A message that was accepted.
#[derive(Serialize, ToSchema)]
#[schema(as = Published)]
pub(super) struct PublishAnswer {
    /// As given.
    stream: String,
    /// How many regions are live and fully known to the node that accepted it.
    regions_heard: usize,
    /// How many regions are known. Those that are not heard now do not get this message.
    regions_known: usize,
}

/// Publish a message
///
/// It reaches every subscriber of the stream in every region that is heard, at once and unchanged, never merged or delayed.
#[utoipa::path(
    post, path = "/api/v1/publish", tag = "publish",
    request_body(content = PublishBody, description = "The stream and the message"),
    responses(
        (status = 202, body = PublishAnswer, description = "The message is on its way to all regions"),
        (status = 503, body = ProblemAnswer, content_type = "application/problem+json", description = "Try again"),
    ),
    security(("key" = [])),
)]
pub(super) async fn publish(
    State(state): State<Arc<HttpState>>,
    _: Authorized,
    JsonBody(publishing): JsonBody<PublishBody>,
) -> Result<Response, Problem> {
    let message = message(&publishing)?;
    state.send(Input::Published { message }).await?;
    let mesh = MeshSnapshot::of(&state);
    let answer = PublishAnswer {
        stream: publishing.stream,
        regions_heard: mesh.regions_heard(),
        regions_known: mesh.regions_known(),
    };
    Ok(json(StatusCode::ACCEPTED, Caching::Never, &answer))
}

fn message(publishing: &PublishBody) -> Result<Message, Problem> {
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
    // RawValue checks only the syntax. What no browser could parse is refused here.
    serde_json::from_str::<serde_json::Value>(text).map_err(|wrong| {
        Problem::new(StatusCode::BAD_REQUEST, format!("Browsers could not parse this JSON: {wrong}."))
    })?;
    Ok(Message { stream, body: text.as_bytes().to_vec(), kept: publishing.history, whispered: false, from: None })
}
