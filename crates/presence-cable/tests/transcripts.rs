//! Everything that stock clients were recorded to say is understood, and every answer is the recorded one but for what
//! it does not echo.

#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

#[path = "transcripts/fuzz.rs"]
mod fuzz;

use presence_cable::action_cable::{self, CABLE_READY_VERSION, Command, EXTENDED, PLAIN, reflex_call};
use presence_cable::{EarlierAnswer, Encoder as _, Position, PresenceEvent, Record, ReplayEnd};
use presence_core::{Message, Outcome, ReflexError, StreamName};
use serde_json::Value;

/// What the stock server echoes and we don't: attributes, forms and settings concern no other page.
const NOT_ECHOED: &[&str] = &[
    "attrs",
    "dataset",
    "selectors",
    "suppressLogging",
    "innerHtml",
    "textContent",
    "args",
    "formData",
    "inner_html",
    "text_content",
];

fn recorded() -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let lines = files.iter().flat_map(|file| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().map(|line| (name.clone(), serde_json::from_str(line).unwrap())).collect::<Vec<_>>()
    });
    lines.collect()
}

/// The clicks of the recordings: file, data as it was sent.
fn clicks() -> Vec<(String, String)> {
    let said = recorded().into_iter().filter(|(_, event)| event["dir"] == "c2s");
    let clicks = said.filter(|(_, event)| event["frame"]["identifier"] == r#"{"channel":"StimulusReflex::Channel"}"#);
    clicks.filter_map(|(file, event)| Some((file, event["frame"]["data"].as_str()?.to_owned()))).collect()
}

/// The recorded operation that ended a click.
fn ending(id: &str) -> Option<Value> {
    let heard = recorded().into_iter().filter(|(_, event)| event["dir"] == "s2c");
    let mut operations =
        heard.flat_map(|(_, event)| event["frame"]["message"]["operations"].as_array().cloned().unwrap_or_default());
    operations.find(|operation| operation["reflexId"] == id && operation["stimulusReflex"].is_object())
}

#[test]
fn every_recorded_command_is_understood() {
    let said: Vec<_> = recorded().into_iter().filter(|(_, event)| event["dir"] == "c2s").collect();
    assert!(said.len() > 40);
    for (file, event) in said {
        let frame = &event["frame"];
        let junk = frame.is_string() || frame["command"] == "bogus";
        assert_eq!(Command::parse(&frame.to_string()).is_err(), junk, "{file}: {frame}");
    }
}

/// Our body of a presence event.
fn presence(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let record = |of: &Value| Record { id: text(&of["id"]), info: of["info"].to_string() };
    let event = match event["type"].as_str().unwrap() {
        "join" => PresenceEvent::Joined(record(event)),
        "leave" => PresenceEvent::Left(text(&event["id"])),
        "info" => {
            let records = event["records"].as_array().unwrap().iter().map(record).collect();
            PresenceEvent::Members { total: event["total"].as_u64().unwrap(), records }
        }
        other => panic!("{other}"),
    };
    EXTENDED.presence(&event).unwrap()
}

/// Our body of a message.
fn message(frame: &Value) -> String {
    let text = |name: &str| frame[name].as_str().unwrap_or_default().to_owned();
    let stream = StreamName::new(frame["stream_id"].as_str().unwrap_or("any")).unwrap();
    let body = frame["message"].to_string().into_bytes();
    let message = Message { stream, body, kept: true, whispered: false, from: None };
    match frame["offset"].as_u64() {
        Some(offset) => EXTENDED.message(&message, Some(&Position { epoch: text("epoch"), offset })),
        None => PLAIN.message(&message, None),
    }
    .unwrap()
}

#[test]
fn every_control_frame_is_as_recorded() {
    for (file, event) in recorded().into_iter().filter(|(_, event)| event["dir"] == "s2c") {
        let frame = event["frame"].clone();
        let prefix = action_cable::prefix(frame["identifier"].as_str().unwrap_or_default());
        let ours = match frame["type"].as_str() {
            Some("welcome") if frame["restored"] == true => {
                let ids: Vec<&str> =
                    frame["restored_ids"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
                action_cable::restored(frame["sid"].as_str().unwrap(), &ids)
            }
            Some("welcome") => {
                frame["sid"].as_str().map_or_else(|| action_cable::WELCOME.to_owned(), action_cable::welcome)
            }
            Some("confirm_history") => action_cable::replayed(&prefix, ReplayEnd::Complete),
            Some("presence") => format!("{prefix}{}", presence(&frame["message"])),
            Some("ping") => action_cable::ping(frame["message"].as_u64().unwrap()),
            Some("confirm_subscription") => action_cable::confirm(&prefix),
            Some("reject_subscription") => action_cable::reject(&prefix),
            Some("disconnect") => {
                action_cable::disconnect(frame["reason"].as_str().unwrap(), frame["reconnect"].as_bool().unwrap())
            }
            None if frame["message"]["cableReady"].is_null() && !frame["message"].is_null() => {
                format!("{prefix}{}", message(&frame))
            }
            _ => {
                let version = &frame["message"]["version"];
                assert!(version.is_null() || version == CABLE_READY_VERSION, "{file}");
                continue;
            }
        };
        assert_eq!(serde_json::from_str::<Value>(&ours).unwrap(), frame, "{file}");
    }
}

#[test]
fn every_ending_of_a_click_is_as_recorded() {
    let mut compared = 0;
    for (file, data) in clicks() {
        let sent: Value = serde_json::from_str(&data).unwrap();
        let call = reflex_call(&data).unwrap();
        assert_eq!(call.attributes["id"], sent["attrs"]["id"], "{file}");
        let Some(mut theirs) = ending(sent["id"].as_str().unwrap()) else { continue };
        let error = theirs["error"].as_str().unwrap_or_default().to_owned();
        let ended = match theirs["name"].as_str().and_then(|name| name.strip_prefix("stimulus-reflex:morph-")) {
            Some("nothing") => Outcome::Done,
            Some("halted") => Outcome::Halted,
            Some("error") => Outcome::Failed(ReflexError::Refused(error)),
            // A morph of the page, or "forbidden": a reflex of ours never does that.
            _ => continue,
        };
        let body = PLAIN.answer(&ended, &call.echo, EarlierAnswer::Success).unwrap();
        let frame = format!("{}{body}", action_cable::prefix("{}"));
        let ours = serde_json::from_str::<Value>(&frame).unwrap()["message"]["operations"][0].take();
        let theirs = theirs.as_object_mut().unwrap();
        theirs.retain(|key, value| !(key == "selector" && value.is_null()));
        theirs["payload"] = ours["payload"].clone();
        let echo = theirs["stimulusReflex"].as_object_mut().unwrap();
        echo.retain(|key, _| !NOT_ECHOED.contains(&key.as_str()));
        if echo.len() == 3 {
            // The shortest answer that the client was found to accept.
            assert!(echo.iter().all(|(key, value)| ours["stimulusReflex"][key] == *value));
            theirs["stimulusReflex"] = ours["stimulusReflex"].clone();
        }
        assert_eq!(ours, Value::Object(theirs.clone()), "{file}");
        compared += 1;
    }
    assert_eq!(compared, 7);
}
