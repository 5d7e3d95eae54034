//! How many tabs the visitor has open, over all regions.

use askama::Template;
use presence_core::{Change, Fragment, RoomView};

use crate::feature::{Feature, fragment};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { render, ..Feature::NONE };

/// The user's stream carries it to all of them, wherever they are.
fn render(change: &Change, _: &RoomView) -> Vec<Fragment> {
    match change {
        Change::Tabs { tabs, .. } => vec![fragment("tabcount", &TabCountHtml { tabs: *tabs })],
        _ => Vec::new(),
    }
}

/// The number alone.
#[derive(Template)]
#[template(path = "tabcount.html")]
pub(crate) struct TabCountHtml {
    pub(crate) tabs: u32,
}
