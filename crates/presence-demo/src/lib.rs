//! The demo page: one file for each feature, with what a click means and what it looks like.
//!
//! | File | Feature |
//! |---|---|
//! | `page` | the page around all of them, and how many people are here |
//! | `lightbulb` | one bulb for all visitors |
//! | `regions`, `map` | where visitors are, on cards and on the map |
//! | `arrivals` | when the newest click has arrived in which region |
//! | `hello`, `hi` | your name, and the wall |
//! | `tabs` | how many tabs you have open |
//! | `speed` | round trips |
//! | `share` | links to send to others |
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
    arrivals,
    hello,
    hi,
    tabs,
    speed,
    share,
}

mod assets;
pub mod feature;
mod options;
mod palette;
mod picture;
mod places;
mod utc;

pub use options::PageOptions;
pub use places::{place, place_of};
use std::time::Duration;

use presence_core::{App, Change, Click, Fragment, Refusal, RoomView, Visit, Write};
use presence_server::Site;

/// How long the page's facts are kept.
const FACTS_LAST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The name of the site, and of its only room.
const NAME: &str = "demo";

/// The description of this site for the server.
pub fn site() -> Site {
    Site {
        assets: vec![assets::STYLE.clone(), assets::ICON.clone()],
        router: picture::router(NAME),
        place: place_of,
        ..Site::new(NAME)
    }
}

/// The demo page.
#[derive(Clone, Default, Debug)]
pub struct Demo {
    /// What operators decide.
    pub options: PageOptions,
}

impl App for Demo {
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String {
        let edge = visit.edge.or_else(|| self.options.pretended_edge(visit.user));
        page::page(view, &Visit { edge, ..visit.clone() }, self.options.source_url.as_deref())
    }

    fn reflex(&self, click: &Click, view: &RoomView) -> Result<Vec<Write>, Refusal> {
        feature::reflex(FEATURES, click, view)
    }

    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment> {
        feature::render(FEATURES, change, view)
    }
}
