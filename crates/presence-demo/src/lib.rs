//! The demo page: one file for each feature, with what a click means and what it looks like.
//!
//! | File | Feature |
//! |---|---|
//! | `page` | the page around all of them, and how many people are here |
//! | `lightbulb` | one bulb for all visitors |
//! | `regions`, `map` | where visitors are, on cards and on the map |
//! | `hello`, `hi` | your name, and the wall |
//! | `tabs` | how many tabs you have open |
//! | `speed` | round trips |
//!
//! A click never changes a page: it becomes a fact, and a changed fact is drawn in the same way in all regions.

/// Each name is a file beside this one with a `FEATURE`: a new feature is a file and one line here.
macro_rules! features {
    ($($name:ident,)+) => {
        $(mod $name;)+

        /// All features in the order of their sections.
        const FEATURES: &[feature::Feature] = &[$($name::FEATURE),+];
    };
}

features! {
    page,
    lightbulb,
    regions,
    map,
    hello,
    hi,
    tabs,
    speed,
}

mod assets;
pub mod feature;
mod palette;
mod places;
mod utc;

pub use places::{place, place_of};
use presence_core::{App, Change, Fragment, ReflexCall, Refusal, RoomView, Visit, Write};
use presence_server::Site;

/// How long the page's facts are kept.
const FACTS_LAST_MS: u64 = 365 * 24 * 60 * 60 * 1_000;

/// The description of this site for the server.
pub fn site() -> Site {
    Site { name: "demo", assets: vec![assets::STYLE.clone(), assets::ICON.clone()], place: place_of }
}

/// The demo page.
#[derive(Clone, Copy, Default, Debug)]
pub struct Demo;

impl App for Demo {
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        page::page(view, visit)
    }

    fn reflex(&self, call: &ReflexCall, view: &RoomView) -> Result<Vec<Write>, Refusal> {
        feature::reflex(FEATURES, call, view)
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        feature::render(FEATURES, change, view)
    }
}
