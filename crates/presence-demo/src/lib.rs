//! Draws: the page, alive in every region. One feature, one file: what a click means and what it looks like.
//!
//! | File | Feature |
//! |---|---|
//! | `page` | the page around all of them, and how many people are here |
//! | `lightbulb` | one bulb for everybody |
//! | `regions`, `map` | where everyone is, in cards and on the map |
//! | `hello`, `hi` | who you are, and the wall |
//! | `tabs` | how many tabs you have open |
//! | `speed` | how far everything is |
//!
//! A click never touches a page: it becomes a fact, and a changed fact is drawn, here as on the other side of the world.

/// Each name is a file beside this one with a `FEATURE` in it: a new feature is that file and one line here.
macro_rules! features {
    ($($name:ident,)+) => {
        $(mod $name;)+

        /// All of them, in the order of their sections.
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

/// The page's facts outlive every machine that it runs on, but not the interest in them.
const FACTS_LAST_MS: u64 = 365 * 24 * 60 * 60 * 1_000;

/// What the server needs to know of this site.
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
