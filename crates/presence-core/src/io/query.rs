//! Questions that no view answers, and their answers.

use crate::app::fact_kind::FactKind;
use crate::app::reflex::ReflexError;
use crate::id::{PublicId, Region, Room, StreamName, UserId};
use crate::io::message::PastMessage;

/// What is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Query {
    /// The members of a room, in the order of their public ids.
    Members {
        /// Which room.
        room: Room,
        /// Only those after this one: [`Members::next`] of the answer before.
        after: Option<PublicId>,
        /// How many at most; never more than 1,000.
        most: usize,
        /// Only those with a connection in this region.
        region: Option<Region>,
    },
    /// The rooms with the most users.
    Busiest {
        /// Only rooms whose name has this prefix.
        prefix: String,
        /// How many at most; never more than 1,000.
        most: usize,
    },
    /// The distinct users of all rooms of a subtree.
    Below(Subtree),
    /// The messages that were published to a stream in the last ms, as far as this node lacks them.
    Messages {
        /// Which stream.
        stream: StreamName,
        /// How far back.
        age_ms: u64,
    },
    /// The facts of a room, in the order of their keys.
    Facts {
        /// Which room.
        room: Room,
        /// Only those of later keys: [`ListedFacts::next`] of the answer before.
        after: Option<String>,
    },
    /// All facts of all rooms, in the order of their rooms and keys.
    AllFacts {
        /// Only those behind this place: [`ExportedFacts::next`] of the answer before.
        after: Option<ExportCursor>,
    },
}

/// The rooms whose name begins with a path, and the room whose name is the path without its slash.
///
/// ```
/// use presence_core::{Room, Subtree};
///
/// let shop = Subtree { path: "shop.example/".to_owned(), except: Some("shop.example/private/".to_owned()) };
/// let has = |name| shop.contains(&Room::new(name).unwrap());
/// assert!(has("shop.example") && has("shop.example/lamp"));
/// assert!(!has("shop.example.org") && !has("shop.example/private/7"));
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subtree {
    /// The path, with the slash at its end.
    pub path: String,
    /// Rooms whose name begins with this are left out.
    pub except: Option<String>,
}

impl Subtree {
    /// Whether this room is one of them.
    pub fn contains(&self, room: &Room) -> bool {
        let (name, path) = (room.as_str(), self.path.as_str());
        let inside = name.starts_with(path) || path.strip_suffix('/') == Some(name);
        inside && !self.except.as_ref().is_some_and(|except| name.starts_with(except.as_str()))
    }
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// For [`Query::Members`].
    Members(Members),
    /// For [`Query::Busiest`]: rooms and their users, the busiest first.
    Busiest(Vec<(Room, u32)>),
    /// For [`Query::Below`].
    Below(Below),
    /// For [`Query::Facts`].
    Facts(ListedFacts),
    /// For [`Query::AllFacts`].
    AllFacts(ExportedFacts),
    /// For [`Query::Messages`]: with these a node has all of them. `None`: some are lost, or can't be asked for now.
    Messages(Option<Vec<PastMessage>>),
    /// For [`Input::FactRemoved`](crate::Input::FactRemoved): how many facts were removed.
    Removed(usize),
    /// For [`Input::FactsImported`](crate::Input::FactsImported): what became of each record, in their order.
    Imported(Vec<ImportResult>),
    /// For [`Input::FactsWritten`](crate::Input::FactsWritten).
    Written(Result<(), ReflexError>),
}

/// Some of a room's members.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Members {
    /// How many are in the room, of all regions, unsure ones included.
    pub total: usize,
    /// Those asked for.
    pub members: Vec<Member>,
    /// Where to go on; `None`: that was all.
    pub next: Option<PublicId>,
}

/// A user in a room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// As the room's visitors see them.
    pub public: PublicId,
    /// Never shown.
    pub user: UserId,
    /// Display data.
    pub info: Vec<u8>,
    /// When they joined: ms since 1970 by their node's clock.
    pub since_ms: u64,
    /// Their connections; 0 if only a silent node reports them.
    pub tabs: u32,
    /// Where those are, by code.
    pub regions: Vec<Region>,
}

/// All rooms below a path together.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Below {
    /// Distinct users with a connection to any of them.
    pub users: u32,
    /// Their connections.
    pub tabs: u32,
    /// Users that only silent nodes report.
    pub unsure: u32,
    /// Those of the users who have a visible page.
    pub looking: u32,
    /// Those of the users that no pong confirms.
    pub unproven: u32,
    /// Distinct users of each region that has any.
    pub regions: Vec<(Region, u32)>,
}

/// Some of a room's facts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ListedFacts {
    /// Those asked for.
    pub facts: Vec<ListedFact>,
    /// The key to go on after; `None`: that was all.
    pub next: Option<String>,
}

/// A fact as an operator sees it: a register, one entry of a log or a map, one user of a set, or what the clicks of one start
/// of a node have added to a counter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListedFact {
    /// What it is a part of.
    pub kind: FactKind,
    /// The name of that.
    pub key: String,
    /// Which entry of a log or a map, which user of a set, which node of a counter; `None` for a register.
    pub entry: Option<String>,
    /// The bytes that the app wrote; what was added to a counter, as text.
    pub value: Vec<u8>,
    /// Its author, as the room's visitors see them.
    pub author: PublicId,
    /// The region whose node took the write.
    pub region: Region,
    /// When it was written: ms since 1970.
    pub at_ms: u64,
    /// When it runs out: ms since 1970.
    pub expires_ms: u64,
}

/// Some of a node's facts, those that were removed included, in the order of their rooms and keys.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ExportedFacts {
    /// Those asked for.
    pub facts: Vec<ExportedFact>,
    /// Where to go on; `None`: that was all.
    pub next: Option<ExportCursor>,
}

/// A place among all facts: behind this key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportCursor {
    /// The room of the last fact that was read.
    pub room: Room,
    /// Its key, as nodes file it.
    pub key: String,
}

/// A fact as an operator sees it, and as nodes keep it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExportedFact {
    /// The room that it is in.
    pub room: Room,
    /// What people read of it.
    pub listed: ListedFact,
    /// It stands for a fact that was removed, so that none brings it back.
    pub removed: bool,
    /// All of it, as its author has written it: at most 8 KiB, for [`Input::FactsImported`](crate::Input::FactsImported).
    pub record: Vec<u8>,
}

/// What became of a record that was imported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ImportResult {
    /// It is in, and is on its way to the other nodes.
    Taken,
    /// What is known already is as new, or newer.
    Known,
    /// It is no record of a fact.
    Malformed,
    /// It has expired.
    Expired,
    /// It is stamped later than the node's clock allows.
    TooFarAhead,
    /// The node keeps as many facts as it may.
    Full,
}

impl ImportResult {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Known => "known",
            Self::Malformed => "malformed",
            Self::Expired => "expired",
            Self::TooFarAhead => "too_far_ahead",
            Self::Full => "full",
        }
    }
}
