//! The auction in two regions, in memory.

use std::time::Duration;

use presence_server::testing::TestWorld;
use presence_server::{Click, Report, Route, SignedUser};

use super::Auction;

fn bid(name: &str, euros: &str) -> Click {
    Click::on("Bid#place").field("name", name).field("euros", euros)
}

#[test]
fn the_highest_bid_is_seen_in_both_regions_and_a_lower_one_is_refused() {
    let mut world = TestWorld::new(Auction, &["ams", "iad"]);
    let (ann, bob) = (world.visitor(), world.visitor());
    let here = world.open(&ann, "ams", "/teapot");
    let there = world.open(&bob, "iad", "/teapot");
    assert!(world.first_bytes(there).contains("Bids from € 10"));
    world.click(here, bid("Ann", "12")).expect("it is the first");
    assert!(world.text(there, "live").contains("€ 12 by Ann"));
    for (name, euros) in [("Bob", "12"), ("Bob", "a lot"), ("Bob", ""), ("", "13"), ("Bob", "4000000000")] {
        world.click(there, bid(name, euros)).expect_err("it is too low, too high or by no one");
    }
    let refused = world.click(there, bid("Bob", "11")).expect_err("it is too low");
    assert_eq!(refused.to_string(), "The next bid is a whole number of euros, at least 13.");
    world.click(there, bid("Bob", "13")).expect("it is higher");
    assert!(world.text(here, "live").starts_with("€ 13 by Bob"));
}

#[test]
fn a_bid_in_another_region_changes_what_each_bidder_sees_of_their_own() {
    let mut world = TestWorld::new(Auction, &["ams", "iad"]);
    let (ann, bob) = (world.visitor(), world.visitor());
    let pages = [(&ann, "ams"), (&ann, "iad"), (&bob, "iad")].map(|(who, region)| world.open(who, region, "/teapot"));
    let standing = |world: &TestWorld| pages.map(|page| world.text(page, "standing"));
    assert_eq!(standing(&world), ["", "", ""]);
    world.click(pages[0], bid("Ann", "12")).expect("it is the first");
    assert_eq!(standing(&world), ["You are winning.", "You are winning.", ""]);
    world.click(pages[2], bid("Bob", "13")).expect("it is higher");
    assert_eq!(standing(&world), ["You are outbid.", "You are outbid.", "You are winning."]);
}

#[test]
fn a_lot_is_sold_in_all_regions_when_no_one_has_bid_for_a_minute() {
    let mut world = TestWorld::new(Auction, &["ams", "iad"]);
    let (ann, bob) = (world.visitor(), world.visitor());
    let pages = [(&ann, "ams"), (&bob, "iad")].map(|(who, region)| world.open(who, region, "/teapot"));
    world.click(pages[0], bid("Ann", "12")).expect("it is the first");
    world.pass(Duration::from_secs(40));
    world.click(pages[1], bid("Bob", "13")).expect("it is higher");
    assert!(world.text(pages[0], "live").contains("Sold in s"), "{}", world.text(pages[0], "live"));
    // A click takes a second of the world's time.
    world.pass(Duration::from_millis(58_900));
    assert!(pages.iter().all(|page| !world.text(*page, "live").contains("Sold for")));
    assert_eq!(world.reports(pages[0]), []);
    world.pass(Duration::from_millis(200));
    for (page, own) in pages.into_iter().zip(["", "It is yours."]) {
        assert!(world.text(page, "live").starts_with("Sold for € 13 by Bob"), "{}", world.text(page, "live"));
        assert_eq!(world.text(page, "standing"), own);
        let refused = world.click(page, bid("Ann", "20")).expect_err("it is sold");
        assert_eq!(refused.to_string(), "This lot is sold.");
        assert_eq!(world.reports(page), [Report::new("sold", &(13, "Bob"))]);
    }
}

#[test]
fn the_list_shows_visitors_and_bids_of_all_lots_but_of_the_private_one() {
    let mut world = TestWorld::new(Auction, &["ams", "iad"]);
    let (ann, bob) = (world.signed_in(SignedUser::new("Ann")), world.visitor());
    let list = world.open(&bob, "iad", "/");
    assert!(world.first_bytes(list).contains("from € 40, 0 here"));
    let teapot = world.open(&ann, "ams", "/teapot");
    world.click(teapot, bid("Ann", "12")).expect("it is the first");
    let clock = world.open(&ann, "ams", "/private/clock");
    world.click(clock, bid("Ann", "700")).expect("it is the first");
    let (teapot, others) = ("Teapot, now € 12, 1 here", "Desk lamp, from € 40, 0 here Clock, from € 500, for those");
    assert!(world.text(list, "live").starts_with(&format!("{teapot} {others}")), "{}", world.text(list, "live"));
}

#[test]
fn of_two_equal_bids_in_two_regions_the_earlier_counts_in_both() {
    let mut world = TestWorld::new(Auction, &["ams", "iad"]);
    let visitor = world.visitor();
    let pages = ["ams", "iad"].map(|region| world.open(&visitor, region, "/lamp"));
    world.cut("ams", "iad");
    world.click(pages[0], bid("Ann", "50")).expect("it is the first here");
    world.click(pages[1], bid("Bob", "50")).expect("it is the first there");
    world.join("ams", "iad");
    world.pass(Duration::from_secs(20));
    for page in pages {
        assert!(world.text(page, "live").starts_with("€ 50 by Ann"), "{}", world.text(page, "live"));
    }
}

#[test]
fn the_private_lot_asks_for_a_login() {
    let mut world = TestWorld::new(Auction, &["ams"]);
    let (ann, guest) = (world.signed_in(SignedUser::new("Ann")), world.visitor());
    assert_eq!(world.route(&guest, "/private/clock"), Route::Redirect("/login".to_owned()));
    let page = world.open(&ann, "ams", "/private/clock");
    assert!(world.first_bytes(page).contains(r#"value="Ann""#));
    assert_eq!(world.route(&ann, "/sofa"), Route::NotFound);
}
