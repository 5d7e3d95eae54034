//! What became different in a room.

use crate::app::fact_kind::FactKind;
use crate::id::{PublicId, Region, Room};

/// What became different in a room. A change from another region looks the same as a local one.
///
/// ```
/// use presence_core::{Change, Fragment, RoomView};
///
/// /// Draws a number when it changes, and for visitors who have just joined.
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
    /// A visitor has just joined, or missed something: draw every fragment that is the same for all users of the room, also
    /// those of empty registers, logs and maps.
    Everything,
    /// The list of known regions, or the state or round-trip time of one.
    Regions,
    /// The number of users, tabs or unsure users in the whole room.
    Counts,
    /// The same numbers for one region.
    RegionCounts(Region),
    /// A register was set or removed.
    Set(String),
    /// The time of a register is over: a deadline has come. It is drawn at that moment, in all regions.
    Expired(String),
    /// The entries of a log.
    Logged(String),
    /// An entry of a map was set, was removed, or has expired.
    Mapped {
        /// Which map.
        map: String,
        /// The key of the entry.
        entry: String,
    },
    /// The value of a counter.
    Counted(String),
    /// The users of a set.
    Membered(String),
    /// More regions have shown the newest write of this key, which asked for receipts: see
    /// [`RoomView::receipts`](crate::RoomView::receipts). Its author's tabs are drawn [`Change::You`], too.
    Receipts(String),
    /// What the pages show of another room, which [`App::related`](crate::App::related) names.
    Related(Room),
    /// A minute has passed: what a page says of the time, such as "3 min ago", is another. Where this node has a page of the
    /// room.
    Minute,
    /// What a user shares under this key: another value, or none.
    Shared(String),
    /// For one user: what only they see. Sent to a tab that has joined, to all tabs of a user whose write has changed
    /// something, and to those of every user in the room after a change for which [`App::redraws_own`](crate::App::redraws_own)
    /// returns true.
    You {
        /// The user as others see them.
        user: PublicId,
    },
    /// For one user: how many tabs they have open in the room, in all regions together.
    Tabs {
        /// The user as others see them.
        user: PublicId,
        /// The number.
        tabs: u32,
    },
    /// For one connection: its round-trip time to this node.
    RoundTrip {
        /// Milliseconds.
        ms: u32,
    },
}

impl Change {
    /// What kind of fact is new; `None` where it is none that an app writes.
    pub(crate) fn fact_kind(&self) -> Option<FactKind> {
        match self {
            Self::Set(_) => Some(FactKind::Register),
            Self::Logged(_) => Some(FactKind::Log),
            Self::Mapped { .. } => Some(FactKind::Map),
            Self::Counted(_) => Some(FactKind::Counter),
            Self::Membered(_) => Some(FactKind::Set),
            _ => None,
        }
    }
}
