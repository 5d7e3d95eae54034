//! One card for each region: its number of people, its round trip, and its state.

use askama::Template;
use presence_core::{Change, Fragment, Region, RegionState, RegionView, RoomView};

use crate::arrivals::ArrivalHtml;
use crate::feature::{Feature, fragment, inner};
use crate::places;
use crate::utc::Utc;

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { render, ..Feature::NONE };

/// The fragment that holds the cards.
pub(crate) const CARDS: &str = "regions";

/// Returns the name of a region: as its nodes announce it, else from the table, else its code.
pub(crate) fn words(view: &RoomView, region: &Region) -> String {
    let known = view.regions.iter().find(|known| known.region == *region).map(|known| known.place.name.as_str());
    match known {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => places::words(region.as_str()),
    }
}

/// Returns whether what is known of a region is current.
pub(crate) fn is_current(region: &RegionView) -> bool {
    matches!(region.state, RegionState::Live | RegionState::Draining)
}

/// A new region or a changed state redraws all cards; changed numbers redraw only the numbers.
fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
    match change {
        Change::Regions | Change::Everything => {
            vec![fragment("serving", &ServingHtml::of(view)), fragment(CARDS, &RegionsHtml::of(view, view.as_of_ms))]
        }
        Change::RegionCounts(code) => view.regions.iter().find(|r| r.region == *code).map(numbers).unwrap_or_default(),
        _ => Vec::new(),
    }
}

fn numbers(region: &RegionView) -> Vec<Fragment> {
    let card = Card::of(region, false);
    vec![
        inner(&format!("{}_usercount", region.region), CARDS, &UserCountHtml { card: &card }),
        inner(&format!("{}_unsure", region.region), CARDS, &UnsureHtml { card: &card }),
    ]
}

/// The region that serves the page, and the number of regions.
#[derive(Template)]
#[template(path = "serving.html")]
pub(crate) struct ServingHtml {
    here: String,
    known: usize,
    heard: usize,
}

impl ServingHtml {
    pub(crate) fn of(view: &RoomView) -> Self {
        Self { here: words(view, &view.here), known: view.regions.len(), heard: view.regions_heard() }
    }
}

/// All cards.
#[derive(Template)]
#[template(path = "regions.html")]
pub(crate) struct RegionsHtml {
    cards: Vec<(Card, ArrivalHtml)>,
}

impl RegionsHtml {
    pub(crate) fn of(view: &RoomView, now_ms: u64) -> Self {
        let card = |region: &RegionView| Card::of(region, region.region == view.here);
        let cards = view.regions.iter().map(|region| (card(region), ArrivalHtml::of(region, view, now_ms)));
        Self { cards: cards.collect() }
    }
}

/// The number of people in a region.
#[derive(Template)]
#[template(path = "region_usercount.html")]
struct UserCountHtml<'a> {
    card: &'a Card,
}

/// The number of people in a region whose presence is unsure.
#[derive(Template)]
#[template(path = "region_unsure.html")]
struct UnsureHtml<'a> {
    card: &'a Card,
}

struct Card {
    code: String,
    city: String,
    country: String,
    mine: bool,
    state: RegionState,
    since: Utc,
    round_trip_ms: Option<u32>,
    users: u32,
    unsure: u32,
}

impl Card {
    fn of(view: &RegionView, mine: bool) -> Self {
        let code = view.region.as_str().to_owned();
        let name = if view.place.name.is_empty() { places::words(&code) } else { view.place.name.clone() };
        let (city, country) = name.split_once(", ").unwrap_or((&name, ""));
        Self {
            city: city.to_owned(),
            country: country.to_owned(),
            code,
            mine,
            state: view.state,
            since: Utc::of(view.since_ms),
            // The last round trip of a region that is not heard is out of date.
            round_trip_ms: view.round_trip_ms.filter(|_| is_current(view)),
            users: view.users,
            unsure: view.unsure,
        }
    }

    fn state_in_words(&self) -> String {
        match self.state {
            RegionState::Live => "live".to_owned(),
            RegionState::Draining => "restarting, its visitors are kept".to_owned(),
            RegionState::Silent => format!("silent since {} UTC", self.since.clock()),
            RegionState::Gone => format!("gone since {} UTC", self.since.clock()),
        }
    }
}
