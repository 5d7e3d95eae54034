//! The scenarios of `make scaling`: one number at a time varies around a middle, and the corners.

use crate::scenario::{RoomDistribution, Scenario};

/// The scenario that others are compared with.
pub(crate) const MIDDLE: Scenario =
    Scenario { nodes: 12, visitors: 100_000, shape: RoomDistribution::Equal(1_000), joins: 1_000, clicks: 10, seed: 1 };

/// All scenarios; `large` adds some that take gigabytes and many minutes.
pub(crate) fn grid(large: bool) -> Vec<Scenario> {
    let mut grid = vec![
        MIDDLE,
        Scenario { nodes: 6, ..MIDDLE },
        Scenario { nodes: 24, ..MIDDLE },
        Scenario { nodes: 32, ..MIDDLE },
        Scenario { visitors: 10_000, ..MIDDLE },
        Scenario { visitors: 1_000_000, ..MIDDLE },
        Scenario { shape: RoomDistribution::One, ..MIDDLE },
        Scenario { shape: RoomDistribution::Zipf, ..MIDDLE },
        Scenario { shape: RoomDistribution::Each, ..MIDDLE },
        Scenario { joins: 0, ..MIDDLE },
        Scenario { joins: 100, ..MIDDLE },
        Scenario { joins: 10_000, ..MIDDLE },
        Scenario { clicks: 0, ..MIDDLE },
        Scenario { clicks: 1_000, ..MIDDLE },
        // Corners.
        Scenario { nodes: 6, visitors: 10_000, shape: RoomDistribution::Each, joins: 100, ..MIDDLE },
        Scenario { nodes: 32, visitors: 10_000, shape: RoomDistribution::Each, joins: 10_000, ..MIDDLE },
        Scenario { nodes: 32, shape: RoomDistribution::Each, ..MIDDLE },
        Scenario { nodes: 6, visitors: 300_000, shape: RoomDistribution::Each, ..MIDDLE },
        Scenario { nodes: 32, shape: RoomDistribution::One, joins: 10_000, ..MIDDLE },
        Scenario { nodes: 6, visitors: 300_000, shape: RoomDistribution::One, joins: 100, clicks: 0, ..MIDDLE },
    ];
    if large {
        grid.push(Scenario { visitors: 1_000_000, shape: RoomDistribution::One, joins: 100, ..MIDDLE });
        grid.push(Scenario { nodes: 6, visitors: 1_000_000, shape: RoomDistribution::Each, joins: 100, ..MIDDLE });
        grid.push(Scenario { visitors: 5_000_000, shape: RoomDistribution::One, joins: 100, ..MIDDLE });
    }
    grid
}
