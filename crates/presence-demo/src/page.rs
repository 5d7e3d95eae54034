//! The whole page around the features, right before any script runs, and how many people are here.

use askama::Template;
use presence_core::{Change, Fragment, RoomView, Visit};

use crate::feature::{Feature, fragment, html};
use crate::{FEATURES, assets, feature, hello, hi, lightbulb, map, palette, places, regions, speed, tabs};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { render, ..Feature::NONE };

/// Where the source is; empty where the build was not told.
const SOURCE: &str = env!("CARGO_PKG_REPOSITORY");

/// More or fewer people than before.
fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
    match change {
        // Who is sent this is in the room: one user is the reader.
        Change::Counts | Change::Everything => vec![fragment("headcount", &HeadcountHtml::of(view, true))],
        _ => Vec::new(),
    }
}

/// The page for this visit.
pub(crate) fn page(view: &RoomView, visit: &Visit<'_>) -> String {
    html(&PageHtml {
        script: visit.script,
        style: &assets::STYLE.path,
        icon: &assets::ICON.path,
        licences: presence_server::LICENCES,
        source: SOURCE,
        version: env!("CARGO_PKG_VERSION"),
        room_stream: visit.room_stream,
        user_stream: visit.user_stream,
        colour: palette::pick(visit.chance),
        edge: visit.edge.map(places::words),
        land: map::LAND.trim_end(),
        parts: &visit.once(|| Parts::of(view)),
        headcount: html(&HeadcountHtml::of(view, visit.tabs > 0)),
        ripples: map::ripples(view, visit.now_ms).then(|| html(&map::DotsHtml::of(view, visit.now_ms))),
        you: html(&hello::YouHtml::of("you", visit.user)),
        you_to_others: html(&hello::YouHtml::of("you-to-others", visit.user)),
        tabcount: html(&tabs::TabCountHtml { tabs: visit.tabs }),
        sections: feature::sections(FEATURES, view, visit),
    })
}

/// What is the same on every visitor's page.
struct Parts {
    here: String,
    lightbulb: String,
    label: String,
    serving: String,
    regions: String,
    dots: String,
    wall: String,
    round_trip: String,
    distances: String,
}

impl Parts {
    fn of(view: &RoomView) -> Self {
        Self {
            here: regions::words(view, &view.here),
            lightbulb: html(&lightbulb::LightbulbHtml::of(view)),
            label: html(&lightbulb::LabelHtml::of(view)),
            serving: html(&regions::ServingHtml::of(view)),
            regions: html(&regions::RegionsHtml::of(view)),
            dots: html(&map::DotsHtml::of(view, u64::MAX)),
            wall: html(&hi::WallHtml::of(view)),
            round_trip: html(&speed::RoundTripHtml { ms: None }),
            distances: html(&speed::DistancesHtml::of(view)),
        }
    }
}

/// Up to how many people every coming and going is read out to those who listen to the page.
const READ_OUT_MAX: u32 = 9;

/// How many people are here.
#[derive(Template)]
#[template(path = "headcount.html")]
struct HeadcountHtml {
    users: u32,
    unsure: u32,
    places: usize,
    /// Whether the reader is one of them: a page that is just being served is not in the room yet.
    counted: bool,
    read_out: bool,
}

impl HeadcountHtml {
    fn of(view: &RoomView, counted: bool) -> Self {
        Self {
            users: view.users,
            unsure: view.unsure,
            places: view.regions.iter().filter(|region| region.users > 0).count(),
            counted,
            read_out: view.users <= READ_OUT_MAX,
        }
    }
}

/// The page. What is text here is an element that a fragment redraws.
#[derive(Template)]
#[template(path = "page.html")]
struct PageHtml<'a> {
    script: &'a str,
    style: &'static str,
    icon: &'static str,
    licences: &'static str,
    source: &'static str,
    version: &'static str,
    room_stream: &'a str,
    user_stream: &'a str,
    colour: &'static str,
    edge: Option<String>,
    land: &'static str,
    parts: &'a Parts,
    headcount: String,
    /// The dots, where one ripples right now.
    ripples: Option<String>,
    you: String,
    you_to_others: String,
    tabcount: String,
    /// Of features that have no place of their own.
    sections: String,
}
