//! How many tabs the visitor has open, over all regions.

use askama::Template;
use presence_core::{Change, Fragment};

use crate::draw::fragment;

/// The user's stream carries it to all of them, wherever they are.
pub(crate) fn render(change: &Change) -> Vec<Fragment> {
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
