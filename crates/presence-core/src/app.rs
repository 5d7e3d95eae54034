//! What is built on presence: an app is three functions, `page`, `reflex` and `render`.

use crate::fragment::Fragment;
use crate::id::{PublicId, Region, UserId};
use crate::room::RoomView;

/// A live feature. Everything that it decides is decided from its arguments; it keeps nothing.
pub trait App: Send + Sync + 'static {
    /// A whole page, right before any script runs.
    fn page(&self, view: &RoomView, visit: &Visit<'_>) -> String;

    /// What a click means: facts to write, or why not. It never touches a page.
    fn reflex(&self, call: &ReflexCall, view: &RoomView) -> Result<Vec<Write>, Refusal>;

    /// What a change looks like, wherever the change was made.
    fn render(&self, change: &Change, view: &RoomView) -> Vec<Fragment>;
}

/// One request for a page.
#[derive(Clone, Debug)]
pub struct Visit<'a> {
    /// Who asked, as others see them.
    pub user: PublicId,
    /// How many tabs that user has open in the room already.
    pub tabs: u32,
    /// The code of the edge region that the request entered by, where a trusted proxy said so; lower case.
    pub edge: Option<&'a str>,
    /// The signed name of the room's stream, for `<cable-ready-stream-from>` and the reflex channel's `room`.
    pub room_stream: &'a str,
    /// The signed name of the user's stream, for `<cable-ready-stream-from>`.
    pub user_stream: &'a str,
    /// Where the stock clients are, for `<script type="module" src="…">`: what makes the page live.
    pub script: &'a str,
    /// A random number, new at every load.
    pub chance: u64,
    /// When it asked: ms since 1970 by the node's time. The view may be of an hour ago, if nothing has changed since.
    pub now_ms: u64,
}

/// A click as the browser sent it: untrusted input.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ReflexCall {
    /// `Lightbulb#toggle`, without the optional `Reflex` of `LightbulbReflex#toggle`.
    pub target: String,
    /// The element's attributes as text (`aria-pressed`, `data-colour`, ...), data attributes included.
    pub attrs: std::collections::BTreeMap<String, String>,
    /// Handed back untouched with the answer: what the translator needs to write it.
    pub echo: String,
}

/// How a reflex ended, for its sender only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was carried out; changes draw what came of it (`morph-nothing`).
    Done,
    /// Too fast, or not now (`morph-halted`).
    Halted,
    /// It can't be carried out, and why (`morph-error`).
    Failed(String),
}

/// Why a reflex writes nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No reflex has that name.
    Unknown,
    /// Refused for this reason, a sentence for the developer of the page.
    Because(String),
}

/// A fact that somebody wants. It carries a value, never "flip".
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// Sets a register.
    Set {
        /// Which register of the room: 1 to 64 bytes.
        key: &'static str,
        /// At most 4 KiB.
        value: Vec<u8>,
        /// How long it stays after its stamp, in ms; 30 days unless said.
        lasts_ms: Option<u64>,
    },
    /// Adds an entry to a log.
    Append {
        /// Which log of the room: 1 to 64 bytes.
        key: &'static str,
        /// At most 4 KiB.
        value: Vec<u8>,
        /// How many entries the log keeps, the newest.
        cap: u16,
        /// How long it stays after its stamp, in ms; 30 days unless said.
        lasts_ms: Option<u64>,
    },
    /// Shows something of the user who clicked for as long as they are in the room: a cursor, what they hold. Never
    /// stored; the newest one counts; at most 20 a second of each user are shown, the last one always.
    Share {
        /// Under which name: 1 to 64 bytes, at most 4 of them for each user and room.
        key: &'static str,
        /// At most 256 bytes; empty: nothing any more.
        value: Vec<u8>,
    },
}

/// What became different in a room. Local or from the other side of the world, a change looks the same.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Change {
    /// Somebody has just arrived, or missed something: every fragment of the room that is the same for all, also those
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
    /// Somebody shows something else under this key, or has gone with what they showed.
    Shared(String),
    /// For one user: who "you" are. Sent when a tab of theirs has joined.
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

/// Who did something: kept with every fact.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Author {
    /// The user, never shown.
    pub user: UserId,
    /// The user as the room's visitors see them.
    pub public: PublicId,
    /// The region whose node took the write.
    pub region: Region,
}
