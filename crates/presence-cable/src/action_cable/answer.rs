//! The answer to a click as StimulusReflex reads it, and what the page of the click shows of a refusal.

use std::fmt::Write;

use presence_core::Outcome;
use serde_json::Value;

use super::cable_ready::{BODY_BEGIN, end_body};
use crate::encoder::EarlierAnswer;
use crate::quoted;

/// Where a page shows why a click failed.
const ERROR_PLACE: &str = "data-presence-error";
/// What a visitor reads whose clicks are too fast.
const HALTED: &str = "Too many clicks at once. Try again in a second.";

/// The body of the message that answers a click; `echo` is the one of its [`ReflexCall`](super::ReflexCall). A failure is shown
/// in the nearest element with `data-presence-error`, which the next success empties.
pub(super) fn answer(outcome: &Outcome, echo: &str, earlier: EarlierAnswer) -> String {
    let (id, echo) = echo.split_once('\n').unwrap_or(("null", "{\"id\":null"));
    let reason = match outcome {
        Outcome::Done => None,
        Outcome::Halted => Some(("halted", HALTED.to_owned())),
        Outcome::Failed(error) => Some((error.code(), error.to_string())),
    };
    // A reflex that fails has not chosen its morph yet; the client expects the default then.
    let (event, morph) = match outcome {
        Outcome::Done => ("nothing", "nothing"),
        Outcome::Halted => ("halted", "page"),
        Outcome::Failed(_) => ("error", "page"),
    };
    let mut body = String::with_capacity(echo.len() + 320);
    body.push_str(BODY_BEGIN);
    add(
        &mut body,
        format_args!(r#"{{"operation":"dispatchEvent","name":"stimulus-reflex:morph-{event}","payload":{{"#),
    );
    if let Some((code, reason)) = &reason {
        add(&mut body, format_args!(r#""error":{},"code":"{code}""#, quoted(reason)));
    }
    add(&mut body, format_args!(r#"}},"stimulusReflex":{echo},"morph":"{morph}"}},"#));
    if let (Outcome::Failed(_), Some((_, reason))) = (outcome, &reason) {
        add(&mut body, format_args!(r#""error":{},"#, quoted(reason)));
    }
    add(&mut body, format_args!(r#""reflexId":{id}}}"#));
    match (&reason, earlier) {
        (Some((_, reason)), _) => say(&mut body, &nearest_place(echo), reason),
        (None, EarlierAnswer::Failure) => say(&mut body, &format!("//*[@{ERROR_PLACE}]"), ""),
        (None, EarlierAnswer::Success) => {}
    }
    end_body(&mut body);
    body
}

/// Sets the text of all elements at this XPath. The client warns of an element that is missing, unless it may be several.
fn say(body: &mut String, xpath: &str, text: &str) {
    let (xpath, text) = (quoted(xpath), quoted(text));
    add(
        body,
        format_args!(
            r#",{{"operation":"textContent","selector":{xpath},"xpath":true,"selectAll":true,"text":{text}}}"#
        ),
    );
}

/// The XPath of the nearest place for errors: in the closest element around the clicked one that has any, else the first on the
/// page.
fn nearest_place(echo: &str) -> String {
    let sent: Option<Value> = serde_json::from_str(&format!("{echo}}}")).ok();
    let element = sent.as_ref().and_then(|sent| sent["xpathElement"].as_str()).filter(|element| !element.is_empty());
    let Some(element) = element else { return format!("(//*[@{ERROR_PLACE}])[1]") };
    let place = format!("descendant-or-self::*[@{ERROR_PLACE}]");
    let near = format!("(({element})/ancestor-or-self::*[{place}])[last()]/{place}");
    format!("({near}|//*[@{ERROR_PLACE}][not({near})])[1]")
}

fn add(body: &mut String, text: std::fmt::Arguments<'_>) {
    body.write_fmt(text).expect("writing to a string can't fail");
}

#[cfg(test)]
mod tests {
    use presence_core::ReflexError;
    use serde_json::json;

    use super::*;
    use crate::action_cable::{prefix, reflex_call};

    const CLICK: &str = r#"{
        "id": "1cf8d200", "resolveLate": false, "xpathController": "//*[@id='btn']", "xpathElement": "//*[@id='btn']",
        "inner_html": "secret", "formData": "secret", "reflexController": "stimulus-reflex",
        "permanentAttributeName": "data-reflex-permanent", "target": "LightbulbReflex#toggle", "url": "http://host/\"x\"",
        "tabId": "4ee7b007", "version": "3.5.5"
    }"#;

    fn answered(click: &str, outcome: &Outcome, earlier: EarlierAnswer) -> Value {
        let call = reflex_call(click).unwrap();
        let frame = format!("{}{}", prefix("{}"), answer(outcome, &call.echo, earlier));
        serde_json::from_str(&frame).unwrap()
    }

    fn operations(click: &str, outcome: &Outcome, earlier: EarlierAnswer) -> Vec<Value> {
        let mut frame = answered(click, outcome, earlier);
        serde_json::from_value(frame["message"]["operations"].take()).unwrap()
    }

    fn refused(why: &str) -> Outcome {
        Outcome::Failed(ReflexError::Refused(why.to_owned()))
    }

    #[test]
    fn an_answer_echoes_what_the_client_needs_and_nothing_private() {
        let frame = answered(CLICK, &Outcome::Done, EarlierAnswer::Success);
        let operation = json!({
            "operation": "dispatchEvent", "name": "stimulus-reflex:morph-nothing", "payload": {},
            "stimulusReflex": {
                "id": "1cf8d200", "url": "http://host/\"x\"", "tabId": "4ee7b007", "target": "LightbulbReflex#toggle",
                "xpathController": "//*[@id='btn']", "xpathElement": "//*[@id='btn']",
                "reflexController": "stimulus-reflex", "permanentAttributeName": "data-reflex-permanent",
                "resolveLate": false, "version": "3.5.5", "morph": "nothing"
            },
            "reflexId": "1cf8d200"
        });
        let message = json!({"cableReady": true, "version": "5.0.6", "operations": [operation]});
        assert_eq!(frame, json!({"identifier": "{}", "message": message}));
    }

    #[test]
    fn a_failure_has_its_event_and_says_why() {
        for (outcome, event, code, why) in [
            (Outcome::Halted, "halted", "halted", HALTED),
            (refused("no \"such\" <lot>"), "error", "refused", "no \"such\" <lot>"),
            (
                Outcome::Failed(ReflexError::ValueTooLong { bytes_max: 4_096 }),
                "error",
                "value_too_long",
                "A value may have at most 4096 bytes.",
            ),
        ] {
            let operations = operations(CLICK, &outcome, EarlierAnswer::Success);
            assert_eq!(operations[0]["name"], format!("stimulus-reflex:morph-{event}"));
            assert_eq!(operations[0]["stimulusReflex"]["morph"], "page");
            assert_eq!(operations[0]["payload"], json!({"error": why, "code": code}));
            assert_eq!(operations[0].get("error").is_some(), event == "error");
            assert_eq!((operations.len(), &operations[1]["operation"]), (2, &json!("textContent")));
            assert_eq!(operations[1]["text"], why, "as text, not as HTML");
        }
    }

    #[test]
    fn a_failure_is_shown_near_the_click_and_the_next_success_empties_it() {
        let near = "((//*[@id='btn'])/ancestor-or-self::*[descendant-or-self::*[@data-presence-error]])[last()]\
                    /descendant-or-self::*[@data-presence-error]";
        let failed = operations(CLICK, &refused("no"), EarlierAnswer::Success);
        let expected = json!({
            "operation": "textContent", "xpath": true, "selectAll": true, "text": "no",
            "selector": format!("({near}|//*[@data-presence-error][not({near})])[1]"),
        });
        assert_eq!(failed[1], expected);
        let nowhere = operations(r#"{"id":"1","target":"A#b"}"#, &refused("no"), EarlierAnswer::Failure);
        assert_eq!(nowhere[1]["selector"], "(//*[@data-presence-error])[1]");

        let emptied = operations(CLICK, &Outcome::Done, EarlierAnswer::Failure);
        let expected = json!({
            "operation": "textContent", "xpath": true, "selectAll": true, "text": "", "selector": "//*[@data-presence-error]",
        });
        assert_eq!(emptied[1..], [expected]);
        assert_eq!(operations(CLICK, &Outcome::Done, EarlierAnswer::Success).len(), 1);
    }
}
