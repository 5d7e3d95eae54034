//! What a feature is: without one shape for all of them, each would have to be named wherever something happens.

use askama::Template;
use presence_core::{Change, Fragment, ReflexCall, Refusal, RoomView, Visit, Write};

/// A feature of the page, in a file of its own. What one has not, it takes from [`Feature::NONE`].
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Its section of the page, right before any script runs, its fragments in it. Sections follow each other in the order
    /// of the list, below those that `page.html` has a place of its own for.
    pub section: fn(&RoomView, &Visit<'_>) -> String,
    /// What a click means: facts to write. A click of somebody else's is [`Refusal::Unknown`].
    pub reflex: fn(&ReflexCall, &RoomView) -> Result<Vec<Write>, Refusal>,
    /// What a change looks like: those of its fragments that depend on it.
    pub render: fn(&Change, &RoomView) -> Vec<Fragment>,
}

impl Feature {
    /// No section, no click, nothing that changes.
    pub const NONE: Self =
        Self { section: |_, _| String::new(), reflex: |_, _| Err(Refusal::Unknown), render: |_, _| Vec::new() };
}

/// All sections, in the order of the features.
pub fn sections(features: &[Feature], view: &RoomView, visit: &Visit<'_>) -> String {
    features.iter().map(|feature| (feature.section)(view, visit)).collect()
}

/// What the first feature that knows the click says that it means.
///
/// # Errors
///
/// Where no feature knows it, or one refuses it.
pub fn reflex(features: &[Feature], call: &ReflexCall, view: &RoomView) -> Result<Vec<Write>, Refusal> {
    let answers = features.iter().map(|feature| (feature.reflex)(call, view));
    answers.into_iter().find(|answer| *answer != Err(Refusal::Unknown)).unwrap_or(Err(Refusal::Unknown))
}

/// Everything that a change redraws.
pub fn render(features: &[Feature], change: &Change, view: &RoomView) -> Vec<Fragment> {
    features.iter().flat_map(|feature| (feature.render)(change, view)).collect()
}

/// The element, or the page, as text.
pub fn html(template: &impl Template) -> String {
    template.render().expect("our templates only write to a string")
}

/// The element of this id, as it looks now. The template's root has to have that id.
pub fn fragment(id: &str, template: &impl Template) -> Fragment {
    Fragment { id: id.to_owned(), html: html(template), within: None }
}

/// The same, for an element that stands in the fragment `outer`.
pub fn inner(id: &str, outer: &'static str, template: &impl Template) -> Fragment {
    Fragment { within: Some(outer), ..fragment(id, template) }
}
