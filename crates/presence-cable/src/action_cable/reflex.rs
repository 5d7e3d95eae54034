//! A click as StimulusReflex writes it, and the answer to it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use presence_core::{Outcome, ReflexCall};
use serde::Deserialize;
use serde_json::Value;

use super::cable_ready::{BODY_BEGIN, end_body};
use crate::error::CableError;
use crate::quoted;

/// Longest id of a click in bytes; the client's are UUIDs.
const ID_BYTES_MAX: usize = 128;
/// Longest value that an answer echoes, in bytes. The client can do without what is longer.
const ECHO_BYTES_MAX: usize = 2_048;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Click<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    target: Cow<'a, str>,
    #[serde(borrow)]
    url: Option<Cow<'a, str>>,
    #[serde(borrow)]
    tab_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    xpath_controller: Option<Cow<'a, str>>,
    #[serde(borrow)]
    xpath_element: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reflex_controller: Option<Cow<'a, str>>,
    #[serde(borrow)]
    permanent_attribute_name: Option<Cow<'a, str>>,
    resolve_late: Option<bool>,
    #[serde(borrow)]
    version: Option<Cow<'a, str>>,
    #[serde(default)]
    attrs: BTreeMap<String, Value>,
    #[serde(default)]
    dataset: Dataset,
}

#[derive(Deserialize, Default)]
struct Dataset {
    #[serde(default)]
    dataset: BTreeMap<String, Value>,
}

