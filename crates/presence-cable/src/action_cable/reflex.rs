//! A click as StimulusReflex writes it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use presence_core::Fields;
use serde::Deserialize;
use serde_json::Value;

use crate::error::CableError;
use crate::quoted;

/// Longest id of a click in bytes; the client's are UUIDs.
const ID_BYTES_MAX: usize = 128;
/// Longest value that an answer echoes, in bytes. The client can do without what is longer.
const ECHO_BYTES_MAX: usize = 2_048;
/// Most values of a form.
const FIELDS_MAX: usize = 128;

/// A click as the browser sent it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReflexCall {
    /// `Lightbulb#toggle`, without the optional `Reflex` of `LightbulbReflex#toggle`.
    pub target: String,
    /// The element's attributes as text, data attributes included.
    pub attributes: BTreeMap<String, String>,
    /// The values of the form around the element; empty if there is no form.
    pub form: Result<Fields, FormTooLong>,
    /// What an answer is written with, and how the element is found on the page.
    pub echo: String,
}

/// A form has more values than a click may have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FormTooLong {
    /// How many it may have.
    pub fields_max: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentClick<'a> {
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
    #[serde(borrow)]
    form_data: Option<Cow<'a, str>>,
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
/// are neither text, numbers nor booleans are left out. A form with too many values is none: an app must not take a part of it
/// for the whole.
///
/// # Errors
/// `id` or `target` is missing: such a click can't be answered.
pub fn reflex_call(data: &str) -> Result<ReflexCall, CableError> {
    let click: SentClick<'_> = serde_json::from_str(data).map_err(CableError::NotAReflex)?;
    if click.id.len() > ID_BYTES_MAX {
        return Err(CableError::IdTooLong);
    }
    let echo = echo(&click);
    let target = match click.target.split_once('#') {
        Some((class, method)) => format!("{}#{method}", class.strip_suffix("Reflex").unwrap_or(class)),
        None => click.target.into_owned(),
    };
    let form = form(click.form_data.as_deref().unwrap_or_default());
    let attrs = click.attrs.into_iter().chain(click.dataset.dataset);
    let attributes = attrs.filter_map(|(name, value)| Some((name, text(value)?))).collect();
    Ok(ReflexCall { target, attributes, form, echo })
}

/// The values of a form, which the client sends as a query.
fn form(query: &str) -> Result<Fields, FormTooLong> {
    let fields: Vec<_> = form_urlencoded::parse(query.as_bytes()).take(FIELDS_MAX + 1).collect();
    if fields.len() > FIELDS_MAX {
        return Err(FormTooLong { fields_max: FIELDS_MAX });
    }
    Ok(fields.into_iter().collect())
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(value) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The id as JSON, a line feed (which JSON text never holds), and the parts of the click that the client wants back: an object
/// that is not closed yet.
fn echo(click: &SentClick<'_>) -> String {
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn click() -> String {
        json!({
            "attrs": {"id": "btn", "aria-pressed": "true", "checked": false, "value": 7, "values": ["a"], "none": null},
            "dataset": {"dataset": {"data-colour": "primary"}, "datasetAll": {}},
            "selectors": [], "id": "1cf8d200", "resolveLate": false, "suppressLogging": false,
            "xpathController": "//*[@id='btn']", "xpathElement": "//*[@id='btn']", "inner_html": "secret",
            "reflexController": "stimulus-reflex", "permanentAttributeName": "data-reflex-permanent",
            "target": "LightbulbReflex#toggle", "args": [], "url": "http://host/\"x\"", "tabId": "4ee7b007",
            "version": "3.5.5", "formData": "amount=12%20%E2%82%AC&lot=7&lot=8&note="
        })
        .to_string()
    }

    #[test]
    fn a_click_is_understood() {
        let call = reflex_call(&click()).unwrap();
        assert_eq!(call.target, "Lightbulb#toggle");
        let attrs =
            [("aria-pressed", "true"), ("checked", "false"), ("data-colour", "primary"), ("id", "btn"), ("value", "7")];
        assert_eq!(call.attributes, attrs.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_form_has_all_its_values_in_order() {
        let form = reflex_call(&click()).unwrap().form.unwrap();
        let expected = [("amount", "12 €"), ("lot", "7"), ("lot", "8"), ("note", "")];
        assert_eq!(form.iter().collect::<Vec<_>>(), expected);
        let of =
            |form: String| reflex_call(&json!({"id": "1", "target": "A#b", "formData": form}).to_string()).unwrap();
        assert_eq!(of(String::new()).form, Ok(Fields::default()));
        assert_eq!(of("a=1&".repeat(128)).form.unwrap().all("a").count(), 128);
        assert_eq!(of("a=1&".repeat(129)).form, Err(FormTooLong { fields_max: 128 }));
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
