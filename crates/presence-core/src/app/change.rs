//! What became different in a room.

use crate::id::{PublicId, Region};

/// What became different in a room. Local or from the other side of the world, a change looks the same.
///
/// ```
/// use presence_core::{Change, Fragment, RoomView};
///
/// /// A number that is drawn when it changes, and for newcomers. What a fragment does not depend on is left alone.
/// fn render(change: &Change, view: &RoomView) -> Vec<Fragment> {
///     match change {
///         Change::Everything | Change::Counts => {
///             vec![Fragment::new("here", format!("<p id=\"here\">{} here</p>", view.users))]
///         }
///         _ => Vec::new(),
///     }
/// }
/// # use presence_core::{Region, Room};
/// # let view = RoomView::empty(Room::new("lamp").unwrap(), Region::new("ams").unwrap());
/// assert_eq!(render(&Change::Counts, &view).len(), 1);
/// assert_eq!(render(&Change::Set("lamp".to_owned()), &view), []);
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    /// A visitor has just arrived, or missed something: every fragment of the room that is the same for all, also those
    /// of registers and logs that hold nothing.
    Everything,
    /// Which regions are known, or the state of one, or its round-trip time.
    Regions,
    /// How many users, tabs or unsure ones there are in the whole room.
    Counts,
    /// The same for one region.
    RegionCounts(Region),
    /// A register was set, or ran out.
    Set(String),
    /// A log has another content.
    Logged(String),
    /// A user shows something else under this key, or has gone with what they showed.
    Shared(String),
    /// For one user: who "you" are, and what is yours. Sent when a tab of theirs has joined, and to all their tabs when
    /// something that they wrote is there.
    You {
        /// The user as others see them.
        user: PublicId,
    },
    /// For one user: how many tabs they have open in the room, over all regions.
    Tabs {
        /// The user as others see them.
        user: PublicId,
        /// The number.
        tabs: u32,
    },
    /// For one connection: its round trip to this node.
    RoundTrip {
        /// Milliseconds.
        ms: u32,
    },
}
