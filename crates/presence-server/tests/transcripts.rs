//! What stock clients said to the stock server is said to ours: its frames are the recorded ones, but for what is
//! listed here.
//!
//! 1. The recorded application's channels are streams with signed names here, and the reflex channel names its room:
//!    [`CHANNELS`] maps them. A channel that the recorded application denied is one whose name is not signed.
//! 2. What is drawn is this test's own: only the shape of such messages is compared.
//! 3. An answer to a click echoes no attributes, form or settings, but what the client needs ([`ECHOED`]).
//! 4. A reflex never touches a page: where the recorded one morphed or sent other operations along, ours says
//!    `morph-nothing`, with no payload, and the change is drawn on everybody's page. Why one was refused is in the payload, and in
//!    the text of the page's element with `data-presence-error`, which the next success empties.
//! 5. An answer goes to the tab that asked, not to all tabs of its session.
//! 6. An app refuses in one way, `morph-error`, also where the recorded one halted or forbade.
//! 7. An unknown reflex is answered with `morph-error`, not with silence.
//! 8. An unknown channel is rejected, not met with silence; a subscribe that is sent again is confirmed again.
//! 9. A channel's own actions (`perform`) don't exist, and are ignored.
//! 10. Who may not connect, or offers no protocol of ours, gets 403 or 400 instead of a socket that is closed.

mod replay;

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use presence_cable::EarlierAnswer;
use presence_core::{App, Change, Click, Fragment, Refusal, RoomView, Visit, Write};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use self::replay::Replay;
use crate::common::{Lamp, SOON};

