//! A page that fragments have changed equals the page that would be served now.

#[expect(dead_code, reason = "each test file uses a part of it")]
mod common;
#[path = "common/sheet.rs"]
mod sheet;

use common::{entry, region, user, visit, world};
use presence_core::{App, Change, Entry, Fragment, Receipt, Region, RegionState, RoomView, Visit, WriteReceipts};
use presence_demo::Demo;
use proptest::prelude::*;
use sheet::{draw, draw_all, element};

const CODES: [&str; 6] = ["yyz", "ams", "iad", "lhr", "maa", "somewhere"];

/// A visitor in the room.
fn present() -> Visit<'static> {
    Visit { tabs: 1, ..visit() }
}

prop_compose! {
    /// Any room, including values that no build writes.
    fn any_world()(
        regions in 1..CODES.len(),
        users in prop::collection::vec((0..200_u32, 0..3_u32, 0..4_usize, prop::option::of(0..900_u32)), CODES.len()),
        bulb in prop::option::of(prop::collection::vec(any::<u8>(), 0..6)),
        pressed in any::<bool>(),
        hellos in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..8), 0..CODES.len(), 0..9_000_u64), 0..12),
        receipts in prop::collection::vec(
            (any::<bool>(), 0..12_000_u64, prop::collection::vec((0..CODES.len(), 0..500_u32, any::<bool>()), 0..6)), 0..3),
    ) -> RoomView {
        let states = [RegionState::Live, RegionState::Draining, RegionState::Silent, RegionState::Gone];
        let mut view = world(CODES.iter().zip(&users).take(regions).map(|(code, (users, unsure, state, ms))| {
            let mut region = region(code, *users, *ms);
            (region.unsure, region.state, region.whole) = (*unsure, states[*state], *state == 0);
            region
        }).collect());
        if let Some(garbage) = bulb {
            let value = if garbage.is_empty() { vec![0xa1, 0x00, if pressed { 0xf5 } else { 0xf4 }] } else { garbage };
            view.registers.insert("lightbulb".to_owned(), entry(&value, 7, "ams", 4));
        }
        let hellos: Vec<_> = hellos.iter().map(|(value, at, ago)| entry(value, 9, CODES[*at], *ago)).collect();
        view.logs.insert("hi".to_owned(), hellos);
        let followed = receipts.into_iter().map(|(bulb, ago, reached)| {
            let reached = reached.into_iter().map(|(at, after_ms, seen)| {
                (Region::new(CODES[at]).expect("a code of the tests"), Receipt { after_ms, seen })
            });
            let Entry { author, at_ms, .. } = entry(&[], 3, "yyz", ago);
            let key = if bulb { "lightbulb" } else { "hi" };
            (key.to_owned(), WriteReceipts { author, at_ms, regions: reached.collect() })
        });
        view.receipts = followed.collect();
        view
    }
}

/// All changes that can be between two worlds of the same regions.
fn every_change(view: &RoomView) -> Vec<Change> {
    let regions = view.regions.iter().map(|region| Change::RegionCounts(region.region.clone()));
    let facts = [Change::Set("lightbulb".to_owned()), Change::Logged("hi".to_owned())];
    [Change::Regions, Change::Counts].into_iter().chain(regions).chain(facts).collect()
}

fn all_fragments(view: &RoomView) -> Vec<Fragment> {
    let yours = [
        Change::You { user: user(3) },
        Change::Tabs { user: user(3), tabs: 2 },
        Change::RoundTrip { ms: 12 },
        Change::Everything,
    ];
    every_change(view).iter().chain(&yours).flat_map(|change| Demo::default().render(change, view)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn everything_turns_any_page_into_the_current_one(before in any_world(), now in any_world()) {
        let page = Demo::default().page(&before, &present());
        let drawn = draw_all(&page, &Demo::default().render(&Change::Everything, &now));
        let served = Demo::default().page(&RoomView { here: now.here.clone(), ..now.clone() }, &present());
        prop_assert_eq!(drawn, served);
    }

    #[test]
    fn all_changes_together_are_everything(before in any_world(), now in any_world()) {
        let page = Demo::default().page(&before, &present());
        let changes: Vec<Fragment> = every_change(&now).iter().flat_map(|change| Demo::default().render(change, &now)).collect();
        prop_assert_eq!(draw_all(&page, &changes), draw_all(&page, &Demo::default().render(&Change::Everything, &now)));
    }

    #[test]
    fn a_fragment_may_be_drawn_twice_and_has_one_root_with_its_id(view in any_world()) {
        let page = Demo::default().page(&view, &present());
        for fragment in all_fragments(&view) {
            prop_assert_eq!(element(&fragment.html), fragment.html.len(), "{} has more than one root", &fragment.html);
            let tag = &fragment.html[..fragment.html.find('>').expect("a tag ends")];
            let id = format!(" id=\"{}\"", fragment.id);
            prop_assert!(tag.contains(&id), "{} has another id", tag);
            prop_assert_eq!(page.matches(&id).count(), 1, "{} stands once in the page", &fragment.id);
            let once = draw(&page, &fragment);
            prop_assert_eq!(&draw(&once, &fragment), &once);
        }
    }

    #[test]
    fn a_fragment_inside_another_is_also_drawn_by_that(view in any_world()) {
        let fragments = all_fragments(&view);
        for inner in fragments.iter().filter(|fragment| fragment.within.is_some()) {
            let outer = fragments.iter().find(|outer| Some(outer.id.as_str()) == inner.within);
            prop_assert!(outer.is_some_and(|outer| outer.html.contains(&inner.html) && outer.within.is_none()));
        }
    }
}

#[test]
fn ids_that_other_code_uses_exist() {
    let view = world(vec![region("yyz", 1, None), region("ams", 2, Some(90))]);
    let page = Demo::default().page(&view, &visit());
    for id in ["lightbulb", "lightswitch-label", "yyz_usercount", "ams_usercount", "messages-body", "tabcount"] {
        assert!(page.contains(&format!(" id=\"{id}\"")), "#{id} is missing");
    }
    let count = Demo::default().render(&Change::RegionCounts(Region::new("ams").unwrap()), &view);
    assert!(count.iter().any(|f| f.id == "ams_usercount" && f.html.contains(">2<") && f.within == Some("regions")));
}
