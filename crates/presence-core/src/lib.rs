//! Decides which users are in which rooms, which facts hold, and what changes on pages.
//!
//! Start at [`Node`]: it is one function, `handle(input, now) -> outputs`. It has no clock, socket, task or random numbers, and
//! never depends on the order of a hash map. So whole worlds of nodes run in one seeded loop.
//!
//! A click writes a fact ([`App::reflex`]), and facts are sent to all nodes. Every page change, in the region of the click and
//! in all others, is drawn by the code that reacts to a changed fact ([`App::render`]). A node never calls the app itself: a
//! click arrives with the app's answer ([`Input::Clicked`]), and drawing is an order ([`Output::Draw`]).

mod app;
mod cost_limit;
mod discovery;
mod facts;
mod id;
mod identity;
mod io;
mod local;
mod membership;
mod node;
mod outputs;
mod presence;
mod pubsub;
mod receipts;
mod render;
mod replication;
#[doc(hidden)]
pub mod testing;
mod time;
mod trace;
mod wire;

pub use app::change::Change;
pub use app::click::Click;
pub use app::drawing::{Drawing, Drawn, Viewers};
pub use app::entry_id::EntryId;
pub use app::fact_kind::FactKind;
pub use app::fields::Fields;
pub use app::fragment::{Fragment, fold};
pub use app::reflex::{Outcome, ReflexError, Refusal};
pub use app::region::{Place, RegionState, RegionView};
pub use app::report::Report;
pub use app::request::{PageError, PageRequest, Route, SignedUser};
pub use app::traced::{TracedWrite, TracedWrites};
pub use app::view::{Author, Entry, Receipt, RoomView, WriteReceipts};
pub use app::write::{Lifetime, NotJson, Write};
pub use app::{App, PageCache, Visit};
pub use id::{
    ConnectionId, Digest, LinkId, NodeHash, NodeName, PublicId, Region, Room, RoomHash, Stream, StreamName,
    SubscriptionId, TabId, UserId,
};
pub use io::dial::{DialError, Linked};
pub use io::mesh_view::{MeshView, NodeView, PeerState, ReceiptTimes, RowTotals};
pub use io::message::{Message, MessageId, PastMessage};
pub use io::node_counts::{LinkCounts, NodeCounts, TabCounts};
pub use io::node_key::{NodeKey, Sign, Verify};
pub use io::output::{AbortReason, ClickAnswer, DiskRecord, Notice, Output, Recipients, Severity, Urgency};
pub use io::query::{
    Below, ExportCursor, ExportedFact, ExportedFacts, Found, ImportResult, ListedFact, ListedFacts, Member, Members,
    Query, Subtree,
};
pub use io::settings::{FactSettings, KnownRegion, Settings};
pub use io::tab::Tab;
pub use io::{Ended, Input};
pub use node::Node;
pub use time::{Mono, Now, Wall};
pub use trace::TraceContext;
#[doc(hidden)]
pub use wire::kind_name;

/// Constants that a model of a node's costs needs.
pub mod costs {
    pub use crate::cost_limit::{ADVANCE_US, COST_US_MAX};
    pub use crate::discovery::{HELLO_MS, HELLO_TURN_MS};
    pub use crate::local::linger::LINGER_CLOSED_MS;
    pub use crate::membership::heartbeat::{ECHOES, HEARTBEAT_MS};
    pub use crate::node::TICK_MS;
    pub use crate::node::own_state::DELTA_GAP_MS;
    pub use crate::node::suspension::SUSPENDED_MS;
    pub use crate::render::ROOMS_A_TURN;
    pub use crate::render::pending::{CROWD_US, FEW_WATCHERS, VIEW_US, WATCHER_US};
    pub use crate::replication::{REMOVED_MAX, REMOVED_MS};
}
