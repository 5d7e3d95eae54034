//! The whole page around the features, as it is before any script runs, and the number of people.

use askama::Template;
use presence_core::{Change, Fragment, RoomView, Visit};

use crate::feature::{Feature, fragment, html};
use crate::{FEATURES, assets, feature, hello, hi, lightbulb, map, palette, places, regions, speed, tabs};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { render, ..Feature::NONE };

/// Address of the source; empty if the build does not know it.
const SOURCE: &str = env!("CARGO_PKG_REPOSITORY");

fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
    match change {
        // Receivers of this are in the room, so one of the users is the reader.
        Change::Counts | Change::Everything => vec![fragment("headcount", &HeadcountHtml::of(view, true))],
        _ => Vec::new(),
    }
}

/// Renders the page for this visit.
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
        parts: &visit.once(|| CommonParts::of(view)),
        headcount: html(&HeadcountHtml::of(view, visit.tabs > 0)),
        ripples: map::ripples(view, visit.now_ms).then(|| html(&map::DotsHtml::of(view, visit.now_ms))),
        you: html(&hello::YouHtml::of("you", visit.user)),
        you_to_others: html(&hello::YouHtml::of("you-to-others", visit.user)),
        tabcount: html(&tabs::TabCountHtml { tabs: visit.tabs }),
        sections: feature::sections(FEATURES, view, visit),
    })
}

/// The parts that are the same on the page of every visitor.
struct CommonParts {
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

impl CommonParts {
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

/// Up to this many people, screen readers read out each change of the number.
const READ_OUT_MAX: u32 = 9;

/// The number of people.
#[derive(Template)]
#[template(path = "headcount.html")]
struct HeadcountHtml {
    users: u32,
    unsure: u32,
    places: usize,
    /// Whether the number includes the reader: a page that is being served is not in the room yet.
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

/// The page. Each `String` is an element that a fragment redraws.
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
    parts: &'a CommonParts,
    headcount: String,
    /// The dots, if one ripples now.
    ripples: Option<String>,
    you: String,
    you_to_others: String,
    tabcount: String,
    /// Sections of features without a place of their own.
    sections: String,
}
