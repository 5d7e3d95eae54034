//! The whole page around the features, as it is before any script runs, and the number of people.

use askama::Template;
use presence_core::{Change, Fragment, RoomView, Visit};

use crate::feature::{Feature, fragment, html};
use crate::{
    FEATURES, arrivals, assets, feature, hello, hi, lightbulb, map, palette, picture, places, regions, share, speed,
    tabs,
};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { render, ..Feature::NONE };

fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
    match change {
        // Receivers of this are in the room, so one of the users is the reader.
        Change::Counts | Change::Everything => {
            vec![
                fragment("headcount", &HeadcountHtml::of(view, true)),
                fragment("title", &TitleHtml { users: view.users }),
            ]
        }
        _ => Vec::new(),
    }
}

/// Renders the page for this visit, with a link to the source code if there is one.
pub(crate) fn page(view: &RoomView, visit: &Visit<'_>, source: Option<&str>) -> String {
    let parts = visit.once(|| CommonParts::of(view));
    let moving = map::ripples(view, visit.now_ms) || arrivals::is_shown(view, visit.now_ms);
    // Views are renewed each minute for as long as somebody is here.
    let dated = visit.now_ms / 60_000 != view.as_of_ms / 60_000;
    let dated = dated.then(|| DatedParts::of(view, visit.now_ms));
    let timed = moving.then(|| TimedParts::of(view, visit.now_ms));
    html(&PageHtml {
        script: visit.script,
        style: &assets::STYLE.path,
        icon: &assets::ICON.path,
        licences: presence_server::LICENCES,
        source,
        address: share::address(visit),
        picture: format!("{}{}", visit.origin, picture::PATH),
        version: env!("CARGO_PKG_VERSION"),
        room_stream: visit.room_stream,
        user_stream: visit.user_stream,
        colour: palette::pick(visit.chance),
        edge: visit.edge.map(places::words),
        land: map::LAND.trim_end(),
        parts: &parts,
        title: html(&TitleHtml { users: view.users }),
        headcount: html(&HeadcountHtml::of(view, visit.tabs > 0)),
        dated: dated.as_ref().unwrap_or(&parts.dated),
        timed: timed.as_ref().unwrap_or(&parts.timed),
        own_arrivals: arrivals::OwnHtml::empty().map(|own| html(&own)),
        you: html(&hello::YouHtml::of("you", visit.user)),
        you_to_others: html(&hello::YouHtml::of("you-to-others", visit.user)),
        own_hellos: html(&hi::OwnHellosHtml::of(visit.user)),
        tabcount: html(&tabs::TabCountHtml { tabs: visit.tabs }),
        sections: feature::sections(FEATURES, view, visit),
    })
}

/// The parts that are the same on the page of every visitor.
struct CommonParts {
    here: String,
    lightbulb: String,
    dated: DatedParts,
    serving: String,
    timed: TimedParts,
    round_trip: String,
    distances: String,
}

impl CommonParts {
    fn of(view: &RoomView) -> Self {
        Self {
            here: regions::words(view, &view.here),
            lightbulb: html(&lightbulb::LightbulbHtml::of(view)),
            dated: DatedParts::of(view, view.as_of_ms),
            serving: html(&regions::ServingHtml::of(view)),
            timed: TimedParts::of(view, u64::MAX),
            round_trip: html(&speed::RoundTripHtml { ms: None }),
            distances: html(&speed::DistancesHtml::of(view)),
        }
    }
}

/// The title, with the number of people: it can be read while another tab is in front.
#[derive(Template)]
#[template(path = "title.html")]
struct TitleHtml {
    users: u32,
}

/// The parts that also show what happened in the last seconds.
struct TimedParts {
    regions: String,
    dots: String,
    light: String,
    arrivals: String,
}

impl TimedParts {
    fn of(view: &RoomView, now_ms: u64) -> Self {
        Self {
            regions: html(&regions::RegionsHtml::of(view, now_ms)),
            dots: html(&map::DotsHtml::of(view, now_ms)),
            light: html(&arrivals::LightHtml::of(view, now_ms)),
            arrivals: html(&arrivals::SentenceHtml::of(view, now_ms)),
        }
    }
}

/// The parts that say how long ago something was.
struct DatedParts {
    label: String,
    wall: String,
}

impl DatedParts {
    fn of(view: &RoomView, now_ms: u64) -> Self {
        Self { label: html(&lightbulb::LabelHtml::of(view, now_ms)), wall: html(&hi::WallHtml::of(view, now_ms)) }
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
    source: Option<&'a str>,
    address: String,
    /// The address of the picture that a link to the page is shown with.
    picture: String,
    version: &'static str,
    room_stream: &'a str,
    user_stream: &'a str,
    colour: &'static str,
    edge: Option<String>,
    land: &'static str,
    parts: &'a CommonParts,
    title: String,
    headcount: String,
    timed: &'a TimedParts,
    dated: &'a DatedParts,
    /// Of the bulb, and of the wall.
    own_arrivals: [String; 2],
    you: String,
    you_to_others: String,
    own_hellos: String,
    tabcount: String,
    /// Sections of features without a place of their own.
    sections: String,
}
