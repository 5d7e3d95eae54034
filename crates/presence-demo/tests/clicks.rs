//! What clicks mean, including those that the page does not send.

#[path = "worked/applause.rs"]
mod applause;
#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;
#[path = "common/sheet.rs"]
mod sheet;

use common::{entry, region, visit, world};
use presence_core::{App, Change, Click, Entry, Lifetime, Refusal, RoomView, Write};
use presence_demo::{Demo, feature};

const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1_000;

fn click(target: &str, attrs: &[(&str, &str)]) -> Click {
    attrs.iter().fold(Click::on(target), |click, (name, value)| click.attribute(*name, *value))
}

/// The room after the click, in any region.
fn after(view: &RoomView, click: &Click) -> RoomView {
    let mut view = view.clone();
    for write in Demo::default().reflex(click, &view).expect("a click of the page") {
        match write {
            Write::Set { key, value, lasts } => {
                assert_eq!(lasts, Lifetime::For(YEAR_MS));
                view.registers.insert(key.into_owned(), entry(&value, 0x1a, "yyz", 0));
            }
            Write::Append { log, value, cap, lasts } => {
                assert_eq!((cap, lasts), (45, Lifetime::For(YEAR_MS)));
                let log: &mut Vec<Entry> = view.logs.entry(log.into_owned()).or_default();
                log.insert(0, entry(&value, 0x1a, "yyz", 0));
            }
            Write::Receipts => {}
            other => panic!("no click of this page writes {other:?}"),
        }
    }
    view
}

fn drawn(view: &RoomView, id: &str) -> String {
    let fragments = Demo::default().render(&Change::Everything, view);
    fragments.into_iter().find(|fragment| fragment.id == id).expect("everything is drawn").html
}

fn is_lit(view: &RoomView) -> bool {
    let bulb = drawn(view, "lightbulb");
    let lit = bulb.contains("class=\"bulb on\"");
    assert!(bulb.contains(&format!("aria-pressed=\"{lit}\"")), "{bulb}");
    lit
}

#[test]
fn a_click_means_the_opposite_of_what_its_visitor_saw() {
    let dark = world(vec![region("yyz", 1, None)]);
    assert!(!is_lit(&dark));
    let lit = after(&dark, &click("Lightbulb#toggle", &[("aria-pressed", "false")]));
    assert!(is_lit(&lit));
    let both_at_once = after(&lit, &click("Lightbulb#toggle", &[("aria-pressed", "false")]));
    assert!(is_lit(&both_at_once), "two who both want light have light");
    assert!(!is_lit(&after(&lit, &click("Lightbulb#toggle", &[("aria-pressed", "true")]))));
    assert!(!is_lit(&after(&lit, &click("Lightbulb#toggle", &[]))), "absent: of the value now");
    assert!(is_lit(&after(&dark, &click("Lightbulb#toggle", &[("aria-pressed", "\"><script>")]))));
}

#[test]
fn the_label_names_the_last_visitor_and_region() {
    let dark = world(vec![region("yyz", 1, None)]);
    assert!(drawn(&dark, "lightswitch-label").contains("Nobody has clicked it yet"));
    let label = drawn(&after(&dark, &click("Lightbulb#toggle", &[])), "lightswitch-label");
    assert!(label.contains("Last clicked by: <strong>User #1A1A1A1A</strong>"), "{label}");
    assert!(label.contains("Toronto, Canada"), "{label}");
}

#[test]
fn a_hi_has_a_colour_of_the_palette_or_none() {
    let quiet = world(vec![region("yyz", 1, None)]);
    assert!(drawn(&quiet, "messages-body").contains("Nobody has said hi yet"));
    for (colour, class) in [("teal", "who teal"), ("red", "who"), ("teal\" onclick=\"", "who"), ("", "who")] {
        let wall = drawn(&after(&quiet, &click("Hi#say_hi", &[("data-colour", colour)])), "messages-body");
        assert!(wall.contains(&format!("<span class=\"{class}\">User #1A1A1A1A</span>")), "{wall}");
        assert!(wall.contains("Hi from Toronto, Canada"), "{wall}");
        assert!(wall.contains("<time datetime=\"2026-11-25T08:05:09Z\">25 Nov 2026, 08:05:09 UTC</time>"), "{wall}");
    }
}

