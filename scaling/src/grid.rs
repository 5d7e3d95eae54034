//! Which scenarios are run: one number at a time around a middle, and the corners.

use crate::scenario::{Scenario, Shape};

/// What everything else is compared with.
pub const MIDDLE: Scenario =
    Scenario { nodes: 12, visitors: 100_000, shape: Shape::Equal(1_000), joins: 1_000, clicks: 10, seed: 1 };

/// All runs of `make scaling`; `large` ones take gigabytes and many minutes.
#[must_use]
pub fn grid(large: bool) -> Vec<Scenario> {
    let mut grid = vec![
        MIDDLE,
        Scenario { nodes: 6, ..MIDDLE },
        Scenario { nodes: 24, ..MIDDLE },
        Scenario { nodes: 32, ..MIDDLE },
        Scenario { visitors: 10_000, ..MIDDLE },
        Scenario { visitors: 1_000_000, ..MIDDLE },
        Scenario { shape: Shape::One, ..MIDDLE },
        Scenario { shape: Shape::Zipf, ..MIDDLE },
        Scenario { shape: Shape::Each, ..MIDDLE },
        Scenario { joins: 0, ..MIDDLE },
        Scenario { joins: 100, ..MIDDLE },
        Scenario { joins: 10_000, ..MIDDLE },
        Scenario { clicks: 0, ..MIDDLE },
        Scenario { clicks: 1_000, ..MIDDLE },
        // Corners.
        Scenario { nodes: 6, visitors: 10_000, shape: Shape::Each, joins: 100, ..MIDDLE },
        Scenario { nodes: 32, visitors: 10_000, shape: Shape::Each, joins: 10_000, ..MIDDLE },
        Scenario { nodes: 32, shape: Shape::Each, ..MIDDLE },
        Scenario { nodes: 6, visitors: 300_000, shape: Shape::Each, ..MIDDLE },
        Scenario { nodes: 32, shape: Shape::One, joins: 10_000, ..MIDDLE },
        Scenario { nodes: 6, visitors: 300_000, shape: Shape::One, joins: 100, clicks: 0, ..MIDDLE },
    ];
    if large {
        grid.push(Scenario { visitors: 1_000_000, shape: Shape::One, joins: 100, ..MIDDLE });
        grid.push(Scenario { nodes: 6, visitors: 1_000_000, shape: Shape::Each, joins: 100, ..MIDDLE });
        grid.push(Scenario { visitors: 5_000_000, shape: Shape::One, joins: 100, ..MIDDLE });
    }
    grid
}
