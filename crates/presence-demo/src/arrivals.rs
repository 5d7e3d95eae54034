//! Where the newest click has arrived: a flash on each region's card and dot, light on the map, and a sentence.

use askama::Template;
use presence_core::{Change, Fragment, PublicId, Receipt, Region, RegionView, RoomView, WriteReceipts};

use crate::feature::{Feature, fragment, inner};
use crate::{hi, lightbulb, map, regions};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { render, ..Feature::NONE };

/// How long it is shown where a click has arrived.
const SHOWN_MS: u64 = 10_000;
/// How long light crosses the map: a page that is drawn later shows no old light.
const LIGHT_MS: u64 = 2_000;

/// What visitors do, with the words for it.
const KINDS: [ClickKind; 2] = [
    ClickKind { key: lightbulb::KEY, id: "own-click", name: "click" },
    ClickKind { key: hi::KEY, id: "own-hi", name: "hi" },
];

#[derive(Clone, Copy)]
struct ClickKind {
    key: &'static str,
    /// The element that tells its author.
    id: &'static str,
    name: &'static str,
}

/// Cards are drawn by what they are in; the author is told in all their tabs.
fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
    let now_ms = view.as_of_ms;
    match change {
        Change::Everything | Change::Regions => {
            vec![sentence(view, now_ms), fragment("rays", &LightHtml::of(view, now_ms))]
        }
        Change::Set(key) | Change::Logged(key) | Change::Receipts(key) if KINDS.iter().any(|kind| kind.key == key) => {
            let cards = view.regions.iter().map(|region| card(region, view, now_ms));
            let rest = [sentence(view, now_ms), fragment("rays", &LightHtml::of(view, now_ms))];
            cards.chain(rest).collect()
        }
        Change::You { user } => KINDS.iter().map(|kind| fragment(kind.id, &OwnHtml::of(kind, view, *user))).collect(),
        _ => Vec::new(),
    }
}

/// Returns whether anything is shown of a click at this moment.
pub(crate) fn is_shown(view: &RoomView, now_ms: u64) -> bool {
    newest(view, now_ms).is_some()
}

/// The newest click, and what is known of its way.
fn newest(view: &RoomView, now_ms: u64) -> Option<(&'static str, &WriteReceipts)> {
    let all = KINDS.iter().filter_map(|kind| Some((kind.name, view.receipts.get(kind.key)?)));
    all.filter(|(_, receipts)| now_ms.saturating_sub(receipts.at_ms) < SHOWN_MS).max_by_key(|(_, r)| r.at_ms)
}

fn sentence(view: &RoomView, now_ms: u64) -> Fragment {
    fragment("arrivals", &SentenceHtml::of(view, now_ms))
}

fn card(region: &RegionView, view: &RoomView, now_ms: u64) -> Fragment {
    let arrival = ArrivalHtml::of(region, view, now_ms);
    inner(&format!("{}_arrival", region.region), regions::CARDS, &arrival)
}

/// What a sentence says of a click, after "Your click" or "The newest hi, from Toronto".
struct ArrivalWords {
    regions: usize,
    seen: usize,
    /// Regions that have it and have no page that shows it.
    unseen: usize,
    farthest_ms: Option<u32>,
}

impl ArrivalWords {
    fn of(receipts: &WriteReceipts, view: &RoomView) -> Self {
        let seen = receipts.regions.values().filter(|receipt| receipt.seen).count();
        Self {
            regions: view.regions.len(),
            seen,
            unseen: receipts.regions.len() - seen,
            farthest_ms: receipts.regions.values().map(|receipt| receipt.after_ms).max(),
        }
    }
}

/// Everybody's sentence.
#[derive(Template)]
#[template(path = "arrivals.html")]
pub(crate) struct SentenceHtml {
    click: Option<(&'static str, String)>,
    told: Option<ArrivalWords>,
}

impl SentenceHtml {
    pub(crate) fn of(view: &RoomView, now_ms: u64) -> Self {
        let newest = newest(view, now_ms);
        Self {
            click: newest.map(|(name, receipts)| (name, regions::words(view, &receipts.author.region))),
            told: newest.map(|(_, receipts)| ArrivalWords::of(receipts, view)),
        }
    }
}

/// The author's sentence; empty for others.
#[derive(Template)]
#[template(path = "own_arrivals.html")]
pub(crate) struct OwnHtml {
    id: &'static str,
    name: &'static str,
    told: Option<ArrivalWords>,
}

impl OwnHtml {
    fn of(kind: &ClickKind, view: &RoomView, user: PublicId) -> Self {
        let own = view.receipts.get(kind.key).filter(|receipts| receipts.author.public == user);
        Self { id: kind.id, name: kind.name, told: own.map(|receipts| ArrivalWords::of(receipts, view)) }
    }

