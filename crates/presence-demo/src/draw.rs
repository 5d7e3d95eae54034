//! From a template to an element: without it each feature would say for itself how a fragment is made.

use askama::Template;
use presence_core::Fragment;

/// The element, or the page, as text.
pub(crate) fn html(template: &impl Template) -> String {
    template.render().expect("our templates only write to a string")
}

/// The element of this id, as it looks now. The template's root has to have that id.
pub(crate) fn fragment(id: &str, template: &impl Template) -> Fragment {
    Fragment { id: id.to_owned(), html: html(template), within: None }
}

/// The same, for an element that stands in the fragment `outer`.
pub(crate) fn inner(id: &str, outer: &'static str, template: &impl Template) -> Fragment {
    Fragment { within: Some(outer), ..fragment(id, template) }
}
