//! A tab that names itself: its next socket takes the place of the one before.

use presence_cable::action_cable::Version;

use super::*;

const TAB: &str = "0123456789abcdef";

async fn open(test: &mut TestHub, user: UserId, tab: &str) -> Browser {
    let visitor = Visitor {
        signed: None,
        user: Some(user),
        version: Version::Plain,
        sid: None,
        grant: None,
        tab: Some(tab.to_owned()),
        trace: None,
    };
    let mut browser = test.connect_as(visitor).await;
    assert_eq!(browser.next().await, json!({"type": "welcome"}));
    browser
}

#[tokio::test]
async fn a_tab_that_is_back_on_a_new_socket_ends_its_old_one_before_it_joins() {
    let mut test = TestHub::new("");
    let key = test.room_key("shop");
    let mut first = open(&mut test, user(1), TAB).await;
    first.confirmed(&key).await;
    assert!(matches!(test.input().await, Input::Joined { connection: ConnectionId(8), .. }));
    let mut second = open(&mut test, user(1), TAB).await;
    // The first one's browser can't answer any more.
    let ended = Input::Disconnected { connection: ConnectionId(8), ended: Ended::Closed };
    assert_eq!(test.input().await, ended);
    assert_eq!(first.served.await.unwrap(), CloseReason::Resumed);
    assert_eq!(test.input().await, ended, "and by its own task, which the node takes no notice of");
    second.confirmed(&key).await;
    assert!(matches!(test.input().await, Input::Joined { connection: ConnectionId(9), .. }));
    assert_eq!(test.hub.sockets(), 1);
    // A third one ends the second: the end of the first did not make its name forgotten.
    let _third = open(&mut test, user(1), TAB).await;
    assert_eq!(second.served.await.unwrap(), CloseReason::Resumed);
}

#[tokio::test]
async fn a_tab_that_goes_on_at_another_node_ends_here() {
    let mut test = TestHub::new("");
    let mut browser = open(&mut test, user(1), TAB).await;
    browser.confirmed(&test.room_key("shop")).await;
    let Input::Joined { connection, tab, .. } = test.input().await else { panic!("a join") };
    assert_eq!(tab.id, Some(TabId::of(&user(1), TAB, crate::identity::sha256)), "other nodes know it by that");
    test.hub.carry_out(Output::Close { connection });
    assert_eq!(browser.served.await.unwrap(), CloseReason::Resumed);
    assert_eq!(test.input().await, Input::Disconnected { connection, ended: Ended::Closed });
}

#[tokio::test]
async fn other_tabs_other_users_and_short_names_end_nothing() {
    let mut test = TestHub::new("");
    let long = "x".repeat(65);
    for (user_id, tab) in
        [(1, TAB), (1, "fedcba9876543210"), (2, TAB), (1, "short"), (1, "short"), (1, &long), (1, &long)]
    {
        let browser = open(&mut test, user(user_id), tab).await;
        // It is there until the test ends.
        std::mem::forget(browser);
    }
    assert_eq!(test.hub.sockets(), 7);
    assert!(test.happened.try_recv().is_err(), "none was ended");
}

#[tokio::test]
async fn a_page_that_says_that_it_is_hidden_looks_at_none_of_its_rooms() {
    let mut test = TestHub::new("");
    let mut browser = test.open(Some(user(1))).await;
    browser.confirmed(&test.room_key("shop")).await;
    let Input::Joined { connection, subscription, tab: Tab { visible: true, .. }, .. } = test.input().await else {
        panic!("a join of a visible page");
    };
    for visible in [false, false, true, false] {
        let said = json!({"command": "visible", "visible": visible}).to_string();
        browser.stream.send(Message::text(said)).await.unwrap();
    }
    for visible in [false, true, false] {
        assert_eq!(test.input().await, Input::Looked { connection, subscription, visible });
    }
    browser.confirmed(&test.room_key("cart")).await;
    assert!(matches!(test.input().await, Input::Joined { tab: Tab { visible: false, .. }, .. }));
    browser.command("unsubscribe", &test.room_key("shop")).await;
    assert!(matches!(test.input().await, Input::Unsubscribed { .. }));
}
