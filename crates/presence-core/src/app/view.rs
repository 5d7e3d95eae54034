//! What a reader sees of a room: its users, its values, and how reliable the numbers are. Immutable and shared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::app::entry_id::EntryId;
use crate::app::region::{Place, RegionView};
use crate::id::{PublicId, Region, Room, UserId};

/// Most rooms that a room's pages show, too.
pub(crate) const RELATED_MAX: usize = 256;

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
    /// Maps, by name, and their entries by key.
    pub maps: BTreeMap<String, BTreeMap<String, Entry>>,
    /// Counters that something was added to.
    pub counters: BTreeMap<String, i64>,
    /// Sets that have users.
    pub sets: BTreeMap<String, BTreeSet<PublicId>>,
    /// The values that users share while they are here, by key; of at most 1,000 users.
    pub shared: BTreeMap<String, BTreeMap<PublicId, Vec<u8>>>,
    /// Which regions have shown the newest write of a key: of writes of the last ten seconds that ask for receipts.
    pub receipts: BTreeMap<String, WriteReceipts>,
    /// The rooms that [`App::related`](crate::App::related) names: those that have users or facts. They hold no further ones.
    pub related: BTreeMap<Room, Arc<RoomView>>,
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
            maps: BTreeMap::new(),
            counters: BTreeMap::new(),
            sets: BTreeMap::new(),
            shared: BTreeMap::new(),
            receipts: BTreeMap::new(),
            related: BTreeMap::new(),
            here,
            as_of_ms: 0,
        }
    }

    /// The value of a register, as [`Write::set`](crate::Write::set) wrote it. `None` if it holds none, or one of another
    /// type.
    ///
    /// ```
    /// # use presence_core::{Author, Entry, PublicId, Region, Room, RoomView, UserId};
    /// # let here = Region::new("ams").unwrap();
    /// # let mut view = RoomView::empty(Room::new("lot").unwrap(), here.clone());
    /// # let author = Author { user: UserId([1; 32]), public: PublicId([1; 32]), region: here };
    /// # let entry = Entry { value: br#"{"cents":500,"note":"of a later version"}"#.to_vec(), author, at_ms: 0, id: None };
    /// # view.registers.insert("bid".to_owned(), entry);
    /// #[derive(serde::Deserialize)]
    /// struct Bid {
    ///     cents: u64,
    /// }
    /// assert_eq!(view.get::<Bid>("bid").map(|bid| bid.cents), Some(500));
    /// assert_eq!(view.get::<String>("bid"), None);
    /// ```
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        self.registers.get(key)?.read()
    }

    /// The entries of a map in the order of their keys, as [`Write::put`](crate::Write::put) wrote them. Those of another type
    /// are left out.
    pub fn map<T: DeserializeOwned>(&self, map: &str) -> impl Iterator<Item = (&str, T)> {
        let entries = self.maps.get(map).into_iter().flatten();
        entries.filter_map(|(key, entry)| Some((key.as_str(), entry.read()?)))
    }

    /// The value of a counter: 0 if nothing was added to it.
    pub fn count(&self, counter: &str) -> i64 {
        self.counters.get(counter).copied().unwrap_or(0)
    }

    /// How many users a set has.
    pub fn size(&self, set: &str) -> usize {
        self.sets.get(set).map_or(0, BTreeSet::len)
    }

    /// Whether a user is in a set.
    pub fn is_in(&self, set: &str, user: PublicId) -> bool {
        self.sets.get(set).is_some_and(|users| users.contains(&user))
    }

    /// The view without those of other rooms.
    pub(crate) fn alone(view: Arc<Self>) -> Arc<Self> {
        if view.related.is_empty() {
            return view;
        }
        let mut alone = Self::clone(&view);
        alone.related.clear();
        Arc::new(alone)
    }

    /// The same view with those of other rooms, which hold no further ones: two rooms may hold each other.
    pub(crate) fn with_related(self, others: impl Iterator<Item = Arc<Self>>) -> Self {
        Self { related: others.map(|other| (other.room.clone(), other)).collect(), ..self }
    }

    /// The view with those of the rooms that [`App::related`](crate::App::related) names, if no page of this node has asked
    /// for them yet: for a first page.
    #[doc(hidden)]
    pub fn completed(view: Arc<Self>, named: &[Room], find: impl Fn(&Room) -> Option<Arc<Self>>) -> Arc<Self> {
        let others: Vec<Arc<Self>> = match view.related.is_empty() {
            true => named.iter().take(RELATED_MAX).filter_map(find).map(Self::alone).collect(),
            false => Vec::new(),
        };
        if others.is_empty() { view } else { Arc::new((*view).clone().with_related(others.into_iter())) }
    }

    /// Whether no fact of this room is known.
    pub(crate) fn holds_nothing(&self) -> bool {
        let values = self.registers.is_empty() && self.logs.is_empty() && self.maps.is_empty();
        values && self.counters.is_empty() && self.sets.is_empty()
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
    /// #     id: None,
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
        self.regions.iter().filter(|region| region.is_heard()).count()
    }

    /// This node's own region.
    pub fn own(&self) -> &RegionView {
        self.regions.iter().find(|r| r.region == self.here).expect("a node knows its own region")
    }
}

/// The value of a register, or one entry of a log or a map.
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
    /// Names an entry of a log: for [`Write::remove_entry`](crate::Write::remove_entry).
    pub id: Option<EntryId>,
}

impl Entry {
    /// The value, as [`Write::set`](crate::Write::set) and its like wrote it. `None` if it is of another type.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(&self.value).ok()
    }
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

/// The regions that have shown a write: asked for by [`Write::Receipts`](crate::Write::Receipts).
///
/// ```
/// # use presence_core::{RoomView, WriteReceipts};
/// /// "seen in 3 of 6 regions, the farthest after 122 ms"
/// fn words(receipts: &WriteReceipts, view: &RoomView) -> String {
///     let seen = receipts.regions.values().filter(|receipt| receipt.seen);
///     let (count, farthest) = (seen.clone().count(), seen.map(|receipt| receipt.after_ms).max());
///     format!("seen in {count} of {} regions, the farthest after {} ms", view.regions.len(), farthest.unwrap_or(0))
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WriteReceipts {
    /// Who wrote it.
    pub author: Author,
    /// When it was written, by its stamp: ms since 1970.
    pub at_ms: u64,
    /// Regions that have it, that of its author included; at most 64.
    pub regions: BTreeMap<Region, Receipt>,
}

/// How soon a write came to a region. The first node of a region counts.
///
/// ```
/// let receipt = presence_core::Receipt { after_ms: 61, seen: true };
/// assert_eq!(format!("seen after {} ms", receipt.after_ms), "seen after 61 ms");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Receipt {
    /// Milliseconds from the click until it was there, by the clock of the node that took the click: half of the way there
    /// and back, and the time that it took there.
    pub after_ms: u32,
    /// Pages there were drawn with it; false: no page there shows the room, and a node there has it.
    pub seen: bool,
}