/// Parses the `data` of a message to the reflex channel. Attributes and data attributes are merged as text; values that
/// are neither text, numbers nor booleans are left out.
///
/// # Errors
/// `id` or `target` is missing: such a click can't be answered.
pub fn reflex_call(data: &str) -> Result<ReflexCall, CableError> {
    let click: Click<'_> = serde_json::from_str(data).map_err(CableError::NotAReflex)?;
    if click.id.len() > ID_BYTES_MAX {
        return Err(CableError::IdTooLong);
    }
    let echo = echo(&click);
    let target = match click.target.split_once('#') {
        Some((class, method)) => format!("{}#{method}", class.strip_suffix("Reflex").unwrap_or(class)),
        None => click.target.into_owned(),
    };
    let attrs = click.attrs.into_iter().chain(click.dataset.dataset);
    let attrs = attrs.filter_map(|(name, value)| Some((name, text(value)?))).collect();
    Ok(ReflexCall { target, attrs, echo })
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The id as JSON, a line feed (which JSON text never holds), and what of the click the client wants back: an object
/// that is not closed yet.
fn echo(click: &Click<'_>) -> String {
    let id = quoted(&click.id);
    let mut echo = format!("{id}\n{{\"id\":{id}");
    let fields = [
        ("url", &click.url),
        ("tabId", &click.tab_id),
        ("target", &Some(Cow::Borrowed(&*click.target))),
        ("xpathController", &click.xpath_controller),
        ("xpathElement", &click.xpath_element),
        ("reflexController", &click.reflex_controller),
        ("permanentAttributeName", &click.permanent_attribute_name),
        ("version", &click.version),
    ];
    for (name, value) in fields {
        if let Some(value) = value.as_deref().filter(|value| value.len() <= ECHO_BYTES_MAX) {
            write!(echo, ",\"{name}\":{}", quoted(value)).expect("writing to a string can't fail");
        }
    }
    if let Some(late) = click.resolve_late {
        write!(echo, ",\"resolveLate\":{late}").expect("writing to a string can't fail");
    }
    echo
}

/// The outcome of a click, in the client's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReflexAnswer<'a> {
    /// `morph-nothing`: carried out; the change is drawn like every other.
    Nothing,
    /// `morph-halted`: not now.
    Halted,
    /// `morph-forbidden`: not allowed for this user.
    Forbidden,
    /// `morph-error`: failed, for this reason.
    Error(&'a str),
}

/// The answer to a click that ended this way.
pub(crate) fn answer_outcome(outcome: &Outcome, echo: &str) -> String {
    match outcome {
        Outcome::Done => answer(ReflexAnswer::Nothing, echo),
        Outcome::Halted => answer(ReflexAnswer::Halted, echo),
        Outcome::Failed(error) => answer(ReflexAnswer::Error(&error.to_string()), echo),
    }
}

/// The body of the message that answers a click; `echo` is the one of its [`ReflexCall`].
pub fn answer(answer: ReflexAnswer<'_>, echo: &str) -> String {
    let (id, echo) = echo.split_once('\n').unwrap_or(("null", "{\"id\":null"));
    // A reflex that fails has not chosen its morph yet; the client expects the default then.
    let (event, morph) = match answer {
        ReflexAnswer::Nothing => ("nothing", "nothing"),
        ReflexAnswer::Halted => ("halted", "page"),
        ReflexAnswer::Forbidden => ("forbidden", "page"),
        ReflexAnswer::Error(_) => ("error", "page"),
    };
    let mut body = String::with_capacity(echo.len() + 320);
    body.push_str(BODY_BEGIN);
    write!(body, r#"{{"operation":"dispatchEvent","name":"stimulus-reflex:morph-{event}","payload":{{}},"#)
        .expect("writing to a string can't fail");
    write!(body, r#""stimulusReflex":{echo},"morph":"{morph}"}},"#).expect("writing to a string can't fail");
    if let ReflexAnswer::Error(reason) = answer {
        write!(body, r#""error":{},"#, quoted(reason)).expect("writing to a string can't fail");
    }
    write!(body, r#""reflexId":{id}}}"#).expect("writing to a string can't fail");
    end_body(&mut body);
    body
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::action_cable::prefix;

    fn click() -> String {
        json!({
            "attrs": {"id": "btn", "aria-pressed": "true", "checked": false, "value": 7, "values": ["a"], "none": null},
            "dataset": {"dataset": {"data-colour": "primary"}, "datasetAll": {}},
            "selectors": [], "id": "1cf8d200", "resolveLate": false, "suppressLogging": false,
            "xpathController": "//*[@id='btn']", "xpathElement": "//*[@id='btn']", "inner_html": "secret",
            "reflexController": "stimulus-reflex", "permanentAttributeName": "data-reflex-permanent",
            "target": "LightbulbReflex#toggle", "args": [], "url": "http://host/\"x\"", "tabId": "4ee7b007",
            "version": "3.5.5", "formData": "a=1"
        })
        .to_string()
    }

    fn answered(ending: ReflexAnswer<'_>) -> Value {
        let call = reflex_call(&click()).unwrap();
        let frame = format!("{}{}", prefix("{}"), answer(ending, &call.echo));
        serde_json::from_str(&frame).unwrap()
    }

    #[test]
    fn a_click_is_understood() {
        let call = reflex_call(&click()).unwrap();
        assert_eq!(call.target, "Lightbulb#toggle");
        let attrs =
            [("aria-pressed", "true"), ("checked", "false"), ("data-colour", "primary"), ("id", "btn"), ("value", "7")];
        assert_eq!(call.attrs, attrs.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn only_the_suffix_of_the_class_is_taken_off() {
        for (target, name) in [
            ("Lightbulb#toggle", "Lightbulb#toggle"),
            ("ReflexReflex#Reflex", "Reflex#Reflex"),
            ("Lightbulb", "Lightbulb"),
            ("", ""),
        ] {
            let call = reflex_call(&json!({"id": "1", "target": target}).to_string()).unwrap();
            assert_eq!(call.target, name);
        }
    }

    #[test]
    fn an_answer_echoes_what_the_client_needs_and_nothing_private() {
        let frame = answered(ReflexAnswer::Nothing);
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
    fn each_ending_has_its_event() {
        for (ending, event, error) in [
            (ReflexAnswer::Halted, "halted", Value::Null),
            (ReflexAnswer::Forbidden, "forbidden", Value::Null),
            (ReflexAnswer::Error("no \"such\" reflex"), "error", json!("no \"such\" reflex")),
        ] {
            let operation = answered(ending)["message"]["operations"][0].take();
            assert_eq!(operation["name"], format!("stimulus-reflex:morph-{event}"));
            assert_eq!(operation["stimulusReflex"]["morph"], "page");
            assert_eq!(operation["error"], error);
        }
    }

    #[test]
    fn what_is_long_is_not_echoed_and_what_is_no_click_is_an_error() {
        let long = "x".repeat(ECHO_BYTES_MAX + 1);
        let call = reflex_call(&json!({"id": "1", "target": "A#b", "url": long, "tabId": "t"}).to_string()).unwrap();
        assert!(call.echo.len() < 200 && call.echo.contains("tabId"));
        assert!(reflex_call(&json!({"id": long, "target": "A#b"}).to_string()).is_err());
        for data in
            ["", "{}", "[]", r#"{"id":"1"}"#, r#"{"id":1,"target":"A#b"}"#, r#"{"id":"1","target":"A#b","attrs":[]}"#]
        {
            assert!(reflex_call(data).is_err(), "{data}");
        }
    }
}