#[test]
fn a_foreign_colour_in_a_fact_of_a_peer_is_no_class() {
    let mut view = world(vec![region("yyz", 1, None)]);
    let hostile = b"\xa1\x00\x6a\"><script>";
    view.logs.insert("hi".to_owned(), vec![entry(hostile, 1, "yyz", 0)]);
    let wall = drawn(&view, "messages-body");
    assert!(!wall.contains("<script>") && wall.contains("class=\"who\""), "{wall}");
}

#[test]
fn the_wall_keeps_nine_newest_first() {
    let mut view = world(vec![region("yyz", 1, None)]);
    let hellos = (0..12).map(|age| entry(&[0xa0], age, "yyz", u64::from(age) * 1_000)).collect();
    view.logs.insert("hi".to_owned(), hellos);
    let wall = drawn(&view, "messages-body");
    let users: Vec<&str> = wall.match_indices("User #").map(|(at, found)| &wall[at + found.len()..][..8]).collect();
    let newest: Vec<String> = (0..9).map(|age| format!("{age:02X}").repeat(4)).collect();
    assert_eq!(users, newest);
}

#[test]
fn one_person_has_three_messages_on_the_wall_at_most() {
    let mut view = world(vec![region("yyz", 1, None)]);
    let mut hellos: Vec<Entry> = (0..20).map(|age| entry(&[0xa0], 7, "yyz", age)).collect();
    hellos.extend((0..3).map(|user| entry(&[0xa0], user, "yyz", 1_000)));
    view.logs.insert("hi".to_owned(), hellos);
    let wall = drawn(&view, "messages-body");
    let of = |user: &str| wall.matches(&format!("User #{user}")).count();
    assert_eq!(["07070707", "00000000", "01010101", "02020202"].map(of), [3, 1, 1, 1]);
}

#[test]
fn a_click_asks_all_regions_when_they_have_seen_it() {
    let view = world(vec![region("yyz", 1, None)]);
    for target in ["Lightbulb#toggle", "Hi#say_hi"] {
        let writes = Demo::default().reflex(&click(target, &[]), &view).expect("a click of the page");
        assert!(writes.contains(&Write::Receipts), "{target}");
    }
}

#[test]
fn other_clicks_are_refused() {
    let view = world(vec![region("yyz", 1, None)]);
    for target in ["", "Lightbulb", "Lightbulb#on", "Hi#toggle", "Object#send", "lightbulb#toggle"] {
        assert_eq!(Demo::default().reflex(&click(target, &[]), &view), Err(Refusal::Unknown), "{target}");
    }
}

/// The list of features with CONTRIBUTING's worked example.
const FEATURES: &[feature::Feature] = &[applause::FEATURE];

/// Three claps, in two regions.
fn applauded() -> RoomView {
    let mut view = world(vec![region("yyz", 1, None), region("ams", 1, Some(92))]);
    view.counters.insert("applause".to_owned(), 3);
    view
}

#[test]
fn the_worked_example_of_contributing_brings_its_section_its_click_and_its_changes() {
    let (before, after) = (world(vec![region("yyz", 1, None)]), applauded());
    let section = feature::sections(FEATURES, &before, &visit());
    assert!(section.contains("0 times"), "{section}");
    let fragments = feature::render(FEATURES, &Change::Counted("applause".to_owned()), &after);
    let drawn = sheet::draw_all(&section, &fragments);
    assert_eq!(drawn, feature::sections(FEATURES, &after, &visit()), "drawn and served are the same");
    assert!(drawn.contains("3 times"), "{drawn}");
    assert_eq!(feature::render(FEATURES, &Change::Everything, &after), fragments);
    assert_eq!(feature::render(FEATURES, &Change::Logged("hi".to_owned()), &after), []);
    let target = drawn.split_once("click->").and_then(|(_, rest)| rest.split_once('"')).expect("a click").0;
    assert_eq!(feature::reflex(FEATURES, &click(target, &[]), &before).map(|writes| writes.len()), Ok(1));
    assert_eq!(feature::reflex(FEATURES, &click("Hi#say_hi", &[]), &before), Err(Refusal::Unknown));
}

#[test]
fn what_is_not_in_the_list_is_not_on_the_page() {
    assert_eq!(Demo::default().reflex(&click("Applause#clap", &[]), &applauded()), Err(Refusal::Unknown));
    assert!(!Demo::default().page(&applauded(), &visit()).contains("applause"));
}
