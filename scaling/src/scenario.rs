//! What a run simulates: the numbers of nodes, visitors, rooms, joins and clicks, and which visitor is where.

use std::fmt;
use std::str::FromStr;

use presence_core::{Room, UserId};
use serde::{Deserialize, Serialize};

use crate::random::{fraction, mix};

/// How visitors are spread over rooms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum RoomDistribution {
    /// All visitors in one room.
    One,
    /// This many rooms, each with the same chance.
    Equal(u32),
    /// As many rooms as visitors; the r-th is visited in proportion to 1/r.
    Zipf,
    /// Each visitor in a room of their own.
    Each,
}

/// One point of the grid.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Scenario {
    /// Nodes, each in a region of its own.
    pub(crate) nodes: usize,
    /// Visitors in the whole world.
    pub(crate) visitors: u64,
    pub(crate) shape: RoomDistribution,
    /// Joins a second in the whole world; as many visitors leave.
    pub(crate) joins: u64,
    /// Clicks a second in the whole world.
    pub(crate) clicks: u64,
    /// Seed of all random choices.
    pub(crate) seed: u64,
}

impl Scenario {
    /// Returns the node that a visitor is connected to.
    pub(crate) fn node_of(&self, visitor: u64) -> usize {
        (mix(visitor ^ self.seed.rotate_left(17)) % self.nodes as u64) as usize
    }

    /// Returns the id of a visitor, as random as a hash.
    pub(crate) fn user(&self, visitor: u64) -> UserId {
        let mut id = [0; 32];
        for (part, bytes) in (0_u64..).zip(id.chunks_exact_mut(8)) {
            bytes.copy_from_slice(&mix(visitor.wrapping_mul(4).wrapping_add(part) ^ self.seed).to_be_bytes());
        }
        UserId(id)
    }

    /// Returns the number of the room that a visitor joins.
    pub(crate) fn room_number(&self, visitor: u64) -> u64 {
        let chance = visitor ^ self.seed.rotate_left(41);
        match self.shape {
            RoomDistribution::One => 0,
            RoomDistribution::Equal(rooms) => mix(chance) % u64::from(rooms),
            // Uniform in the logarithm, which is the sum of 1/r.
            RoomDistribution::Zipf => (((self.visitors + 1) as f64).ln() * fraction(chance)).exp() as u64 - 1,
            RoomDistribution::Each => visitor,
        }
    }

    /// Returns the name of the room that a visitor joins, as long as the path of a shop's page.
    pub(crate) fn room(&self, visitor: u64) -> Room {
        room(self.room_number(visitor))
    }

    /// Returns classes of rooms: the number of such rooms, and the chance that a visitor joins a given one of them.
    pub(crate) fn classes(&self) -> Vec<(f64, f64)> {
        let visitors = self.visitors as f64;
        match self.shape {
            RoomDistribution::One => vec![(1.0, 1.0)],
            RoomDistribution::Equal(rooms) => vec![(f64::from(rooms), 1.0 / f64::from(rooms))],
            RoomDistribution::Each => vec![(visitors, 1.0 / visitors)],
            RoomDistribution::Zipf => zipf(self.visitors),
        }
    }
}

pub(crate) fn room(number: u64) -> Room {
    Room::new(&format!("shop.example/item/{number:07}")).expect("a name of 25 bytes")
}

/// Returns classes of rooms with about the same rank.
fn zipf(rooms: u64) -> Vec<(f64, f64)> {
    let whole = ((rooms + 1) as f64).ln();
    let mut classes = Vec::new();
    let mut rank = 1;
    while rank <= rooms {
        let until = (rank + rank / 16 + 1).min(rooms + 1);
        let count = (until - rank) as f64;
        classes.push((count, (until as f64 / rank as f64).ln() / whole / count));
        rank = until;
    }
    classes
}

impl fmt::Display for RoomDistribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("one"),
            Self::Equal(rooms) => write!(f, "equal:{rooms}"),
            Self::Zipf => f.write_str("zipf"),
            Self::Each => f.write_str("each"),
        }
    }
}

impl FromStr for RoomDistribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "one" => Ok(Self::One),
            None if text == "zipf" => Ok(Self::Zipf),
            None if text == "each" => Ok(Self::Each),
            Some(("equal", rooms)) => rooms.parse().map(Self::Equal).map_err(|error| format!("{rooms}: {error}")),
            _ => Err(format!("{text} is none of one, equal:1000, zipf, each")),
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { nodes, visitors, shape, joins, clicks, .. } = self;
        write!(f, "{nodes} nodes, {visitors} visitors, rooms {shape}, {joins} joins/s, {clicks} clicks/s")
    }
}
