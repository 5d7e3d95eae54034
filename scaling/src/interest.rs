//! What partial interest would save: a design that is not built. A node would take only rows of rooms in which it has
//! somebody itself.

use crate::calibrate::Bytes;

/// What it says to the others when a room becomes interesting to it, or no longer is: the room's hash, a number, and
/// what CBOR puts around them. Assumed: nothing of this exists.
pub const INTEREST_BYTES: f64 = 40.0;

/// Bytes of visits that a node hears with partial interest, against whole knowledge, if each room has so many watchers
/// on each of so many nodes.
#[must_use]
pub fn ratio(watchers: f64, bytes: &Bytes) -> f64 {
    // Nobody of this node is there: with Poisson's chance.
    let none = (-watchers).exp();
    let visit = 2.0 * bytes.row + bytes.removed;
    let whole = visit + none * (bytes.name + bytes.removed);
    // The rows that are there already come when the first of this node comes: of each node `watchers`.
    let partial = (1.0 - none) * visit + none * (2.0 * INTEREST_BYTES + watchers * bytes.row);
    partial / whole
}

/// How many watchers of a room on each node make it this much of whole knowledge.
#[must_use]
pub fn watchers_for(wanted: f64, bytes: &Bytes) -> f64 {
    search(0.001, 1_000.0, |watchers| ratio(watchers, bytes) < wanted)
}

/// The greatest value between these for which something still holds, if it holds below and not above.
#[must_use]
pub fn search(from: f64, to: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (from, to);
    for _ in 0..60 {
        let middle = (low * high).sqrt();
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}
