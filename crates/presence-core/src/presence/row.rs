//! A row says what one node knows of one user in one room: the unit that nodes tell each other.

use minicbor::{Decode, Encode};

use crate::id::{NodeHash, Room, RoomHash, UserId};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Incarnation, Stamp};

/// One start of one node: whose table it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub(crate) struct TableKey {
    #[n(0)]
    pub(crate) node: NodeHash,
    #[n(1)]
    pub(crate) incarnation: Incarnation,
}

/// What a row is about. With [`NO_USER`] as user it is the row that holds the room's name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Encode, Decode)]
pub(crate) struct RowKey {
    #[n(0)]
    pub(crate) room: RoomHash,
    #[n(1)]
    pub(crate) user: UserId,
}

impl RowKey {
    pub(crate) fn new(room: RoomHash, user: UserId) -> Self {
        Self { room, user }
    }
}

/// The user of the rows that hold rooms' names: no hash is all zeros.
pub(crate) const NO_USER: UserId = UserId([0; 32]);

/// Tabs that a new connection has taken the place of, on another node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Took {
    /// Whose.
    #[n(0)]
    pub(crate) table: TableKey,
    /// How many.
    #[n(1)]
    pub(crate) tabs: u32,
    /// The number of the row there that showed them. A node that only knows an older row can't see yet that they linger.
    #[n(2)]
    pub(crate) seen: u64,
}

/// Something that a user shows the others for as long as they are there.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Share {
    #[n(0)]
    pub(crate) key: String,
    /// A user who is on two nodes shows what is newer.
    #[n(1)]
    pub(crate) stamp: Stamp,
    #[cbor(n(2), with = "minicbor::bytes")]
    pub(crate) value: Vec<u8>,
}

/// Absolute values: taking a row twice changes nothing.
#[derive(Clone, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Row {
    #[n(0)]
    pub(crate) key: RowKey,
    /// Of its last change, in its node's sequence; 0 while no delta has named it.
    #[n(1)]
    pub(crate) number: u64,
    /// Open connections.
    #[n(2)]
    pub(crate) open: u32,
    /// Closed ones that still count.
    #[n(3)]
    pub(crate) lingering: u32,
    #[n(4)]
    pub(crate) took: Vec<Took>,
    /// Connections, lingering ones included, whose page is visible.
    #[n(5)]
    pub(crate) visible: u32,
    /// When the user joined: ms since 1970 by the node's clock.
    #[n(6)]
    pub(crate) since_ms: u64,
    /// Display data; the room's name in a name's row.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub(crate) info: Vec<u8>,
    /// Only in the build that stands for a later version: what older ones must skip.
    #[cfg(feature = "later-version")]
    #[n(8)]
    pub(crate) later: Option<u64>,
    /// Connections, lingering ones included, that no pong proves to be alive.
    #[cbor(n(9), default)]
    pub(crate) unproven: u32,
    #[cbor(n(10), default)]
    pub(crate) shared: Vec<Share>,
}

impl Row {
    /// A row without connections.
    pub(crate) fn new(key: RowKey, info: Vec<u8>, since_ms: u64) -> Self {
        Self {
            key,
            number: 0,
            open: 0,
            lingering: 0,
            took: Vec::new(),
            visible: 0,
            since_ms,
            info,
            #[cfg(feature = "later-version")]
            later: Some(7),
            unproven: 0,
            shared: Vec::new(),
        }
    }
}

/// Longest display data of a member in bytes: a name's row is as long at the most.
pub(crate) const INFO_BYTES_MAX: usize = Room::NAME_BYTES_MAX;
/// Most tabs of one user on one node that count.
const TABS_MAX: u32 = 65_535;
/// Of how many other tables one user's connections may have taken tabs.
const TOOK_MAX: usize = 16;
/// Most values that a user shows, and how long the key and value of one may be together.
const SHARES_TAKEN_MAX: usize = 8;
const SHARE_BYTES_MAX: usize = 64 + 256;

impl Row {
    /// What another node says, cut to what a row may hold: its key and number stay, so that roots are equal.
    pub(crate) fn cut(mut self) -> Self {
        if injected(Fault::RowsUncut) {
            return self;
        }
        for count in [&mut self.open, &mut self.lingering, &mut self.visible, &mut self.unproven] {
            *count = (*count).min(TABS_MAX);
        }
        self.took.truncate(TOOK_MAX);
        self.took.iter_mut().for_each(|took| took.tabs = took.tabs.min(TABS_MAX));
        if self.info.len() > INFO_BYTES_MAX {
            self.info = Vec::new();
        }
        self.shared.truncate(SHARES_TAKEN_MAX);
        self.shared.retain(|share| share.key.len() + share.value.len() <= SHARE_BYTES_MAX);
        self
    }
}

/// How the rows of a node count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Weight {
    /// The node is heard: open and lingering tabs count.
    Counted,
    /// It left on purpose: all its tabs count until they run out or are taken.
    Held,
    /// It was killed and is back: as held ones, less what its users have open elsewhere.
    Expected,
    /// It is silent: users for which only it vouches are unsure.
    Unsure,
}

/// A row that was removed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Encode, Decode)]
pub(crate) struct Removed {
    #[n(0)]
    pub(crate) key: RowKey,
    #[n(1)]
    pub(crate) number: u64,
}
