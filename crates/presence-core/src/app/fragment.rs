//! An element of a page that a change redraws, and how waiting ones are merged.

/// A whole element with an id, as it looks now. Drawing it twice changes nothing; a newer one replaces an older one.
///
/// ```
/// use presence_core::Fragment;
///
/// let here = Fragment::new("here", format!("<p id=\"here\">{} people</p>", 14));
/// assert_eq!((here.id.as_str(), here.html.as_str()), ("here", "<p id=\"here\">14 people</p>"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// The element's `id`, without `#`.
    pub id: String,
    /// The element: exactly one, with that id. For SVG it is the whole `<svg>`.
    pub html: String,
    /// The id of the fragment that contains this one, if any: drawing that one draws this one, too.
    pub within: Option<&'static str>,
}

impl Fragment {
    /// The element of this id, as it looks now: text, or a template that prints itself.
    pub fn new(id: impl Into<String>, html: impl std::fmt::Display) -> Self {
        Self { id: id.into(), html: html.to_string(), within: None }
    }
}

/// Leaves out fragments that need not be sent: all but the last of each id, and those within another one. The others keep
/// the order of their last appearance.
pub fn fold(fragments: Vec<Fragment>) -> Vec<Fragment> {
    let mut kept: Vec<Fragment> = Vec::with_capacity(fragments.len());
    for fragment in fragments {
        kept.retain(|earlier| earlier.id != fragment.id);
        kept.push(fragment);
    }
    let ids: std::collections::BTreeSet<String> = kept.iter().map(|f| f.id.clone()).collect();
    kept.retain(|f| f.within.is_none_or(|outer| !ids.contains(outer)));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragment(id: &str, html: &str, within: Option<&'static str>) -> Fragment {
        Fragment { id: id.to_owned(), html: html.to_owned(), within }
    }

    #[test]
    fn the_newest_of_one_id_stays_and_an_outer_one_replaces_its_inner_ones() {
        let folded = fold(vec![
            fragment("bulb", "old", None),
            fragment("ams_usercount", "1", Some("regions")),
            fragment("regions", "all", None),
            fragment("bulb", "new", None),
        ]);
        assert_eq!(folded, vec![fragment("regions", "all", None), fragment("bulb", "new", None)]);
    }
}
