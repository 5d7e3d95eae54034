//! The JSON body of a request, as a typed extractor.

use std::fmt::Display;

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::StreamExt as _;
use hyper::body::Body as _;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use crate::problem::Problem;

/// The largest message, and room around it.
const BODY_BYTES_MAX: usize = 80 * 1_024;

/// A JSON body. Another type answers 415, a larger body 413, an invalid one 400 with a sentence.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "Send JSON with the header Content-Type: application/json.";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let body = read(request).await?;
        let invalid = |wrong: &dyn Display| {
            let detail = format!("The body is invalid: {wrong}. /api/openapi.json describes it.");
            Problem::new(StatusCode::BAD_REQUEST, detail)
        };
        // The parser would take an array for the fields of an object, in their order.
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(invalid(&"it is an array, not an object"));
        }
        serde_json::from_slice(&body).map(Self).map_err(|wrong| invalid(&wrong))
    }
}

/// A whole number of at least 0. JSON knows one kind of number: 60.0 is 60. One that is too large stands for the largest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct WholeNumber(pub(super) u64);

impl<'de> Deserialize<'de> for WholeNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let from_float =
            || number.as_f64().filter(|float| *float >= 0.0 && float.fract() == 0.0).map(|float| float as u64);
        let whole = number.as_u64().or_else(from_float);
        whole.map(Self).ok_or_else(|| D::Error::custom(format!("{number} is not a whole number of at least 0")))
    }
}

/// The whole body. One that says how large it is is refused before it is read.
async fn read(request: Request) -> Result<Vec<u8>, Problem> {
    let too_large = || {
        let detail = format!("A body has at most {BODY_BYTES_MAX} bytes.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    };
    if request.body().size_hint().lower() > BODY_BYTES_MAX as u64 {
        return Err(too_large());
    }
    let (mut body, mut chunks) = (Vec::new(), request.into_body().into_data_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| {
            let detail = "The body can't be read: its chunks are not as HTTP describes them, or it ends too soon.";
            Problem::new(StatusCode::BAD_REQUEST, detail)
        })?;
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_number_may_be_written_as_any_number() {
        let read = |text: &str| serde_json::from_str::<WholeNumber>(text).ok().map(|WholeNumber(number)| number);
        for (text, number) in [("0", 0), ("60.0", 60), ("6e1", 60), ("1e300", u64::MAX)] {
            assert_eq!(read(text), Some(number), "{text}");
        }
        for wrong in ["-1", "0.5", "\"1\"", "null", "[1]"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
