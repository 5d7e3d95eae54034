//! What only clients of the extended protocol are told: without it they could not resume, catch up or see who is there.

use std::fmt::Write;

use crate::message::quoted;

/// The extended subprotocol: everything of the plain one, and what is in this file.
pub const PROTOCOL_EXTENDED: &str = "actioncable-v1-ext-json";
/// The body that says that a presence command can't be followed.
pub const PRESENCE_ERROR: &str = r#","type":"presence","message":{"type":"error"}}"#;

/// The first frame on a connection: the session can be resumed by that id, once.
pub fn welcome(sid: &str) -> String {
    format!(r#"{{"type":"welcome","sid":{}}}"#, quoted(sid))
}

/// The same for a connection that goes on where another one ended: subscriptions with these keys are live again.
pub fn restored(sid: &str, identifiers: &[&str]) -> String {
    let identifiers = serde_json::to_string(identifiers).expect("text is always JSON");
    format!(r#"{{"type":"welcome","sid":{},"restored":true,"restored_ids":{identifiers}}}"#, quoted(sid))
}

/// The body of a message that somebody published; `json` is JSON text and goes out as it is.
pub fn published(json: &str) -> String {
    format!(r#","message":{json}}}"#)
}

/// The same with its place in the stream's history.
pub fn positioned(json: &str, stream: &str, epoch: &str, offset: u64) -> String {
    let (stream, epoch) = (quoted(stream), quoted(epoch));
    format!(r#","message":{json},"stream_id":{stream},"epoch":{epoch},"offset":{offset}}}"#)
}

/// Somebody as the others of a stream see them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record<'a> {
    /// What one is known by there.
    pub id: &'a str,
    /// Display data, JSON text.
    pub info: &'a str,
}

/// The body that says that somebody has come.
pub fn arrived(record: Record<'_>) -> String {
    let Record { id, info } = record;
    format!(r#","type":"presence","message":{{"type":"join","id":{},"info":{info}}}}}"#, quoted(id))
}

/// The body that says that somebody has gone.
pub fn left(id: &str) -> String {
    format!(r#","type":"presence","message":{{"type":"leave","id":{}}}}}"#, quoted(id))
}

/// The body that says who is there: `total` of them, these among them. Where not all are named it says that it is
/// coarse.
pub fn present(total: u64, records: &[Record<'_>]) -> String {
    let mut body = format!(r#","type":"presence","message":{{"type":"info","total":{total},"records":["#);
    for (index, Record { id, info }) in records.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(body, r#"{comma}{{"id":{},"info":{info}}}"#, quoted(id)).expect("writing to a string can't fail");
    }
    body.push(']');
    if (records.len() as u64) < total {
        body.push_str(r#","coarse":true"#);
    }
    body.push_str("}}");
    body
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::Identifier;

    fn frame(body: &str) -> Value {
        serde_json::from_str(&format!("{}{body}", Identifier::new("{}").opening())).unwrap()
    }

    #[test]
    fn a_welcome_names_the_session_and_what_is_live_again() {
        assert_eq!(serde_json::from_str::<Value>(&welcome("s1")).unwrap(), json!({"type": "welcome", "sid": "s1"}));
        let key = r#"{"channel":"$pubsub","stream_name":"a\"b"}"#;
        assert_eq!(
            serde_json::from_str::<Value>(&restored("s2", &[key, "x"])).unwrap(),
            json!({"type": "welcome", "sid": "s2", "restored": true, "restored_ids": [key, "x"]})
        );
    }

    #[test]
    fn what_is_published_goes_out_as_it_is() {
        assert_eq!(published(r#"{ "b":1, "a":2 }"#), r#","message":{ "b":1, "a":2 }}"#);
        let html = r#""<turbo-stream action=\"update\"></turbo-stream>""#;
        assert_eq!(frame(&published(html))["message"], "<turbo-stream action=\"update\"></turbo-stream>");
        assert_eq!(
            frame(&positioned("null", "a\"/b", "1795", 7)),
            json!({"identifier": "{}", "message": null, "stream_id": "a\"/b", "epoch": "1795", "offset": 7})
        );
    }

    #[test]
    fn presence_says_who_and_whether_that_is_all() {
        let ann = Record { id: "u\"1", info: r#"{"name":"Ann"}"# };
        let event = |body: &str| frame(body)["message"].clone();
        assert_eq!(event(&arrived(ann)), json!({"type": "join", "id": "u\"1", "info": {"name": "Ann"}}));
        assert_eq!(event(&left("u1")), json!({"type": "leave", "id": "u1"}));
        assert_eq!(
            event(&present(1, &[ann])),
            json!({"type": "info", "total": 1, "records": [{"id": "u\"1", "info": {"name": "Ann"}}]})
        );
        let coarse = event(&present(3, &[ann, Record { id: "u2", info: "null" }]));
        assert_eq!((&coarse["coarse"], coarse["records"].as_array().unwrap().len()), (&json!(true), 2));
        assert_eq!(event(&present(0, &[])), json!({"type": "info", "total": 0, "records": []}));
        assert_eq!(
            frame(PRESENCE_ERROR),
            json!({"identifier": "{}", "type": "presence", "message": {"type": "error"}})
        );
    }
}
