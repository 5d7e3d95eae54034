//! What a run is of: how many nodes, visitors, rooms, joins and clicks, and who of them is where.

use std::fmt;
use std::str::FromStr;

use presence_core::{Room, UserId};
use serde::{Deserialize, Serialize};

use crate::chance::{fraction, mix};

/// How visitors are spread over rooms.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Shape {
    /// All in one room.
    One,
    /// So many rooms, each as likely.
    Equal(u32),
    /// As many rooms as visitors; the r-th is visited in proportion to 1/r.
    Zipf,
    /// Everybody in a room of their own.
    Each,
}

/// One point of the grid.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct Scenario {
    /// How many nodes, each a region of its own.
    pub nodes: usize,
    /// How many visitors in the whole world.
    pub visitors: u64,
    /// Which rooms they are in.
    pub shape: Shape,
    /// How many come in a second in the whole world; as many leave.
    pub joins: u64,
    /// How many clicks a second in the whole world.
    pub clicks: u64,
    /// Everything else follows from it.
    pub seed: u64,
}

impl Scenario {
    /// Which node a visitor is connected to.
    #[must_use]
    pub fn node_of(&self, visitor: u64) -> usize {
        (mix(visitor ^ self.seed.rotate_left(17)) % self.nodes as u64) as usize
    }

    /// Who a visitor is: as random as a hash.
    #[must_use]
    pub fn user(&self, visitor: u64) -> UserId {
        let mut id = [0; 32];
        for (part, bytes) in (0_u64..).zip(id.chunks_exact_mut(8)) {
            bytes.copy_from_slice(&mix(visitor.wrapping_mul(4).wrapping_add(part) ^ self.seed).to_be_bytes());
        }
        UserId(id)
    }

    /// Which room a visitor comes to, as a number.
    #[must_use]
    pub fn room_number(&self, visitor: u64) -> u64 {
        let chance = visitor ^ self.seed.rotate_left(41);
        match self.shape {
            Shape::One => 0,
            Shape::Equal(rooms) => mix(chance) % u64::from(rooms),
            // Uniform in the logarithm: what 1/r sums up to.
            Shape::Zipf => (((self.visitors + 1) as f64).ln() * fraction(chance)).exp() as u64 - 1,
            Shape::Each => visitor,
        }
    }

    /// The name of the room that a visitor comes to: as long as a path of a shop's page.
    ///
    /// # Panics
    ///
    /// Never: the name is neither empty nor too long.
    #[must_use]
    pub fn room(&self, visitor: u64) -> Room {
        room(self.room_number(visitor))
    }

    /// How likely each class of rooms is: (number of such rooms, chance that a visitor comes to a given one of them).
    #[must_use]
    pub fn classes(&self) -> Vec<(f64, f64)> {
        let visitors = self.visitors as f64;
        match self.shape {
            Shape::One => vec![(1.0, 1.0)],
            Shape::Equal(rooms) => vec![(f64::from(rooms), 1.0 / f64::from(rooms))],
            Shape::Each => vec![(visitors, 1.0 / visitors)],
            Shape::Zipf => zipf(self.visitors),
        }
    }
}

/// The name of a room by its number.
///
/// # Panics
///
/// Never: the name is neither empty nor too long.
#[must_use]
pub fn room(number: u64) -> Room {
    Room::new(&format!("shop.example/item/{number:07}")).expect("a name of 25 bytes")
}

/// Rooms by rank, those of about the same rank together.
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

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("one"),
            Self::Equal(rooms) => write!(f, "equal:{rooms}"),
            Self::Zipf => f.write_str("zipf"),
            Self::Each => f.write_str("each"),
        }
    }
}

impl FromStr for Shape {
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
