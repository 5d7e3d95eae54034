//! What a reader sees of a room: its users, its values, and how reliable the numbers are. Immutable and shared.

use std::collections::BTreeMap;

use crate::id::{PublicId, Region, Room, UserId};

/// A room at one moment, as this node knows it.
///
/// ```
/// use presence_core::{Region, Room, RoomView};
///
/// let empty = RoomView::empty(Room::new("shop").unwrap(), Region::new("ams").unwrap());
/// let view = RoomView { users: 3, ..empty };
/// assert_eq!(format!("{} people are here", view.users), "3 people are here");
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct RoomView {
    /// Which room.
    pub room: Room,
    /// Rises with every view of this room on this node.
    pub version: u64,
    /// Distinct users with a connection, over all regions.
    pub users: u32,
    /// Their connections.
    pub tabs: u32,
    /// Users that only a silent node reports; never part of `users`.
    pub unsure: u32,
    /// Those of `users` who have a visible page.
    pub looking: u32,
    /// Those of `users` that no pong confirms: all their connections are event streams or frames.
    pub unproven: u32,
    /// All known regions, also empty ones, by code.
    pub regions: Vec<RegionView>,
    /// Registers that hold a value.
    pub registers: BTreeMap<String, Entry>,
    /// Logs, newest entry first.
    pub logs: BTreeMap<String, Vec<Entry>>,
    /// The values that users share while they are here, by key; of at most 1,000 users.
    pub shared: BTreeMap<String, BTreeMap<PublicId, Vec<u8>>>,
    /// This node's region.
    pub here: Region,
    /// When this was true: ms since 1970 by the node's time.
    pub as_of_ms: u64,
}

impl RoomView {
    /// An empty room, seen from a region that hears no other: for tests of an app.
    pub fn empty(room: Room, here: Region) -> Self {
        let own = RegionView::empty(here.clone(), Place { name: here.to_string(), location: None });
        Self {
            room,
            version: 0,
            users: 0,
            tabs: 0,
            unsure: 0,
            looking: 0,
            unproven: 0,
            regions: vec![own],
            registers: BTreeMap::new(),
            logs: BTreeMap::new(),
            shared: BTreeMap::new(),
            here,
            as_of_ms: 0,
        }
    }

    /// The newest entry of each user in a log: one vote each, even of users who vote several times.
    ///
    /// ```
    /// # use presence_core::{Author, Entry, PublicId, Region, Room, RoomView, UserId};
    /// # let here = Region::new("ams").unwrap();
    /// # let mut view = RoomView::empty(Room::new("poll").unwrap(), here.clone());
    /// # let entry = |user: u8, value: &str| Entry {
    /// #     value: value.into(),
    /// #     author: Author { user: UserId([user; 32]), public: PublicId([user; 32]), region: here.clone() },
    /// #     at_ms: 0,
    /// # };
    /// // The newest first, as a view holds them: one user has changed from coffee to tea.
    /// view.logs.insert("votes".to_owned(), vec![entry(1, "tea"), entry(2, "tea"), entry(1, "coffee")]);
    /// let votes = view.newest_of_each("votes");
    /// assert_eq!(votes.values().filter(|entry| entry.value == b"tea").count(), 2);
    /// ```
    pub fn newest_of_each(&self, log: &str) -> BTreeMap<PublicId, &Entry> {
        let oldest_first = self.logs.get(log).into_iter().flatten().rev();
        oldest_first.map(|entry| (entry.author.public, entry)).collect()
    }

    /// How many of the regions are live and fully known to this node.
    pub fn regions_heard(&self) -> usize {
        self.regions.iter().filter(|r| r.state == RegionState::Live && r.whole).count()
    }

    /// This node's own region.
    pub fn own(&self) -> &RegionView {
        self.regions.iter().find(|r| r.region == self.here).expect("a node knows its own region")
    }
}

/// The value of a register, or one entry of a log.
///
/// ```
/// # use presence_core::{Entry, RoomView};
/// /// Whether the room's lamp is on, and who has switched it.
/// fn lamp(view: &RoomView) -> Option<(bool, String)> {
///     let entry: &Entry = view.registers.get("lamp")?;
///     Some((entry.value == b"on", entry.author.public.short()))
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The bytes that the app wrote.
    pub value: Vec<u8>,
    /// Who wrote it.
    pub author: Author,
    /// When it was written, by its stamp: ms since 1970.
    pub at_ms: u64,
}

/// The author of a fact.
///
/// ```
/// # use presence_core::{Author, PublicId, Region, UserId};
/// # let author = Author { user: UserId([1; 32]), public: PublicId([0x1a; 32]), region: Region::new("yyz").unwrap() };
/// assert_eq!(format!("#{} from {}", author.public.short(), author.region), "#1A1A1A1A from yyz");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Author {
    /// The user, never shown.
    pub user: UserId,
    /// The user as the room's visitors see them.
    pub public: PublicId,
    /// The region whose node accepted the write.
    pub region: Region,
}

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