    /// Before the first click.
    pub(crate) fn empty() -> [Self; 2] {
        KINDS.map(|kind| Self { id: kind.id, name: kind.name, told: None })
    }
}

/// When the newest click came to a region: on its card.
#[derive(Template)]
#[template(path = "region_arrival.html")]
pub(crate) struct ArrivalHtml {
    code: String,
    at_ms: u64,
    receipt: Option<Receipt>,
}

impl ArrivalHtml {
    pub(crate) fn of(region: &RegionView, view: &RoomView, now_ms: u64) -> Self {
        let newest = newest(view, now_ms).map(|(_, receipts)| receipts);
        Self {
            code: region.region.to_string(),
            at_ms: newest.map_or(0, |receipts| receipts.at_ms),
            receipt: newest.and_then(|receipts| receipts.regions.get(&region.region).copied()),
        }
    }
}

/// Light from the region of the click to all others, and what is known of its arrival: a picture above the dots. A path is
/// as many units long as the light takes milliseconds, so that one animation moves each of them as it really travels.
#[derive(Template)]
#[template(path = "light.html")]
pub(crate) struct LightHtml {
    at_ms: u64,
    /// The click was made in the region that serves the page.
    own: bool,
    rays: Vec<Ray>,
    arrived: Vec<Arrived>,
}

struct Ray {
    code: String,
    ms: u32,
    from: (f64, f64),
    bend: (f64, f64),
    to: (f64, f64),
}

struct Arrived {
    code: String,
    ms: u32,
    at: (f64, f64),
    /// Where the text is.
    y: f64,
    /// The end of the text that is at the dot, as another dot is close by.
    anchor: &'static str,
}

impl LightHtml {
    pub(crate) fn of(view: &RoomView, now_ms: u64) -> Self {
        let Some((_, receipts)) = newest(view, now_ms) else {
            return Self { at_ms: 0, own: false, rays: Vec::new(), arrived: Vec::new() };
        };
        let places: Vec<(&RegionView, (f64, f64))> =
            view.regions.iter().filter_map(|region| Some((region, map::position(region)?))).collect();
        let home = places.iter().find(|(region, _)| region.region == receipts.author.region).map(|(_, at)| *at);
        let shines = home.filter(|_| now_ms.saturating_sub(receipts.at_ms) < LIGHT_MS);
        let rays = places.iter().filter_map(|(region, to)| Ray::of(region, shines?, *to, receipts, view));
        let arrived = places.iter().filter_map(|(region, at)| Arrived::of(&region.region, *at, receipts, &places));
        Self {
            at_ms: receipts.at_ms,
            own: receipts.author.region == view.here,
            rays: rays.collect(),
            arrived: arrived.collect(),
        }
    }
}

impl Ray {
    /// Light is on its way before a region answers: it takes half of a round trip. From another region's click it is known
    /// only afterwards.
    fn of(
        region: &RegionView,
        from: (f64, f64),
        to: (f64, f64),
        receipts: &WriteReceipts,
        view: &RoomView,
    ) -> Option<Self> {
        if region.region == receipts.author.region {
            return None;
        }
        let expected =
            region.round_trip_ms.filter(|_| receipts.author.region == view.here && regions::is_current(region));
        let known = receipts.regions.get(&region.region).map(|receipt| receipt.after_ms);
        let ms = expected.map(|ms| ms / 2).or(known)?.max(1);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let bend = ((from.0 + to.0) / 2.0, (from.1 + to.1) / 2.0 - dx.hypot(dy) / 5.0);
        Some(Self { code: region.region.to_string(), ms, from, bend, to })
    }
}

impl Arrived {
    fn of(
        region: &Region,
        at: (f64, f64),
        receipts: &WriteReceipts,
        places: &[(&RegionView, (f64, f64))],
    ) -> Option<Self> {
        let ms = receipts.regions.get(region)?.after_ms;
        let near = |(_, other): &&(&RegionView, (f64, f64))| {
            *other != at && (other.0 - at.0).abs() < 70.0 && (other.1 - at.1).abs() < 26.0
        };
        let near = places.iter().find(near).map(|(_, other)| *other);
        let anchor = match near {
            Some(other) if other.0 > at.0 => "end",
            Some(_) => "start",
            None => "middle",
        };
        // Above the dot, unless there is the other one.
        let y = if near.is_some_and(|other| other.1 < at.1 - 8.0) { at.1 + 18.0 } else { at.1 - 16.0 };
        Some(Self { code: region.to_string(), ms, at, y, anchor })
    }
}
