//! Draws fragments into the text of a page, as a browser would.

use presence_core::Fragment;

const VOID: [&str; 5] = ["meta", "link", "br", "img", "input"];

/// Returns the length of the first element of `html`, which must begin with its tag. Panics if it does not end.
pub(crate) fn element(html: &str) -> usize {
    let mut open: Vec<&str> = Vec::new();
    let mut at = 0;
    loop {
        let start = at + html[at..].find('<').unwrap_or_else(|| panic!("{open:?} never ends in {html:.200}"));
        let end = start + html[start..].find('>').expect("a tag ends") + 1;
        let tag = &html[start + 1..end - 1];
        let name = tag.trim_start_matches('/').split([' ', '/']).next().expect("a tag has a name");
        if tag.starts_with('/') {
            assert_eq!(open.pop(), Some(name), "in {html:.200}");
        } else if !tag.ends_with('/') && !VOID.contains(&name) && !tag.starts_with('!') {
            open.push(name);
        }
        if open.is_empty() {
            return end;
        }
        at = end;
    }
}

/// Draws a fragment, as a `morph` of the element of its id does.
pub(crate) fn draw(page: &str, fragment: &Fragment) -> String {
    let attribute = format!(" id=\"{}\"", fragment.id);
    let found = page.find(&attribute).unwrap_or_else(|| panic!("the page has no #{}", fragment.id));
    let start = page[..found].rfind('<').expect("an attribute stands in a tag");
    let end = start + element(&page[start..]);
    format!("{}{}{}", &page[..start], fragment.html, &page[end..])
}

/// Draws all fragments in order.
pub(crate) fn draw_all(page: &str, fragments: &[Fragment]) -> String {
    fragments.iter().fold(page.to_owned(), |page, fragment| draw(&page, fragment))
}
