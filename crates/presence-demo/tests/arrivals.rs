//! What the page says of a click's arrival, and the light on its map.

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;

use common::{NOW_MS, entry, region, user, world};
use presence_core::{App, Change, Entry, Receipt, Region, RoomView, WriteReceipts};
use presence_demo::Demo;

fn code(code: &str) -> Region {
    Region::new(code).expect("a code of the tests")
}

/// Five regions, in which a visitor of Toronto clicked the bulb some time ago.
fn clicked(ms_ago: u64, reached: &[(&str, u32, bool)]) -> RoomView {
    let far = [("yyz", None), ("iad", Some(24)), ("ams", Some(92)), ("maa", Some(201)), ("scl", Some(130))];
    let mut view = world(far.map(|(code, ms)| region(code, 1, ms)).into());
    let Entry { author, at_ms, .. } = entry(&[], 0x1a, "yyz", ms_ago);
    let receipt = |(to, after_ms, seen): &(&str, u32, bool)| (code(to), Receipt { after_ms: *after_ms, seen: *seen });
    let regions = reached.iter().map(receipt).collect();
    view.receipts.insert("lightbulb".to_owned(), WriteReceipts { author, at_ms, regions });
    view
}

fn drawn(view: &RoomView, change: &Change, id: &str) -> String {
    let fragments = Demo::default().render(change, view);
    fragments.into_iter().find(|fragment| fragment.id == id).expect("it is drawn").html
}

fn told(view: &RoomView, change: &Change, id: &str) -> String {
    let html = drawn(view, change, id);
    let text: String = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    text.replace("&lt;", "<")
}

#[test]
fn a_click_is_told_to_its_author_and_to_all() {
    let receipts = Change::Receipts("lightbulb".to_owned());
    let mine = Change::You { user: user(0x1a) };
    for (reached, expected) in [
        (&[][..], "is on its way to 5 regions."),
        (&[("yyz", 0, true)], "was seen in 1 of 5 regions, after less than 1 ms."),
        (&[("yyz", 2, true), ("iad", 14, true)], "was seen in 2 of 5 regions, the farthest after 14 ms."),
        (
            &[("yyz", 2, true), ("iad", 14, false), ("maa", 103, true)],
            "was seen in 2 of 5 regions and is in 1 more where no one looks, the farthest after 103 ms.",
        ),
    ] {
        let view = clicked(300, reached);
        assert_eq!(told(&view, &mine, "own-click"), format!("Your click {expected}"));
        assert_eq!(told(&view, &receipts, "arrivals"), format!("The newest click, from Toronto, Canada, {expected}"));
        assert_eq!(told(&view, &Change::You { user: user(9) }, "own-click"), "", "another's click");
        assert_eq!(told(&view, &mine, "own-hi"), "");
    }
}

#[test]
fn each_card_tells_when_the_newest_click_came() {
    let mut view = clicked(300, &[("yyz", 0, true), ("iad", 14, false)]);
    let receipts = Change::Receipts("lightbulb".to_owned());
    let card = |view: &RoomView, code: &str| told(view, &receipts, &format!("{code}_arrival"));
    assert_eq!(["yyz", "iad", "maa"].map(|code| card(&view, code)), ["seen after <1 ms", "there after 14 ms", ""]);
    // A later hi takes its place, and another element makes it flash again.
    let before = drawn(&view, &receipts, "yyz_arrival");
    let Entry { author, at_ms, .. } = entry(&[], 2, "iad", 100);
    let regions = [(code("yyz"), Receipt { after_ms: 15, seen: true })].into();
    view.receipts.insert("hi".to_owned(), WriteReceipts { author, at_ms, regions });
    assert_eq!(["yyz", "iad"].map(|code| card(&view, code)), ["seen after 15 ms", ""]);
    let id = |html: &str| html.split("id=\"").nth(2).expect("an inner element").split('"').next().map(str::to_owned);
    assert_ne!(id(&before), id(&drawn(&view, &receipts, "yyz_arrival")));
}

#[test]
fn light_takes_half_a_round_trip_from_here_and_as_long_as_it_took_from_elsewhere() {
    let lengths = |view: &RoomView| -> Vec<String> {
        let light = drawn(view, &Change::Set("lightbulb".to_owned()), "rays");
        light
            .match_indices("pathLength=\"")
            .map(|(at, found)| light[at + found.len()..].split('"').next().expect("a value ends").to_owned())
            .collect()
    };
    assert_eq!(lengths(&clicked(0, &[])), ["12", "46", "100", "65"]);
    let mut view = clicked(300, &[("yyz", 2, true), ("iad", 14, true), ("ams", 47, true)]);
    view.here = code("ams");
    assert_eq!(lengths(&view), ["14", "47"], "what is not known yet has no light");
    assert!(lengths(&clicked(3_000, &[])).is_empty(), "a page that is drawn later shows no old light");
}

#[test]
fn a_page_that_is_loaded_later_shows_nothing_of_an_old_click() {
    let visit = |now_ms| presence_core::Visit { now_ms, ..common::visit() };
    let view = clicked(300, &[("yyz", 2, true), ("iad", 14, true)]);
    assert!(Demo::default().page(&view, &visit(NOW_MS)).contains("seen after 14 ms"));
    assert!(!Demo::default().page(&view, &visit(NOW_MS + 9_700)).contains("seen after 14 ms"));
}
