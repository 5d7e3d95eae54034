//! The name of the visitor, as they and others see it.

use askama::Template;
use presence_core::{Change, Fragment, PublicId, RoomView};

use crate::feature::{Feature, fragment};

/// What the list of features needs of this one.
pub(crate) const FEATURE: Feature = Feature { render, ..Feature::NONE };

/// The socket knows its visitor; the page may have been made for an older cookie.
fn render(change: &Change, _: &RoomView) -> Vec<Fragment> {
    match change {
        Change::You { user } => ["you", "you-to-others"].map(|id| fragment(id, &YouHtml::of(id, *user))).into(),
        _ => Vec::new(),
    }
}

/// The visitor's name. Its colour comes from the page, which chooses one for each load; fragments do not know it.
#[derive(Template)]
#[template(path = "you.html")]
pub(crate) struct YouHtml {
    id: &'static str,
    user: String,
}

impl YouHtml {
    pub(crate) fn of(id: &'static str, user: PublicId) -> Self {
        Self { id, user: user.short() }
    }
}
