//! The simulated distances between the regions of the world.

use std::time::Duration;

use super::WorldRegion;

const EARTH_RADIUS_KM: f64 = 6_371.0;
/// Light in glass.
const KM_PER_MS: f64 = 200.0;
/// Cables follow coasts and shipping lanes, and every router takes time: measured times between hosting regions are about
/// one and a half times those of the shortest line.
const DETOUR: f64 = 1.5;

/// Returns the time of a message from one region to another.
pub(super) fn one_way(from: &WorldRegion, to: &WorldRegion) -> Duration {
    let ms = distance_km(from.location, to.location) / KM_PER_MS * DETOUR;
    Duration::from_secs_f64(ms.round() / 1_000.0)
}

/// Returns the length of the shortest line on the globe; latitudes and longitudes are in degrees.
fn distance_km(from: (f64, f64), to: (f64, f64)) -> f64 {
    let [(from_lat, from_long), (to_lat, to_long)] =
        [from, to].map(|(lat, long)| (lat.to_radians(), long.to_radians()));
    let half_chord = ((to_lat - from_lat) / 2.0).sin().powi(2)
        + from_lat.cos() * to_lat.cos() * ((to_long - from_long) / 2.0).sin().powi(2);
    2.0 * EARTH_RADIUS_KM * half_chord.sqrt().min(1.0).asin()
}

/// Describes the nearest and the farthest two regions.
pub(super) fn words(places: &[WorldRegion]) -> String {
    let pairs = places.iter().enumerate().flat_map(|(n, a)| places[n + 1..].iter().map(move |b| (one_way(a, b), a, b)));
    let pairs: Vec<_> = pairs.collect();
    let named = |pair: Option<&(Duration, &WorldRegion, &WorldRegion)>| {
        pair.map_or_else(String::new, |(ms, a, b)| format!("{} and {} {} ms", a.code, b.code, ms.as_millis()))
    };
    let nearest = named(pairs.iter().min_by_key(|(ms, ..)| *ms));
    let farthest = named(pairs.iter().max_by_key(|(ms, ..)| *ms));
    format!(
        "\nMessages between regions are delayed, by their distance ({nearest} apart,\n\
         {farthest}). --no-wan leaves the delays out.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(code: &'static str) -> WorldRegion {
        let place = presence_demo::place(code).unwrap();
        WorldRegion { code, edges: &[], port: 0, location: place.location.unwrap(), name: place.name }
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        let km = |a, b| distance_km(place(a).location, place(b).location);
        assert!((km("lhr", "ams") - 370.0).abs() < 20.0, "{}", km("lhr", "ams"));
        assert!((km("yyz", "maa") - 13_300.0).abs() < 300.0, "{}", km("yyz", "maa"));
        assert_eq!(km("scl", "scl"), 0.0);
        assert!((distance_km((0.0, 0.0), (0.0, 180.0)) - 20_015.0).abs() < 1.0);
    }

    #[test]
    fn both_ways_are_equally_long() {
        assert_eq!(one_way(&place("yyz"), &place("maa")), one_way(&place("maa"), &place("yyz")));
        assert!((95..=105).contains(&one_way(&place("yyz"), &place("maa")).as_millis()));
    }

    #[test]
    fn the_nearest_and_the_farthest_regions_are_described() {
        let words = words(&super::super::REGIONS.map(place));
        assert!(words.contains("ams and lhr 3 ms apart") && words.contains("maa and scl"), "{words}");
    }
}
