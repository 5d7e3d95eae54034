//! The CableReady body that draws fragments on a page.

use std::fmt::Write;

use presence_core::Fragment;

use crate::quoted;

/// The version of the `cable_ready` client that pages load. The StimulusReflex client drops every message that names
/// another one.
pub const CABLE_READY_VERSION: &str = "5.0.6";
/// The body of a message that draws these fragments, in order: one CableReady `morph` of `#id` each.
pub(super) fn morphs(fragments: &[Fragment]) -> String {
    let html: usize = fragments.iter().map(|f| f.html.len() + f.html.len() / 8 + f.id.len() + 64).sum();
    let mut body = String::with_capacity(html + 80);
    body.push_str(BODY_BEGIN);
    for (index, fragment) in fragments.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let selector = quoted(&selector(&fragment.id));
        let html = quoted(&fragment.html);
        write!(body, r#"{comma}{{"operation":"morph","selector":{selector},"html":{html}}}"#)
            .expect("writing to a string can't fail");
    }
    end_body(&mut body);
    body
}

/// The body that tells a page that one of its signed names has another signature from now on, as an event of the document:
/// `renamed.js` uses the new one when the page subscribes again.
pub fn renamed(from: &str, to: &str) -> String {
    let (from, to) = (quoted(from), quoted(to));
    let operation =
        format!(r#"{{"operation":"dispatchEvent","name":"presence:renamed","detail":{{"from":{from},"to":{to}}}}}"#);
    let mut body = format!("{BODY_BEGIN}{operation}");
    end_body(&mut body);
    body
}

/// A body begins with the comma after the identifier.
pub(super) const BODY_BEGIN: &str = r#","message":{"cableReady":true,"operations":["#;

pub(super) fn end_body(body: &mut String) {
    write!(body, r#"],"version":"{CABLE_READY_VERSION}"}}}}"#).expect("writing to a string can't fail");
}

/// `#id` in CSS: an id may begin with a digit (a region's code does), a selector may not.
fn selector(id: &str) -> String {
    let mut selector = String::with_capacity(id.len() + 8);
    selector.push('#');
    let mut before = None;
    for c in id.chars() {
        let starts = before.is_none() || (before == Some('-') && selector.len() == 2);
        if c.is_ascii_digit() && starts {
            write!(selector, "\\{:x} ", u32::from(c)).expect("writing to a string can't fail");
        } else if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') || !c.is_ascii() {
            selector.push(c);
        } else if c.is_ascii_control() {
            write!(selector, "\\{:x} ", u32::from(c)).expect("writing to a string can't fail");
        } else {
            selector.extend(['\\', c]);
        }
        before = Some(c);
    }
    selector
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::action_cable::prefix;

    #[test]
    fn fragments_become_morphs_in_order() {
        let fragments = [
            Fragment { id: "lightbulb".to_owned(), html: "<i id=\"lightbulb\">\n</i>".to_owned(), within: None },
            Fragment { id: "yyz_usercount".to_owned(), html: "<b></b>".to_owned(), within: Some("regions") },
        ];
        let frame = format!("{}{}", prefix("{}"), morphs(&fragments));
        assert_eq!(
            serde_json::from_str::<Value>(&frame).unwrap(),
            json!({"identifier": "{}", "message": {"cableReady": true, "version": "5.0.6", "operations": [
                {"operation": "morph", "selector": "#lightbulb", "html": "<i id=\"lightbulb\">\n</i>"},
                {"operation": "morph", "selector": "#yyz_usercount", "html": "<b></b>"},
            ]}})
        );
    }

    #[test]
    fn a_new_name_is_an_event_of_the_document() {
        let frame = format!("{}{}", prefix("{}"), renamed("old--1", "new--2"));
        let message = &serde_json::from_str::<Value>(&frame).unwrap()["message"];
        assert_eq!(
            message["operations"],
            json!([{"operation": "dispatchEvent", "name": "presence:renamed", "detail": {"from": "old--1", "to": "new--2"}}])
        );
    }

    #[test]
    fn a_selector_is_css_whatever_the_id() {
        for (id, css) in [
            ("yyz_usercount", "#yyz_usercount"),
            ("3ab-x", "#\\33 ab-x"),
            ("-3", "#-\\33 "),
            ("a.b:c", "#a\\.b\\:c"),
            ("é", "#é"),
            ("a\nb", "#a\\a b"),
        ] {
            assert_eq!(selector(id), css);
        }
    }
}
