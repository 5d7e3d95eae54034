//! The one shape of all features, and what the page does with a list of them.

use askama::Template;
use presence_core::{Change, Click, Fragment, Refusal, RoomView, Visit, Write};

/// A feature of the page, in a file of its own. [`Feature::NONE`] supplies the parts that one does not have.
#[derive(Clone, Copy, Debug)]
pub struct Feature {
    /// Its section of the page with its current fragments. Sections follow each other in the order of the list, after those
    /// for which `page.html` has a place of its own.
    pub section: fn(&RoomView, &Visit<'_>) -> String,
    /// What a click means: facts to write. A click on another feature is [`Refusal::Unknown`].
    pub reflex: fn(&Click, &RoomView) -> Result<Vec<Write>, Refusal>,
    /// What a change looks like: the fragments that depend on it.
    pub render: fn(&Change, &RoomView) -> Vec<Fragment>,
}

impl Feature {
    /// A feature without section, clicks and fragments.
    pub const NONE: Self =
        Self { section: |_, _| String::new(), reflex: |_, _| Err(Refusal::Unknown), render: |_, _| Vec::new() };
}

/// Returns all sections in the order of the features.
pub fn sections(features: &[Feature], view: &RoomView, visit: &Visit<'_>) -> String {
    features.iter().map(|feature| (feature.section)(view, visit)).collect()
}

/// Returns the writes of the first feature that knows the click.
///
/// # Errors
///
/// If no feature knows it, or the feature refuses it.
pub fn reflex(features: &[Feature], click: &Click, view: &RoomView) -> Result<Vec<Write>, Refusal> {
    let answers = features.iter().map(|feature| (feature.reflex)(click, view));
    answers.into_iter().find(|answer| *answer != Err(Refusal::Unknown)).unwrap_or(Err(Refusal::Unknown))
}

/// Returns all fragments that a change redraws.
pub fn render(features: &[Feature], change: &Change, view: &RoomView) -> Vec<Fragment> {
    features.iter().flat_map(|feature| (feature.render)(change, view)).collect()
}

/// Renders an element or the page.
pub fn html(template: &impl Template) -> String {
    template.render().expect("our templates only write to a string")
}

/// Renders the element of this id. The root of the template must have the id.
pub fn fragment(id: &str, template: &impl Template) -> Fragment {
    Fragment { id: id.to_owned(), html: html(template), within: None }
}

/// Renders an element inside the fragment `outer`.
pub fn inner(id: &str, outer: &'static str, template: &impl Template) -> Fragment {
    Fragment { within: Some(outer), ..fragment(id, template) }
}
