//! The number of tabs that the visitor has open, in all regions.

use askama::Template;
use presence_core::{Change, Fragment, RoomView};

use crate::feature::{Feature, fragment};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { render, ..Feature::NONE };

/// The user's stream delivers it to all their tabs, in any region.
fn render(change: &Change, _: &RoomView) -> Vec<Fragment> {
    match change {
        Change::Tabs { tabs, .. } => vec![fragment("tabcount", &TabCountHtml { tabs: *tabs })],
        _ => Vec::new(),
    }
}

#[derive(Template)]
#[template(path = "tabcount.html")]
pub(crate) struct TabCountHtml {
    pub(crate) tabs: u32,
}
