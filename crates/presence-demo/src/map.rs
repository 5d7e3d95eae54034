//! The dots on the world map: regions, their numbers of people, and messages of the last seconds.

use askama::Template;
use presence_core::{Change, Fragment, RegionView, RoomView};

use crate::feature::{Feature, fragment};
use crate::{hi, places, regions};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { render, ..Feature::NONE };

/// The land, written by `data/map.mjs` from Natural Earth.
pub(crate) const LAND: &str = include_str!("../data/land.svgpath");

/// Where the map begins on its sheet: `viewBox` in the templates.
pub(crate) const LEFT: f64 = 100.0;

/// How long a dot ripples after a message.
const RIPPLE_MS: u64 = 5_000;

/// Every change redraws all dots: a single `<circle>` could not be morphed, as it is no SVG.
fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
    match change {
        Change::Everything | Change::Regions | Change::RegionCounts(_) => {
            vec![fragment("dots", &DotsHtml::of(view, view.as_of_ms))]
        }
        Change::Logged(key) if key == hi::KEY => vec![fragment("dots", &DotsHtml::of(view, view.as_of_ms))],
        _ => Vec::new(),
    }
}

/// Returns whether a dot ripples at this moment.
pub(crate) fn ripples(view: &RoomView, now_ms: u64) -> bool {
    view.regions.iter().any(|region| hi::newest_of(view, &region.region).is_some_and(|at| ripples_at(at, now_ms)))
}

fn ripples_at(hi_ms: u64, now_ms: u64) -> bool {
    now_ms.saturating_sub(hi_ms) < RIPPLE_MS
}

/// The dots, a picture of their own on top of the land.
#[derive(Template)]
#[template(path = "dots.html")]
pub(crate) struct DotsHtml {
    dots: Vec<Dot>,
}

struct Dot {
    code: String,
    city: String,
    people: u32,
    state: &'static str,
    quiet: bool,
    mine: bool,
    x: f64,
    y: f64,
    radius: f64,
    /// The name of the city is left of the dot, as another dot is close by on the right.
    left: bool,
    /// The time of the newest message while its ripple lasts. It is part of the ripple's id, so a newer message starts a new one.
    hi_at_ms: Option<u64>,
}

impl DotsHtml {
    pub(crate) fn of(view: &RoomView, now_ms: u64) -> Self {
        let mut dots: Vec<Dot> = view.regions.iter().filter_map(|region| Dot::of(region, view, now_ms)).collect();
        for at in 0..dots.len() {
            let (x, y) = (dots[at].x, dots[at].y);
            dots[at].left = dots.iter().any(|d| (0.0..90.0).contains(&(d.x - x)) && d.x > x && (d.y - y).abs() < 26.0);
        }
        Self { dots }
    }
}

/// Returns where a region is on the map.
pub(crate) fn position(region: &RegionView) -> Option<(f64, f64)> {
    let table = || places::place(region.region.as_str()).and_then(|place| place.location);
    project(region.place.location.or_else(table)?)
}

impl Dot {
    fn of(region: &RegionView, view: &RoomView, now_ms: u64) -> Option<Self> {
        let (x, y) = position(region)?;
        let name = if region.place.name.is_empty() { region.region.as_str() } else { &region.place.name };
        let newest = hi::newest_of(view, &region.region);
        Some(Self {
            code: region.region.as_str().to_owned(),
            city: name.split(", ").next().unwrap_or(name).to_owned(),
            people: region.users,
            state: region.state.as_str(),
            quiet: !regions::is_current(region),
            mine: region.region == view.here,
            x,
            y,
            radius: if region.users == 0 { 4.0 } else { (4.5 + 2.2 * f64::from(region.users).sqrt()).min(26.0) },
            left: false,
            hi_at_ms: newest.filter(|at| ripples_at(*at, now_ms)),
        })
    }
}

/// Projects degrees onto the map of `data/map.mjs`, by the same formula (Equal Earth). Returns `None` outside the Earth.
pub(crate) fn project((latitude, longitude): (f64, f64)) -> Option<(f64, f64)> {
    if !(-90.0..=90.0).contains(&latitude) || !(-180.0..=180.0).contains(&longitude) {
        return None;
    }
    let scale = 500.0 / 2.706_629_7;
    let t = (3_f64.sqrt() / 2.0 * latitude.to_radians().sin()).asin();
    let t2 = t * t;
    let t6 = t2 * t2 * t2;
    let x = 2.0 * 3_f64.sqrt() / 3.0 * longitude.to_radians() * t.cos()
        / (1.340_264 - 3.0 * 0.081_106 * t2 + t6 * (7.0 * 0.000_893 + 9.0 * 0.003_796 * t2));
    let y = t * (1.340_264 - 0.081_106 * t2 + t6 * (0.000_893 + 0.003_796 * t2));
    Some((500.0 + scale * x, 240.0 - scale * y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_projected_onto_the_map() {
        assert_eq!(project((0.0, 0.0)), Some((500.0, 240.0)));
        let (x, _) = project((0.0, 180.0)).unwrap();
        assert!((x - 1000.0).abs() < 0.01, "{x}");
        let (toronto, chennai) = (project((43.68, -79.63)).unwrap(), project((12.99, 80.17)).unwrap());
        assert!(toronto.0 < chennai.0 && toronto.1 < chennai.1);
    }

    #[test]
    fn locations_outside_the_earth_have_no_dot() {
        for location in [(f64::NAN, 0.0), (0.0, f64::INFINITY), (91.0, 0.0), (0.0, -200.0)] {
            assert_eq!(project(location), None);
        }
    }
}
