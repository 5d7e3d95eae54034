//! Savings of partial interest, a design that is not built: a node would receive only rows of rooms in which it has a visitor.

use crate::message_sizes::MessageSizes;

/// Size of the message by which a node gains or loses interest in a room: the room's hash, a number, and CBOR's overhead. It is
/// an assumption, as the message does not exist.
pub(crate) const INTEREST_BYTES: f64 = 40.0;

/// Returns the bytes that a node receives with partial interest, relative to complete knowledge, if each room has this many
/// watchers on each node.
pub(crate) fn ratio(watchers: f64, sizes: &MessageSizes) -> f64 {
    // The chance that the node has no watcher (Poisson).
    let none = (-watchers).exp();
    let visit = 2.0 * sizes.row + sizes.removed;
    let whole = visit + none * (sizes.name + sizes.removed);
    // When a node's first watcher joins, the rows that exist arrive: `watchers` from each node.
    let partial = (1.0 - none) * visit + none * (2.0 * INTEREST_BYTES + watchers * sizes.row);
    partial / whole
}

/// Returns how many watchers of a room on each node make this ratio.
pub(crate) fn watchers_for(wanted: f64, sizes: &MessageSizes) -> f64 {
    search(0.001, 1_000.0, |watchers| ratio(watchers, sizes) < wanted)
}

/// Returns the greatest value in the range for which `holds` is true, if it is true below and false above.
pub(crate) fn search(from: f64, to: f64, holds: impl Fn(f64) -> bool) -> f64 {
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
