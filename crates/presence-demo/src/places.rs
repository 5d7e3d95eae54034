//! Places of region and edge codes, so that a visitor reads Ashburn instead of `iad`.

use std::cmp::Ordering;

use presence_core::{Place, Region};

/// Written by `data/places.py`: code, name, latitude and longitude, separated by tabs; sorted by code. It is searched as it
/// is: a map of it would take 270 KB of every node.
const TABLE: &str = include_str!("../data/places.tsv");

/// Returns the rest of the line with this code.
fn find(code: &str) -> Option<&'static str> {
    let (mut begin, mut end) = (0, TABLE.len());
    while begin < end {
        let (before, after) = TABLE.as_bytes().split_at(begin.midpoint(end));
        let line_begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line_end = after.iter().position(|byte| *byte == b'\n').map_or(TABLE.len(), |at| before.len() + at);
        let (known, rest) = TABLE[line_begin..line_end].split_once('\t').unwrap_or_default();
        match known.cmp(code) {
            Ordering::Less => begin = line_end + 1,
            Ordering::Equal => return Some(rest),
            Ordering::Greater => end = line_begin,
        }
    }
    None
}

/// Returns the place of an airport code, by which hosting networks name their regions and edges: "Toronto, Canada",
/// "Ashburn, Virginia (US)". Returns `None` for an unknown code.
pub fn place(code: &str) -> Option<Place> {
    let mut fields = find(&code.to_ascii_lowercase())?.split('\t');
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
        assert!(
            TABLE.lines().skip(1).is_sorted_by(|one, next| one[..4] < next[..4]),
            "each code occurs once, in order"
        );
        for line in TABLE.lines().skip(1) {
            let code = &line[..3];
            let (lat, lon) = place(code).and_then(|place| place.location).unwrap_or_else(|| panic!("{line}"));
            assert!((-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon), "{line}");
        }
    }
}
