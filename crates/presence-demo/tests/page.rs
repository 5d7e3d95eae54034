//! The page as it is served, before any script runs.

mod common;
#[path = "common/sheet.rs"]
mod sheet;

use std::collections::BTreeSet;

use common::{NOW_MS, announced, entry, region, user, visit, world};
use presence_core::{App, Change, PageCache, RegionState, RoomView, Visit};
use presence_demo::{Demo, PageOptions};
use sheet::draw_all;

/// All values of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let opening = format!(" {attribute}=\"");
    page.match_indices(&opening)
        .map(|(at, found)| page[at + found.len()..].split('"').next().expect("a value ends"))
        .collect()
}

/// Between tags, with single spaces.
fn words(html: &str) -> String {
    let text: String = html.split('<').map(|part| part.split_once('>').map_or(part, |(_, text)| text)).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn numbers_are_in_the_served_page() {
    let mut view = world(vec![region("yyz", 3, None), region("ams", 12, Some(92)), region("maa", 0, Some(231))]);
    view.regions[2].state = RegionState::Silent;
    (view.regions[2].unsure, view.unsure) = (4, 4);
    let page = words(&Demo::default().page(&view, &Visit { tabs: 2, ..visit() }));
    for expected in [
        "(15) Global Presence",
        "15 people are here right now, in 2 regions of the world. 4 more may be here; their region has gone quiet.",
        "This page runs in 3 regions at once, and Toronto, Canada serves you. One of them has gone quiet.",
        "Round trip from Toronto",
        "Toronto Canada3 here now liveyours",
        "Amsterdam Netherlands12 here now live92 ms away",
        "Chennai India0 here now and 4 unsuresilent since 08:04:09 UTC Hello",
        "2 of your tabs show this page",
        "User #1A1A1A1AAnonymous User",
    ] {
        assert!(page.contains(expected), "{expected:?} is not in {page}");
    }
}

#[test]
fn a_single_visitor_is_told_to_ping_a_friend() {
    let alone = world(vec![region("yyz", 1, None)]);
    let said = |view: &RoomView, tabs| words(&Demo::default().page(view, &Visit { tabs, ..visit() }));
    assert!(said(&alone, 1).contains("You are the only one: ping a friend!"));
    assert!(!said(&alone, 0).contains("ping a friend"), "the one visitor in the room is somebody else");
    assert!(said(&world(vec![region("yyz", 0, None)]), 0).contains("ping a friend"));
    assert!(!said(&world(vec![region("yyz", 2, None)]), 1).contains("ping a friend"));
}

#[test]
fn the_edge_is_named_in_words() {
    let view = world(vec![region("yyz", 1, None)]);
    let said = |edge| words(&Demo::default().page(&view, &Visit { edge, ..visit() }));
    assert!(said(Some("iad")).contains("through the edge at Ashburn, Virginia (US)."));
    assert!(said(Some("qqq")).contains("through the edge at qqq."));
    assert!(!said(None).contains("edge"), "what is not known needs no words");
}

#[test]
fn hostile_text_is_escaped() {
    let hostile = "<script>alert(1)</script>\"' onload=x";
    let mut view = world(vec![region("yyz", 1, None), region("ams", 1, None)]);
    for known in &mut view.regions {
        known.place = announced(hostile);
    }
    view.regions[1].place.location = Some((f64::NAN, 1e300));
    view.registers.insert("lightbulb".to_owned(), entry(hostile.as_bytes(), 1, "ams", 0));
    view.logs.insert("hi".to_owned(), vec![entry(hostile.as_bytes(), 1, "ams", 0)]);
    let visit = Visit { edge: Some(hostile), room_stream: "\"><b>", user_stream: "'><b>", ..visit() };
    let page = Demo::default().page(&view, &visit);
    assert!(!page.contains("<script>") && !page.contains("<b>") && !page.contains("\"' onload"), "{page}");
}

#[test]
fn nothing_on_the_page_needs_an_exception_from_the_policy() {
    let page = Demo::default().page(&world(vec![region("yyz", 1, None), region("ams", 1, None)]), &visit());
    assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains("javascript:"));
    assert_eq!(page.matches("<script").count(), 1);
    let inline = page.match_indices(" on").filter(|(at, _)| {
        let name: String = page[at + 3..].chars().take_while(char::is_ascii_alphabetic).collect();
        page[at + 3 + name.len()..].starts_with('=')
    });
    assert_eq!(inline.count(), 0);
}

#[test]
fn every_reference_of_the_page_exists() {
    let page = Demo::default().page(&world(vec![region("yyz", 1, None), region("ams", 1, Some(3))]), &visit());
    let ids = values(&page, "id");
    assert_eq!(ids.len(), ids.iter().collect::<BTreeSet<_>>().len(), "an id stands twice: {ids:?}");
    assert!(values(&page, "aria-labelledby").iter().all(|id| ids.contains(id)));
    assert!(values(&page, "href").iter().filter_map(|to| to.strip_prefix('#')).all(|id| ids.contains(&id)));
    let site = presence_demo::site();
    let own = site.assets.iter().map(|asset| asset.path.as_ref());
    let files: BTreeSet<&str> = own.chain([presence_server::SCRIPT, presence_server::LICENCES]).collect();
    let links: Vec<&str> = values(&page, "href").into_iter().chain(values(&page, "src")).collect();
    let used: BTreeSet<&str> = links.into_iter().filter(|to| to.starts_with("/assets/")).collect();
    assert_eq!(used, files);
}