/// From the recorded identifiers to ours; `ROOM` and `USER` stand for signed names.
const CHANNELS: &[(&str, &str)] = &[
    (r#""channel":"TelegraphChannel","deny":true"#, r#""channel":"CableReady::Stream","identifier":"unsigned""#),
    (r#""channel":"TelegraphChannel""#, r#""channel":"CableReady::Stream","identifier":"ROOM""#),
    (r#""channel":"UserChannel""#, r#""channel":"CableReady::Stream","identifier":"USER""#),
    (
        r#""identifier":"InNpZ25lZDpkZW1vIg==--b3550e28df17c13763d67cf6e84a6715a8f64838dbfe18fe3215e4337f758cdd""#,
        r#""identifier":"ROOM","of":"demo""#,
    ),
    (r#""channel":"StimulusReflex::Channel""#, r#""channel":"StimulusReflex::Channel","room":"ROOM""#),
];

/// What an answer hands back of the click.
const ECHOED: &[&str] = &[
    "id",
    "url",
    "tabId",
    "target",
    "xpathController",
    "xpathElement",
    "reflexController",
    "permanentAttributeName",
    "resolveLate",
    "version",
];

/// Frames that the recorded server did not send and ours does (8.): file, socket, type, recorded identifier, how often.
const MORE: &[(&str, u64, &str, &str, usize)] = &[
    ("10", 1, "reject_subscription", r#"{"channel":"NoSuchChannel"}"#, 4),
    ("14", 3, "confirm_subscription", r#"{"channel":"TelegraphChannel","b":1,"a":2}"#, 1),
];

/// What a page of the recorded application subscribes to; said first where a recording begins later.
const SUBSCRIBED: &[&str] = &[
    r#"{"channel":"TelegraphChannel"}"#,
    r#"{"channel":"UserChannel"}"#,
    r#"{"channel":"CableReady::Stream","identifier":"InNpZ25lZDpkZW1vIg==--b3550e28df17c13763d67cf6e84a6715a8f64838dbfe18fe3215e4337f758cdd"}"#,
    r#"{"channel":"StimulusReflex::Channel"}"#,
];
const REFLEXES: &str = r#"{"channel":"StimulusReflex::Channel"}"#;

/// The recorded application's reflexes, as far as they mean anything here.
struct Lightbulb;

impl App for Lightbulb {
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        Lamp.page(view, visit)
    }

    fn reflex(&self, click: &Click, _view: &RoomView) -> Result<Vec<Write>, Refusal> {
        match click.target.strip_prefix("Lightbulb#").unwrap_or_default() {
            "toggle" => Ok(vec![Write::set_bytes("lamp", "on")]),
            "selector" | "selector_plain" | "page" | "nothing_plus" => Ok(Vec::new()),
            "boom" => Err(Refusal::Because("boom ".to_owned())),
            "with_arg" => Err(Refusal::Because(
                "wrong number of arguments (given [], expected [[:req, :a]], optional [[:opt, :b]]) ".to_owned(),
            )),
            "halt" | "forbid" => Err(Refusal::Because("not now".to_owned())),
            _ => Err(Refusal::Unknown),
        }
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        Lamp.render(change, view)
    }
}

fn recorded(file: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../presence-cable/tests/transcripts");
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The recorded server let this socket not speak.
fn refused(events: &[Value], number: u64) -> bool {
    let of = |dir: &str| events.iter().find(|event| event["dir"] == dir && event["sock"] == number);
    of("error").is_some() || of("s2c").is_some_and(|event| event["frame"]["type"] == "disconnect")
}

/// What the client said in a click.
fn click(frame: &Value) -> Option<Value> {
    let data: Value = serde_json::from_str(frame["data"].as_str()?).ok()?;
    (frame["identifier"] == REFLEXES).then_some(data)
}

fn operations(frame: &Value) -> Vec<&Value> {
    frame["message"]["operations"].as_array().into_iter().flatten().collect()
}

/// Whether ours refuses a click, given the recorded operation.
fn is_refused(theirs: Option<&Value>) -> bool {
    let name = theirs.and_then(|operation| operation["name"].as_str()).unwrap_or_default();
    theirs.is_none() || ["error", "halted", "forbidden"].iter().any(|end| name.ends_with(end))
}

/// The message that answers a click, given the recorded operation.
fn answered(click: &Value, theirs: Option<&Value>, earlier: EarlierAnswer) -> Value {
    let refused = is_refused(theirs);
    let mut echo: serde_json::Map<String, Value> =
        ECHOED.iter().map(|key| ((*key).to_owned(), click[*key].clone())).collect();
    if let Some(theirs) = theirs {
        for (key, value) in &echo {
            assert!(
                theirs["stimulusReflex"].get(key).is_none_or(|theirs| theirs == value),
                "{key} is echoed as it was"
            );
        }
    }
    echo.insert("morph".to_owned(), if refused { "page" } else { "nothing" }.into());
    let mut operation = json!({
        "operation": "dispatchEvent",
        "name": if refused { "stimulus-reflex:morph-error" } else { "stimulus-reflex:morph-nothing" },
        "payload": {}, "stimulusReflex": echo, "reflexId": click["id"],
    });
    let mut operations = Vec::new();
    let shown = |xpath: String, text: &Value| json!({"operation": "textContent", "selector": xpath, "xpath": true, "selectAll": true, "text": text});
    if refused {
        let (reason, code) = match theirs {
            None => (format!("There is no reflex {}.", click["target"].as_str().unwrap()).into(), "unknown"),
            Some(theirs) if theirs["error"].is_string() => (theirs["error"].clone(), "refused"),
            Some(_) => ("not now".into(), "refused"),
        };
        operation["payload"] = json!({"error": reason, "code": code});
        let place = "descendant-or-self::*[@data-presence-error]";
        let element = click["xpathElement"].as_str().unwrap();
        let near = format!("(({element})/ancestor-or-self::*[{place}])[last()]/{place}");
        operations.push(shown(format!("({near}|//*[@data-presence-error][not({near})])[1]"), &reason));
        operation["error"] = reason;
    } else if earlier == EarlierAnswer::Failure {
        operations.push(shown("//*[@data-presence-error]".to_owned(), &"".into()));
    }
    operations.insert(0, operation);
    json!({"cableReady": true, "version": "5.0.6", "operations": operations})
}

fn described(frame: &Value) -> Option<String> {
    let kind = frame["type"].as_str().filter(|kind| *kind != "ping")?;
    Some(format!("{kind} {}", frame["identifier"].as_str().unwrap_or_default()).trim_end().to_owned())
}

/// The first message of the recordings that draws something.
fn shape() -> Value {
    let drawn = recorded("08-cableready-broadcast.jsonl").into_iter().find(|event| event["dir"] == "s2c");
    drawn.unwrap()["frame"].clone()
}

fn is_drawn_like(frame: &Value, recorded: &Value) {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(frame), keys(recorded));
    assert_eq!(keys(&frame["message"]), keys(&recorded["message"]));
    for key in ["cableReady", "version"] {
        assert_eq!(frame["message"][key], recorded["message"][key]);
    }
    for operation in operations(frame) {
        assert_eq!(keys(operation), keys(operations(recorded)[0]));
        assert_eq!(operation["operation"], "morph");
    }
}

#[tokio::test]
async fn the_recorded_clients_get_the_recorded_frames() {
    let replay = Replay::start().await;
    for file in [
        "01-connect-subscribe.jsonl",
        "02-reflex-morph-nothing.jsonl",
        "03-reflex-selector-morph.jsonl",
        "04-reflex-page-morph.jsonl",
        "05-reflex-nothing-with-piggyback-and-payload.jsonl",
        "06-reflex-error-halted-forbidden-missing.jsonl",
        "07-reflex-in-form.jsonl",
        "10-channel-perform-and-unsubscribe.jsonl",
        "13-two-tabs-same-session-isolation.jsonl",
        "14-rails-unauthorized.jsonl",
        "24-minimal-reflex-reply.jsonl",
        "25-server-killed-and-back.jsonl",
    ] {
        replay.replay(file).await;
    }
}

/// 08: the client says nothing there; the server draws on three of its subscriptions.
#[tokio::test]
async fn a_change_is_drawn_on_every_subscription_of_the_room() {
    let replay = Replay::start().await;
    let (mut watching, mut clicking) = (replay.subscribed().await, replay.subscribed().await);
    let toggle = recorded("02-reflex-morph-nothing.jsonl").into_iter().find(|event| event["dir"] == "c2s").unwrap();
    replay.say(&mut clicking, &toggle["frame"]).await;
    let (mut missing, recorded) = (vec![replay.ours(SUBSCRIBED[0]), replay.ours(SUBSCRIBED[2])], shape());
    watching
        .until(|frame| {
            is_drawn_like(frame, &recorded);
            if frame.to_string().contains(">on<") {
                missing.retain(|key| frame["identifier"] != **key);
            }
            missing.is_empty()
        })
        .await;
}

#[tokio::test]
async fn pings_come_every_three_seconds_with_the_time() {
    let replay = Replay::start().await;
    let mut socket = replay.server.socket(&[]).await.unwrap();
    let (mut times, begun) = (Vec::new(), std::time::Instant::now());
    while times.len() < 2 {
        let message = tokio::time::timeout(SOON, socket.stream.next()).await.unwrap().unwrap().unwrap();
        if let Message::Text(text) = message {
            let frame: Value = serde_json::from_str(&text).unwrap();
            times.extend(frame["message"].as_u64());
        }
    }
    assert!((2..=4).contains(&(times[1] - times[0])), "{times:?}");
    assert!((Duration::from_secs(5)..Duration::from_secs(9)).contains(&begun.elapsed()));
}
