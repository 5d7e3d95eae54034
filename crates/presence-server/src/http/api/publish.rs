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
use crate::http::api_key::KeyRight;
use crate::http::state::HttpState;
use crate::problem::{Problem, ProblemAnswer};

/// How deep a message is nested at most: parsers of some languages go no further than 100 or 128 levels.
const NESTING_MAX: usize = 100;

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
/// It reaches every subscriber of the stream in every region that is heard, unchanged and never merged with another one.
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
    authorized: Authorized,
    JsonBody(publishing): JsonBody<PublishBody>,
) -> Result<Response, Problem> {
    let message = message(&publishing)?;
    authorized.check(KeyRight::Publish, &state, message.stream.as_str())?;
    let (key, address) = (authorized.key_name(), authorized.address());
    let (stream, bytes) = (publishing.stream.as_str(), message.body.len());
    state.send(Input::Published { message }).await?;
    tracing::info!(target: "audit", key, %address, stream, bytes, "published");
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
    // RawValue has checked the syntax, as a browser does. Half a surrogate pair is valid: JSON.stringify writes it for text that
    // was cut within an emoji.
    if nesting(text) > NESTING_MAX {
        let detail = format!("A message is nested at most {NESTING_MAX} deep, so that every client can parse it.");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    Ok(Message { stream, body: text.as_bytes().to_vec(), kept: publishing.history, whispered: false, from: None })
}

/// How deep arrays and objects of a JSON text are nested.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest, mut in_text, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth -= 1,
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::nesting;

    #[test]
    fn only_arrays_and_objects_are_levels() {
        for (json, expected) in [("7", 0), ("[{},[]]", 2), (r#""[[\"[""#, 0), (r#"{"[":["\\",[]]}"#, 3)] {
            assert_eq!(nesting(json), expected, "{json}");
        }
    }
}
