//! Embeds without a node: what they are sent, in what order, and what a slow page is not sent.

use clap::Parser;
use presence_core::{Place, Region, RegionState, RegionView, RoomView};

use super::*;
use crate::config::{Config, Secrets};
use crate::identity::{EmbedId, EmbedIds};
use crate::secret::{Purpose, Secret};
use crate::sites::Sites;
use crate::views::Views;

#[derive(Parser)]
struct ConfigLine {
    #[command(flatten)]
    config: Config,
}

/// What embeds share on a node that serves every site.
pub(super) fn shared() -> EmbedContext {
    let config = ConfigLine::parse_from(["node", "--site", "*"]).config;
    let (secret, _) = Secret::find(&Secrets { secret: Some("s".repeat(32)), ..Secrets::default() }, None);
    EmbedContext {
        ids: Arc::new(EmbedIds::new(secret.keys(Purpose::Embed))),
        sites: Arc::new(Sites::new(&config, secret, room("demo"))),
        views: Arc::new(Views::new(Region::new("ams").unwrap(), Place::default(), 0)),
    }
}

/// A page that has said hello.
pub(super) async fn page(test: &mut TestHub, shared: &EmbedContext) -> Browser {
    let page = shared.sites.page("https://shop.example").unwrap();
    let visitor = EmbedVisitor { page, known: None, kept: EmbedId::random(), address: [192, 0, 2, 1].into() };
    let mut browser = test.connect(shared.session(visitor)).await;
    browser.say(json!({"type": "hello"}).to_string()).await;
    assert_eq!(browser.next().await["type"], "welcome");
    browser
}

/// A view of about 2 KiB as counts.
fn view(shared: &EmbedContext, users: u32) -> Arc<RoomView> {
    let region = |number: u32| RegionView {
        region: Region::new(&format!("region-{number}")).unwrap(),
        place: Place::default(),
        state: RegionState::Live,
        since_ms: 0,
        whole: true,
        heard_ms_ago: 0,
        round_trip_ms: None,
        users,
        tabs: users,
        unsure: 0,
    };
    let empty = shared.views.room_or_empty(&room("shop.example/lamp"));
    let view =
        RoomView { users, version: u64::from(users), regions: (0..32).map(region).collect(), ..(*empty).clone() };
    Arc::new(view)
}

/// As the driver does.
fn publish(test: &TestHub, shared: &EmbedContext, view: &Arc<RoomView>) {
    shared.views.set_room(Arc::clone(view));
    test.hub.counted(view);
}

pub(super) async fn join(test: &mut TestHub, browser: &mut Browser) -> Input {
    browser.say(json!({"type": "join", "room": "lamp"}).to_string()).await;
    let first = browser.next().await;
    assert!(first["type"] == "counts" && first["room"] == "lamp", "{first}");
    test.input().await
}

#[tokio::test]
async fn a_join_is_sent_counts_and_counted_without_a_drawing() {
    let (mut test, shared) = (TestHub::new(""), shared());
    let mut browser = page(&mut test, &shared).await;
    let Input::Joined { connection, subscription, room, tab, .. } = join(&mut test, &mut browser).await else {
        panic!("a join");
    };
    assert_eq!(room.as_str(), "shop.example/lamp");
    assert_eq!(tab, Tab { draws: false, ..Tab::page() });
    browser.say(json!({"type": "visible", "visible": false}).to_string()).await;
    assert_eq!(test.input().await, Input::Looked { connection, subscription, visible: false });
    // A repeated message changes nothing.
    browser.say(json!({"type": "visible", "visible": false}).to_string()).await;
    browser.say(json!({"type": "leave", "room": "lamp"}).to_string()).await;
    assert_eq!(test.input().await, Input::Unsubscribed { connection, subscription });
    publish(&test, &shared, &view(&shared, 7));
    browser.stream.close(None).await.unwrap();
    assert!(matches!(test.input().await, Input::Disconnected { ended: Ended::Closed, .. }));
    while let Some(Ok(message)) = browser.stream.next().await {
        assert!(!message.is_text(), "sent after it left: {message}");
    }
}

#[tokio::test]
async fn counts_that_say_the_same_are_not_sent_again() {
    let (mut test, shared) = (TestHub::new(""), shared());
    let mut browser = page(&mut test, &shared).await;
    join(&mut test, &mut browser).await;
    for users in [1, 1, 1, 2] {
        publish(&test, &shared, &view(&shared, users));
    }
    let told = [browser.next().await, browser.next().await].map(|counts| counts["users"].clone());
    assert_eq!(told, [json!(1), json!(2)]);
}

#[tokio::test]
async fn a_slow_page_loses_counts_and_is_sent_the_last_ones_when_it_can_take_them() {
    let (mut test, shared) = (TestHub::new(""), shared());
    let mut browser = page(&mut test, &shared).await;
    join(&mut test, &mut browser).await;
    for users in 1..=1_000 {
        publish(&test, &shared, &view(&shared, users));
    }
    let mut told = Vec::new();
    while told.last() != Some(&1_000) {
        told.push(browser.next().await["users"].as_u64().unwrap());
    }
    assert!(told.is_sorted() && told.len() < 500, "{told:?}");
    publish(&test, &shared, &view(&shared, 1_001));
    assert_eq!(browser.next().await["users"], 1_001);
    // The driver is not asked to draw anything for it.
    assert!(test.happened.try_recv().is_err());
}

#[tokio::test]
async fn many_pages_are_sent_a_room_under_the_names_that_they_gave_it() {
    let (mut test, shared) = (TestHub::new(""), shared());
    let names = ["lamp", "/lamp", "shop.example/lamp"];
    let mut pages = Vec::new();
    for name in names.iter().cycle().take(30) {
        let mut browser = page(&mut test, &shared).await;
        browser.say(json!({"type": "join", "room": name}).to_string()).await;
        assert_eq!(browser.next().await["room"], *name);
        assert!(matches!(test.input().await, Input::Joined { .. }));
        pages.push((name, browser));
    }
    publish(&test, &shared, &view(&shared, 30));
    for (name, browser) in &mut pages {
        let counts = browser.next().await;
        assert_eq!((&counts["room"], &counts["users"]), (&json!(name), &json!(30)));
    }
}
