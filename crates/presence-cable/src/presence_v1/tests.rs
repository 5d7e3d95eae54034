//! What embeds say and are told, as text.

use presence_core::{Place, Region, RegionState, RegionView, Room};
use serde_json::{Value, json};

use super::*;
use crate::encoder::same_counts;

fn region(code: &str, users: u32, state: RegionState) -> RegionView {
    RegionView { state, users, tabs: users, ..RegionView::empty(Region::new(code).unwrap(), Place::default()) }
}

fn view(users: u32) -> RoomView {
    RoomView {
        version: 3,
        users,
        tabs: users + 2,
        unsure: 1,
        looking: 2,
        regions: vec![region("ams", users, RegionState::Live), region("maa", 0, RegionState::Silent)],
        as_of_ms: 9,
        ..RoomView::empty(Room::new("shop.example/lamp").unwrap(), Region::new("ams").unwrap())
    }
}

#[test]
fn what_pages_say_is_understood_and_junk_is_not() {
    let said = |text| EmbedRequest::parse(text).unwrap();
    assert_eq!(said(r#"{"type":"hello"}"#), EmbedRequest::Hello { id: None, visible: true, tab: None });
    assert_eq!(
        said(r#"{"visible":false,"type":"hello","id":"a.b","tab":"1-2","more":[1]}"#),
        EmbedRequest::Hello { id: Some("a.b".into()), visible: false, tab: Some("1-2".into()) }
    );
    assert_eq!(
        said(r#"{"type":"join","room":"a\u0062\"/"}"#),
        EmbedRequest::Join { room: "ab\"/".into(), token: None, attempt: None }
    );
    assert_eq!(
        said(r#"{"type":"join","room":"a","token":"t","attempt":7}"#),
        EmbedRequest::Join { room: "a".into(), token: Some("t".into()), attempt: Some(7) }
    );
    assert_eq!(said(r#"{"type":"leave","room":""}"#), EmbedRequest::Leave { room: "".into() });
    assert_eq!(said(r#"{"type":"visible","visible":true}"#), EmbedRequest::Visible { visible: true });
    assert_eq!(said(r#"{"type":"moving"}"#), EmbedRequest::Moving);
    assert_eq!(said(r#"{"type":"listen","room":"a"}"#), EmbedRequest::Listen { room: "a".into() });
    assert_eq!(
        said(r#"{"type":"share","room":"a","key":"cursor","value":[0.5,1]}"#),
        EmbedRequest::Share { room: "a".into(), key: "cursor".into(), value: json!([0.5, 1]) }
    );
    assert_eq!(
        said(r#"{"type":"share","room":"a","key":"cursor"}"#),
        EmbedRequest::Share { room: "a".into(), key: "cursor".into(), value: Value::Null }
    );
    for junk in [
        "",
        "junk",
        "[]",
        "null",
        "{}",
        r#"{"type":"bogus"}"#,
        r#"{"type":7}"#,
        r#"{"type":"join"}"#,
        r#"{"type":"join","room":7}"#,
        r#"{"type":"visible"}"#,
        r#"{"type":"visible","visible":"yes"}"#,
        r#"{"type":"hello","id":[]}"#,
        r#"{"type":"listen"}"#,
        r#"{"type":"share","room":"a","value":1}"#,
    ] {
        assert!(EmbedRequest::parse(junk).is_err(), "{junk}");
    }
}

#[test]
fn counts_are_one_object_whatever_the_room_was_called() {
    for name in ["lamp", "a\"b\\", "", "ü\u{2028}</script>"] {
        let frame = format!("{}{}", prefix(name), counts(&view(14)));
        assert_eq!(
            serde_json::from_str::<Value>(&frame).unwrap(),
            json!({"type": "counts", "room": name, "users": 14, "looking": 2, "tabs": 16, "unsure": 1, "unproven": 0,
                "regions": [{"region": "ams", "users": 14, "state": "live"},
                    {"region": "maa", "users": 0, "state": "silent"}],
                "stale": true})
        );
    }
}

#[test]
fn views_that_say_the_same_are_told_from_those_that_do_not() {
    let one = view(14);
    assert!(same_counts(&one, &RoomView { version: 4, as_of_ms: 10, ..one.clone() }));
    assert!(!same_counts(&one, &view(15)));
    assert!(!same_counts(&one, &RoomView { looking: 3, ..one.clone() }));
    assert!(!same_counts(&one, &RoomView { regions: one.regions[..1].to_vec(), ..one.clone() }));
    let mut back = one.clone();
    back.regions[1].state = RegionState::Live;
    assert!(!same_counts(&one, &back));
}

#[test]
fn answers_are_json() {
    let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    assert_eq!(
        read(welcome("a.b", EmbedIdentity::Given)),
        json!({"type": "welcome", "id": "a.b", "identity": "given"})
    );
    assert_eq!(
        read(join_error("\"x", Some(7), 403, "No \"such\" token.")),
        json!({"type": "error", "room": "\"x", "attempt": 7, "status": 403, "detail": "No \"such\" token."})
    );
    assert_eq!(
        read(join_error("x", None, 429, "No.")),
        json!({"type": "error", "room": "x", "status": 429, "detail": "No."})
    );
    assert_eq!(read(error(400, "No.")), json!({"type": "error", "status": 400, "detail": "No."}));
    assert_eq!(read(left(&prefix("\"x"))), json!({"type": "left", "room": "\"x"}));
    assert_eq!(read(PresenceV1.ping(0)), json!({"type": "ping"}));
}
