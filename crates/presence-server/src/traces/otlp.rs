//! Spans as OTLP writes them in JSON, and the collector's answer.

use data_encoding::HEXLOWER;
use presence_core::{NodeName, Region};
use serde_json::{Value, json};

use super::span::{DrawOutcome, FinishedSpan, SpanName};

/// OTLP's numbers: `SPAN_KIND_INTERNAL`, `SPAN_KIND_SERVER`, `STATUS_CODE_ERROR`.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const ERROR: u8 = 2;
/// The flags of a span: it is recorded.
const SAMPLED: u8 = 1;

/// What all spans of a node have in common. Nothing here or in a span names a room, a user or an address.
pub(super) fn resource(region: &Region, name: &NodeName) -> Value {
    json!({"attributes": [
        text("service.name", "global-presence"),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("service.instance.id", name.as_str()),
        text("presence.region", region.as_str()),
    ]})
}

/// A request of the collector's trace service.
pub(super) fn request(resource: &Value, spans: &[FinishedSpan]) -> Vec<u8> {
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let scope = json!({"name": "global-presence", "version": env!("CARGO_PKG_VERSION")});
    let request = json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]});
    request.to_string().into_bytes()
}

fn span(span: &FinishedSpan) -> Value {
    let kinds: Vec<Value> = span.kinds.iter().map(|kind| json!({"stringValue": kind.as_str()})).collect();
    let mut attributes = Vec::new();
    if !kinds.is_empty() {
        attributes.push(json!({"key": "presence.kinds", "value": {"arrayValue": {"values": kinds}}}));
    }
    if let Some(drawn) = span.drawn {
        attributes.push(json!({"key": "presence.shown", "value": {"boolValue": drawn == DrawOutcome::Shown}}));
    }
    let kind = if span.name == SpanName::Draw { INTERNAL } else { SERVER };
    json!({
        "traceId": HEXLOWER.encode(&span.context.trace_id()),
        "spanId": HEXLOWER.encode(&span.context.span_id()),
        "parentSpanId": span.parent.map(|parent| HEXLOWER.encode(&parent)).unwrap_or_default(),
        "flags": SAMPLED,
        "name": span.name.as_str(),
        "kind": kind,
        // 64-bit numbers are text in Protobuf's JSON.
        "startTimeUnixNano": span.began_ns.to_string(),
        "endTimeUnixNano": span.ended_ns.to_string(),
        "attributes": attributes,
        "status": if span.failed { json!({"code": ERROR}) } else { json!({}) },
    })
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// How many spans a collector has rejected, as its answer says; `None` if it is no answer of a collector.
pub(super) fn rejected(answer: &[u8]) -> Option<u64> {
    if answer.trim_ascii().is_empty() {
        return Some(0);
    }
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let rejected = &answer.as_object()?.get("partialSuccess").unwrap_or(&Value::Null)["rejectedSpans"];
    match rejected {
        Value::Null => Some(0),
        Value::String(number) => number.parse().ok(),
        number => number.as_u64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_says_how_many_spans_it_rejects() {
        for (answer, expected) in [
            ("", Some(0)),
            ("{}", Some(0)),
            (r#"{"partialSuccess":{}}"#, Some(0)),
            (r#"{"partialSuccess":{"rejectedSpans":"7","errorMessage":"full"}}"#, Some(7)),
            (r#"{"partialSuccess":{"rejectedSpans":7}}"#, Some(7)),
            (r#"{"partialSuccess":{"rejectedSpans":-7}}"#, None),
            ("<!doctype html>", None),
            ("7", None),
        ] {
            assert_eq!(rejected(answer.as_bytes()), expected, "{answer}");
        }
    }
}
