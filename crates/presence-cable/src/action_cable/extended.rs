//! Frames and bodies of the extended protocol: sessions that can be resumed, positions in the history, presence.

use std::fmt::Write;

use crate::encoder::{Position, PresenceEvent, Record};
use crate::quoted;

/// The body that refuses a presence command.
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

/// The body of a published message; `json` is JSON text and goes out as it is.
pub(super) fn message(json: &str, stream: &str, position: Option<&Position>) -> String {
    let Some(Position { epoch, offset }) = position else { return format!(r#","message":{json}}}"#) };
    let (stream, epoch) = (quoted(stream), quoted(epoch));
    format!(r#","message":{json},"stream_id":{stream},"epoch":{epoch},"offset":{offset}}}"#)
}

/// The body of a presence event. Members that are not all named are marked as coarse.
pub(super) fn presence(event: &PresenceEvent) -> String {
    let message = match event {
        PresenceEvent::Joined(Record { id, info }) => {
            format!(r#"{{"type":"join","id":{},"info":{info}}}"#, quoted(id))
        }
        PresenceEvent::Left(id) => format!(r#"{{"type":"leave","id":{}}}"#, quoted(id)),
        PresenceEvent::Members { total, records } => members(*total, records),
    };
    format!(r#","type":"presence","message":{message}}}"#)
}

fn members(total: u64, records: &[Record]) -> String {
    let mut message = format!(r#"{{"type":"info","total":{total},"records":["#);
    for (index, Record { id, info }) in records.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(message, r#"{comma}{{"id":{},"info":{info}}}"#, quoted(id)).expect("writing to a string can't fail");
    }
    message.push(']');
    if (records.len() as u64) < total {
        message.push_str(r#","coarse":true"#);
    }
    message.push('}');
    message
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::action_cable::prefix;

    fn frame(body: &str) -> Value {
        serde_json::from_str(&format!("{}{body}", prefix("{}"))).unwrap()
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
        assert_eq!(message(r#"{ "b":1, "a":2 }"#, "a", None), r#","message":{ "b":1, "a":2 }}"#);
        let html = r#""<turbo-stream action=\"update\"></turbo-stream>""#;
        assert_eq!(frame(&message(html, "a", None))["message"], "<turbo-stream action=\"update\"></turbo-stream>");
        let position = Position { epoch: "1795".to_owned(), offset: 7 };
        assert_eq!(
            frame(&message("null", "a\"/b", Some(&position))),
            json!({"identifier": "{}", "message": null, "stream_id": "a\"/b", "epoch": "1795", "offset": 7})
        );
    }

    #[test]
    fn presence_says_who_and_whether_that_is_all() {
        let record = |id: &str, info: &str| Record { id: id.to_owned(), info: info.to_owned() };
        let ann = record("u\"1", r#"{"name":"Ann"}"#);
        let told = |event: PresenceEvent| frame(&presence(&event))["message"].take();
        let members = |total, records| told(PresenceEvent::Members { total, records });
        assert_eq!(
            told(PresenceEvent::Joined(ann.clone())),
            json!({"type": "join", "id": "u\"1", "info": {"name": "Ann"}})
        );
        assert_eq!(told(PresenceEvent::Left("u1".to_owned())), json!({"type": "leave", "id": "u1"}));
        assert_eq!(
            members(1, vec![ann.clone()]),
            json!({"type": "info", "total": 1, "records": [{"id": "u\"1", "info": {"name": "Ann"}}]})
        );
        let coarse = members(3, vec![ann, record("u2", "null")]);
        assert_eq!((&coarse["coarse"], coarse["records"].as_array().unwrap().len()), (&json!(true), 2));
        assert_eq!(members(0, Vec::new()), json!({"type": "info", "total": 0, "records": []}));
        assert_eq!(
            frame(PRESENCE_ERROR),
            json!({"identifier": "{}", "type": "presence", "message": {"type": "error"}})
        );
    }
}