#[test]
fn every_asset_is_smaller_compressed() {
    for asset in presence_demo::site().assets {
        assert!(asset.gzip.is_some_and(|bytes| bytes.len() < asset.body.len()), "{}", asset.path);
    }
}

#[test]
fn the_colour_changes_with_each_load() {
    let view = world(vec![region("yyz", 1, None)]);
    let colour = |chance| values(&Demo::default().page(&view, &Visit { chance, ..visit() }), "data-colour").concat();
    let seen: BTreeSet<String> = (0..50).map(colour).collect();
    assert_eq!(seen.len(), 10, "{seen:?}");
}

#[test]
fn common_parts_are_drawn_once_and_ripples_each_time() {
    let mut view = world(vec![region("yyz", 1, None), region("ams", 1, Some(3))]);
    view.logs.insert("hi".to_owned(), vec![entry(&[], 1, "ams", 4_000)]);
    let cache = PageCache::default();
    let visit = Visit { cache: Some(&cache), ..visit() };
    let page = |ms_later| Demo::default().page(&view, &Visit { now_ms: NOW_MS + ms_later, ..visit.clone() });
    assert_eq!([0, 999, 1_000, 0].map(|ms_later| page(ms_later).contains("ripple-ams")), [true, true, false, true]);

    // The server decides which cache belongs to which view; with the cache of another view the page shows that view.
    let empty = world(vec![region("yyz", 0, None)]);
    assert!(Demo::default().page(&empty, &visit).contains("ams_usercount"));
    assert!(!Demo::default().page(&empty, &Visit { cache: None, ..visit }).contains("ams_usercount"));
}

#[test]
fn a_link_to_the_page_comes_with_a_picture() {
    let view = world(vec![region("yyz", 3, None), region("ams", 12, Some(92))]);
    let page = Demo::default().page(&view, &Visit { origin: "https://example.org", ..visit() });
    for expected in [
        "<meta property=\"og:url\" content=\"https://example.org/\">",
        "<meta property=\"og:image\" content=\"https://example.org/og.png\">",
        "<a class=\"address\" href=\"https://example.org/\">https://example.org/</a>",
        "body=I%20am%20here%20right%20now%3A%20https%3A%2F%2Fexample.org%2F\"",
    ] {
        assert!(page.contains(expected), "{expected} is not in {page}");
    }
}

#[test]
fn the_source_is_linked_where_the_operator_says_where_it_is() {
    let view = world(vec![region("yyz", 1, None)]);
    let source = "https://git.example/presence".to_owned();
    let demo = Demo { options: PageOptions { source_url: Some(source), ..PageOptions::default() } };
    assert!(demo.page(&view, &visit()).contains("<a href=\"https://git.example/presence\">Source code</a>"));
    assert!(!Demo::default().page(&view, &visit()).contains("Source code"));
}

#[test]
fn a_pretended_edge_is_shown_where_no_real_one_is_known() {
    let view = world(vec![region("ams", 1, None)]);
    let demo = Demo { options: PageOptions { pretend_edge: vec!["fra".to_owned()], ..PageOptions::default() } };
    let said = |edge| words(&demo.page(&view, &Visit { edge, ..visit() }));
    assert!(said(None).contains("through the edge at Frankfurt"));
    assert!(said(Some("iad")).contains("through the edge at Ashburn"));
}

#[test]
fn the_style_knows_a_visitors_own_messages_by_the_digits_of_their_number() {
    let own =
        |page: &str| values(page, "class").into_iter().find_map(|class| class.strip_prefix("self ").map(str::to_owned));
    let mut view = world(vec![region("yyz", 1, None)]);
    view.logs.insert("hi".to_owned(), vec![entry(&[], 0x2b, "yyz", 1_000), entry(&[], 0x1a, "yyz", 2_000)]);
    let page = Demo::default().page(&view, &visit());
    assert_eq!(own(&page).as_deref(), Some("a1 ba c1 da e1 fa g1 ha"));
    let drawn = draw_all(&page, &Demo::default().render(&Change::You { user: user(0x2b) }, &view));
    assert_eq!(own(&drawn).as_deref(), Some("a2 bb c2 db e2 fb g2 hb"), "another cookie than the page was made for");
    for digits in ["a1 ba c1 da e1 fa g1 ha", "a2 bb c2 db e2 fb g2 hb"] {
        assert_eq!(page.matches(&format!("<li class=\"message {digits}\">")).count(), 1, "{page}");
    }
}
