//! What a reader sees of a room: who is here, values, messages, and how sure we are. Immutable, shared, never asked for.

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
    /// Users for which only a silent node vouches; never part of `users`.
    pub unsure: u32,
    /// Those of `users` who have a visible page.
    pub looking: u32,
    /// Those of `users` that no pong proves to be there: all their connections are event streams or frames.
    pub unproven: u32,
    /// All known regions, also empty ones, by code.
    pub regions: Vec<RegionView>,
    /// Registers that hold a value.
    pub registers: BTreeMap<String, Entry>,
    /// Logs, newest entry first.
    pub logs: BTreeMap<String, Vec<Entry>>,
    /// What users show for as long as they are here, by key; of a thousand of them at most.
    pub shared: BTreeMap<String, BTreeMap<PublicId, Vec<u8>>>,
    /// This node's region.
    pub here: Region,
    /// When this was true: ms since 1970 by the node's time.
    pub as_of_ms: u64,
}

impl RoomView {
    /// An empty room, seen from a region that hears no other: what tests of an app begin with.
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

    /// The newest entry of each user in a log: a vote each, however often users change their minds.
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

    /// How many known regions are live and fully known here.
    pub fn regions_heard(&self) -> usize {
        self.regions.iter().filter(|r| r.state == RegionState::Live && r.whole).count()
    }

    /// This node's own region.
    pub fn own(&self) -> &RegionView {
        self.regions.iter().find(|r| r.region == self.here).expect("a node knows its own region")
    }
}

/// One value, or one message of a log.
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
    /// Who, from where.
    pub author: Author,
    /// When, by its stamp: ms since 1970.
    pub at_ms: u64,
}

/// Who did something: kept with every fact.
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
    /// The region whose node took the write.
    pub region: Region,
}

/// A region as this node knows it, with one room's numbers.
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
    /// Its name and where it is, as its nodes announce.
    pub place: Place,
    /// As good as its best node.
    pub state: RegionState,
    /// When the state became what it is: ms since 1970 by the node's time.
    pub since_ms: u64,
    /// Every node of it that is not gone is known completely.
    pub whole: bool,
    /// How long ago it was last heard, in ms; 0 for our own.
    pub heard_ms_ago: u64,
    /// Round-trip time from here in ms, where it is known; `None` for our own.
    pub round_trip_ms: Option<u32>,
    /// Distinct users of the room with a connection to its nodes.
    pub users: u32,
    /// Their connections there.
    pub tabs: u32,
    /// Users for which only silent nodes of it vouch.
    pub unsure: u32,
}

impl RegionView {
    /// A live region without users whose rows are all known: one's own at the start, and what tests begin with.
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

/// How a region is judged.
///
/// ```
/// assert_eq!(presence_core::RegionState::Silent.as_str(), "silent");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum RegionState {
    /// Heard within the lease.
    Live,
    /// It says goodbye: its tabs are held.
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
