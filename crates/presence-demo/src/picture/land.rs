//! Where land is, by the outline that the page's map draws.

use std::sync::LazyLock;

use crate::map;

/// A line of the outline.
struct CoastLine {
    from: (f64, f64),
    to: (f64, f64),
}

static COAST_LINES: LazyLock<Vec<CoastLine>> = LazyLock::new(|| map::LAND.split('M').flat_map(ring).collect());

/// The lines of one ring: a point, then steps from each point to the next, and back to the first.
fn ring(path: &str) -> Vec<CoastLine> {
    let numbers: Vec<f64> = path
        .replace('-', " -")
        .split(|c: char| c.is_ascii_alphabetic() || c.is_whitespace() || c == ',')
        .filter_map(|number| number.parse().ok())
        .collect();
    let mut at = (0.0, 0.0);
    let mut points = Vec::new();
    for step in numbers.chunks_exact(2) {
        at = (at.0 + step[0], at.1 + step[1]);
        points.push(at);
    }
    let next = points.iter().cycle().skip(1);
    points.iter().zip(next).map(|(from, to)| CoastLine { from: *from, to: *to }).collect()
}

/// Returns where a line across the map, this far from its upper edge, goes onto land and off it in turn, from the left.
pub(super) fn coasts(y: f64) -> Vec<f64> {
    let crossed = COAST_LINES.iter().filter(|line| (line.from.1 > y) != (line.to.1 > y));
    let at = |CoastLine { from, to }: &CoastLine| from.0 + (y - from.1) / (to.1 - from.1) * (to.0 - from.0);
    let mut coasts: Vec<f64> = crossed.map(at).collect();
    coasts.sort_by(f64::total_cmp);
    coasts
}

/// Returns whether a point is on land, by the coasts of its line.
pub(super) fn is_land(coasts: &[f64], x: f64) -> bool {
    coasts.partition_point(|coast| *coast < x) % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cities_far_from_the_sea_are_on_land_and_oceans_are_not() {
        for (name, place, land) in [
            ("Denver", (39.7, -105.0), true),
            ("Madrid", (40.4, -3.7), true),
            ("Alice Springs", (-23.7, 133.9), true),
            ("the Atlantic", (35.0, -40.0), false),
            ("the Indian Ocean", (-20.0, 80.0), false),
        ] {
            let (x, y) = map::project(place).expect("a place on Earth");
            assert_eq!(is_land(&coasts(y), x), land, "{name}");
        }
    }
}
