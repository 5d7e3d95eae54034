//! Places of region and edge codes, so that a visitor reads Ashburn instead of `iad`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use presence_core::{Place, Region};

/// Written by `data/places.py`: code, name, latitude and longitude, separated by tabs.
const TABLE: &str = include_str!("../data/places.tsv");

/// The rest of a line by its code.
static PLACES: LazyLock<BTreeMap<&str, &str>> =
    LazyLock::new(|| TABLE.lines().filter_map(|l| l.split_once('\t')).collect());

/// Returns the place of an airport code, by which hosting networks name their regions and edges: "Toronto, Canada",
/// "Ashburn, Virginia (US)". Returns `None` for an unknown code.
pub fn place(code: &str) -> Option<Place> {
    let mut fields = PLACES.get(code.to_ascii_lowercase().as_str())?.split('\t');
    let name = fields.next()?.to_owned();
    let location = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Place { name, location: Some(location) })
}

/// Returns the place of a region.
pub fn place_of(region: &Region) -> Option<Place> {
    place(region.as_str())
}

/// Returns the name of a place, or the code itself if it is unknown.
pub(crate) fn words(code: &str) -> String {
    place(code).map_or_else(|| code.to_owned(), |place| place.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_region_of_fly_has_a_name_and_a_place() {
        for code in "ams arn atl bog bom bos cdg den dfw ewr eze fra gdl gig gru hkg iad jnb lax lhr maa mad mia nrt \
                     ord otp phx qro scl sea sin sjc syd waw yul yyz"
            .split_whitespace()
        {
            let place = place(code).unwrap_or_else(|| panic!("{code} is unknown"));
            assert!(place.location.is_some() && !place.name.is_empty(), "{code}: {place:?}");
        }
    }

    #[test]
    fn names_read_as_people_say_them() {
        for (code, name) in [
            ("iad", "Ashburn, Virginia (US)"),
            ("IAD", "Ashburn, Virginia (US)"),
            ("yyz", "Toronto, Canada"),
            ("maa", "Chennai, India"),
            ("sin", "Singapore"),
            ("zz", "zz"),
            ("", ""),
            ("#", "#"),
            ("qqq", "qqq"),
        ] {
            assert_eq!(words(code), name);
        }
    }

    #[test]
    fn every_line_of_the_table_is_complete() {
        assert_eq!(PLACES.len(), TABLE.lines().count() - 1, "the first line is a comment, and each code occurs once");
        for line in TABLE.lines().skip(1) {
            let code = &line[..3];
            let (lat, lon) = place(code).and_then(|place| place.location).unwrap_or_else(|| panic!("{line}"));
            assert!((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon), "{line}");
        }
    }
}
