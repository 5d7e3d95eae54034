//! Links to send to others: plain links, which need no script.

use askama::Template;
use presence_core::{RoomView, Visit};

use crate::feature::{Feature, html};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { section, ..Feature::NONE };

/// The address of the page, for those who are somewhere else.
pub(crate) fn address(visit: &Visit<'_>) -> String {
    format!("{}/", visit.origin)
}

fn section(_: &RoomView, visit: &Visit<'_>) -> String {
    html(&ShareHtml { address: address(visit) })
}

#[derive(Template)]
#[template(path = "share.html")]
struct ShareHtml {
    address: String,
}
