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
mod render;
mod replication;
#[doc(hidden)]
pub mod testing;
mod time;
mod wire;

pub use app::change::Change;
pub use app::drawing::{Drawing, Drawn, Viewers};
pub use app::fragment::{Fragment, fold};
pub use app::reflex::{Outcome, ReflexCall, ReflexError, Refusal, Write};
pub use app::view::{Author, Entry, Place, RegionState, RegionView, RoomView};
pub use app::{App, PageCache, Visit};
pub use id::{
    ConnectionId, Digest, LinkId, NodeHash, NodeName, PublicId, Region, Room, RoomHash, Stream, StreamName,
    SubscriptionId, UserId,
};
pub use io::dial::{DialError, Linked};
pub use io::entry_id::EntryId;
pub use io::mesh_view::{MeshView, NodeView, PeerState};
pub use io::message::{Message, MessageId, PastMessage};
pub use io::node_key::{NodeKey, Sign, Verify};
pub use io::output::{AbortReason, Notice, Output, Severity, Urgency};
pub use io::query::{Below, Found, ListedFact, ListedFacts, Member, Members, Query, Subtree};
pub use io::settings::Settings;
pub use io::tab::Tab;
pub use io::{Ended, Input};
pub use node::Node;
pub use time::{Mono, Now, Wall};
#[doc(hidden)]
pub use wire::kind_name;

/// Constants that a model of a node's costs needs.
pub mod costs {
    pub use crate::cost_limit::{ADVANCE_US, COST_US_MAX};
    pub use crate::discovery::HELLO_MS;
    pub use crate::local::linger::LINGER_CLOSED_MS;
    pub use crate::membership::heartbeat::{ECHOES, HEARTBEAT_MS};
    pub use crate::node::TICK_MS;
    pub use crate::node::own_state::DELTA_GAP_MS;
    pub use crate::node::suspension::AWAY_MS;
    pub use crate::render::ROOMS_A_TURN;
    pub use crate::render::pending::{CROWD_US, FEW_WATCHERS, VIEW_US, WATCHER_US};
    pub use crate::replication::{REMOVED_MAX, REMOVED_MS};
}
