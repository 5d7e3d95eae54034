//! What embeds share: who may say what, and what a page is sent of it.

use presence_core::RoomView;

use super::presence_v1::{join, page, shared};
use super::*;
use crate::identity::sha256;

/// A view in which these users share these cursors.
fn cursors(context: &EmbedContext, version: u64, cursors: &[(u8, &str)]) -> Arc<RoomView> {
    let mut view = (*context.views.room_or_empty(&room("shop.example/lamp"))).clone();
    let shared = cursors.iter().map(|(user, value)| (PublicId([*user; 32]), value.as_bytes().to_vec()));
    view.shared = [("embed/cursor".to_owned(), shared.collect())].into();
    view.version = version;
    Arc::new(view)
}

/// As the driver does.
fn publish(test: &TestHub, context: &EmbedContext, view: &Arc<RoomView>) {
    context.views.set_room(Arc::clone(view));
    test.hub.shared(view);
}

#[tokio::test]
async fn a_page_that_listens_is_sent_everything_then_what_is_different_and_learns_who_it_is() {
    let (mut test, context) = (TestHub::new(""), shared());
    let mut browser = page(&mut test, &context).await;
    let Input::Joined { user, .. } = join(&mut test, &mut browser).await else { panic!("a join") };
    context.views.set_room(cursors(&context, 1, &[(1, "[0,1]")]));
    browser.say(json!({"type": "listen", "room": "lamp"}).to_string()).await;
    let id = |byte: u8| format!("{byte:02x}").repeat(8);
    assert_eq!(
        browser.next().await,
        json!({"type": "shared", "room": "lamp", "whole": true, "values": {"cursor": {id(1): [0, 1]}}})
    );
    let you = &user.public(&room("shop.example/lamp"), sha256).long()[..16];
    assert_eq!(browser.next().await, json!({"type": "sharing", "room": "lamp", "you": you}));

    publish(&test, &context, &cursors(&context, 2, &[(1, "[0,1]"), (2, "[1,1]")]));
    publish(&test, &context, &cursors(&context, 3, &[(1, "[0,1]"), (2, "[1,1]")]));
    publish(&test, &context, &cursors(&context, 4, &[(2, "[1,1]")]));
    for values in [json!({id(2): [1, 1]}), json!({id(1): null})] {
        assert_eq!(
            browser.next().await,
            json!({"type": "shared", "room": "lamp", "whole": false, "values": {"cursor": values}})
        );
    }
    // Once it has left it is sent nothing more.
    browser.say(json!({"type": "leave", "room": "lamp"}).to_string()).await;
    assert!(matches!(test.input().await, Input::Unsubscribed { .. }));
    publish(&test, &context, &cursors(&context, 5, &[]));
    browser.say(json!({"type": "listen", "room": "lamp"}).to_string()).await;
    assert_eq!(browser.next().await["status"], 400);
}

#[tokio::test]
async fn a_page_shares_words_of_its_own_in_rooms_that_it_is_counted_in() {
    let (mut test, context) = (TestHub::new(""), shared());
    let mut browser = page(&mut test, &context).await;
    let share = |room: &str, key: &str, value: Value| {
        json!({"type": "share", "room": room, "key": key, "value": value}).to_string()
    };
    browser.say(share("lamp", "cursor", json!([0, 1]))).await;
    let Input::Joined { user, .. } = join(&mut test, &mut browser).await else { panic!("what came before is ignored") };
    for (key, value) in [("person", json!({"name": "Eve"})), ("a/b", json!(1)), ("note", json!("x".repeat(255)))] {
        browser.say(share("lamp", key, value)).await;
        assert_eq!(browser.next().await["status"], 400, "{key}");
    }
    browser.say(share("lamp", "cursor", json!([0, 1]))).await;
    browser.say(share("lamp", "cursor", Value::Null)).await;
    for value in ["[0,1]", ""] {
        let expected = Input::Shared {
            room: room("shop.example/lamp"),
            user,
            key: "embed/cursor".to_owned(),
            value: value.as_bytes().to_vec(),
        };
        assert_eq!(test.input().await, expected);
    }
}

#[tokio::test]
async fn a_slow_page_loses_changes_and_is_sent_everything_when_it_can_take_it() {
    let (mut test, context) = (TestHub::new(""), shared());
    let mut browser = page(&mut test, &context).await;
    join(&mut test, &mut browser).await;
    browser.say(json!({"type": "listen", "room": "lamp"}).to_string()).await;
    assert_eq!(browser.next().await["whole"], true);
    assert_eq!(browser.next().await["type"], "sharing");
    let long = |step: u64| format!("[{step},\"{}\"]", "x".repeat(200));
    let last = 20_000;
    for step in 1..=last {
        let view: Vec<String> = (0..3).map(|_| long(step)).collect();
        let users: Vec<(u8, &str)> =
            view.iter().enumerate().map(|(user, value)| (user as u8, value.as_str())).collect();
        publish(&test, &context, &cursors(&context, step, &users));
    }
    let mut told = Vec::new();
    let mut wholes = 0;
    while told.last() != Some(&last) {
        let next = browser.next().await;
        wholes += u32::from(next["whole"] == true);
        told.push(next["values"]["cursor"]["0000000000000000"][0].as_u64().unwrap());
    }
    assert!(told.is_sorted() && told.len() < 19_000 && wholes > 0, "{} were sent, {wholes} whole", told.len());
}
