//! A region as a node knows it: its place, its state and its visitors.

use crate::id::Region;

/// A region as this node knows it, with the numbers of one room.
///
/// ```
/// # use presence_core::{Region, RegionState, RegionView, Room, RoomView};
/// # let view = RoomView::empty(Room::new("shop").unwrap(), Region::new("ams").unwrap());
/// let heard = |region: &RegionView| region.state == RegionState::Live;
/// let line = |region: &RegionView| format!("{}: {} here, {} unsure", region.place.name, region.users, region.unsure);
/// let lines: Vec<String> = view.regions.iter().filter(|region| heard(region)).map(line).collect();
/// assert_eq!(lines, ["ams: 0 here, 0 unsure"]);
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct RegionView {
    /// Its code.
    pub region: Region,
    /// Its name and location, as its nodes announce them.
    pub place: Place,
    /// The best state of its nodes.
    pub state: RegionState,
    /// When it entered this state: ms since 1970 by the node's time.
    pub since_ms: u64,
    /// Whether it is fully known: the rows of all its nodes that are not gone are complete here.
    pub whole: bool,
    /// How long ago it was last heard, in ms; 0 for this node's own region.
    pub heard_ms_ago: u64,
    /// Round-trip time from here in ms, if known; `None` for this node's own region.
    pub round_trip_ms: Option<u32>,
    /// Distinct users of the room with a connection to its nodes.
    pub users: u32,
    /// Their connections there.
    pub tabs: u32,
    /// Users that only silent nodes of this region report.
    pub unsure: u32,
}

impl RegionView {
    /// Whether it is live and fully known to this node.
    pub fn is_heard(&self) -> bool {
        self.state == RegionState::Live && self.whole
    }

    /// A live, fully known region without users: for tests of an app.
    pub fn empty(region: Region, place: Place) -> Self {
        Self {
            region,
            place,
            state: RegionState::Live,
            since_ms: 0,
            whole: true,
            heard_ms_ago: 0,
            round_trip_ms: None,
            users: 0,
            tabs: 0,
            unsure: 0,
        }
    }
}

/// A place in words and on the map.
///
/// ```
/// let toronto = presence_core::Place { name: "Toronto, Canada".to_owned(), location: Some((43.68, -79.63)) };
/// assert_eq!(toronto.name.split(", ").next(), Some("Toronto"));
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Place {
    /// "Toronto, Canada"; the code where no name is known.
    pub name: String,
    /// Latitude and longitude in degrees, where known.
    pub location: Option<(f64, f64)>,
}

/// Whether a region is heard.
///
/// ```
/// assert_eq!(presence_core::RegionState::Silent.as_str(), "silent");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RegionState {
    /// Heard within the lease.
    Live,
    /// It leaves on purpose: its tabs are held.
    Draining,
    /// Not heard for a lease.
    Silent,
    /// Silent for a minute.
    Gone,
}

impl RegionState {
    /// The word in the API and on pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Draining => "draining",
            Self::Silent => "silent",
            Self::Gone => "gone",
        }
    }
}
