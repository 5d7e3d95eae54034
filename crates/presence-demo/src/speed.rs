//! Round trips: from the visitor to this region, and from this region to the others.

use askama::Template;
use presence_core::{Change, Fragment, RoomView};

use crate::feature::{Feature, fragment};
use crate::regions;

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { render, ..Feature::NONE };

fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
    match change {
        Change::RoundTrip { ms } => vec![fragment("round-trip", &RoundTripHtml { ms: Some(*ms) })],
        Change::Regions | Change::Everything => vec![fragment("distances", &DistancesHtml::of(view))],
        _ => Vec::new(),
    }
}

/// The round trip from the visitor to this region.
#[derive(Template)]
#[template(path = "round_trip.html")]
pub(crate) struct RoundTripHtml {
    pub(crate) ms: Option<u32>,
}

/// The round trips from this region to the others, the shortest first.
#[derive(Template)]
#[template(path = "distances.html")]
pub(crate) struct DistancesHtml {
    here: String,
    city: String,
    others: Vec<Distance>,
}

struct Distance {
    name: String,
    ms: u32,
    /// Percentage of the longest round trip: the length of the bar.
    share: u64,
}

impl DistancesHtml {
    pub(crate) fn of(view: &RoomView) -> Self {
        let mut others: Vec<_> = view
            .regions
            .iter()
            .filter(|region| region.region != view.here && regions::is_current(region))
            .filter_map(|region| region.round_trip_ms.map(|ms| (ms, regions::words(view, &region.region))))
            .collect();
        others.sort();
        let farthest = u64::from(others.last().map_or(1, |(ms, _)| *ms).max(1));
        let share = |ms: u32| (u64::from(ms) * 100 / farthest).max(1);
        let others = others.into_iter().map(|(ms, name)| Distance { name, ms, share: share(ms) }).collect();
        let here = regions::words(view, &view.here);
        let city = here.split(", ").next().unwrap_or(&here).to_owned();
        Self { here, city, others }
    }
}
