//! What a node orders. Nothing here is waited for.

use std::fmt;
use std::sync::Arc;

use crate::app::drawing::Drawing;
use crate::app::reflex::Outcome;
use crate::app::traced::TracedWrites;
use crate::app::view::RoomView;
use crate::id::{ConnectionId, LinkId, NodeHash, NodeName, Region, Room, StreamName, SubscriptionId, UserId};
use crate::io::mesh_view::MeshView;
use crate::io::message::{Message, MessageId};
use crate::io::query::Found;
use crate::io::settings::KnownRegion;

/// Which of the nodes that read this one a message is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recipients {
    /// All of them.
    All,
    /// The node whose name has this hash.
    One(NodeHash),
    /// Several nodes of one region. A carrier may deliver it to the whole region, if that costs less.
    Several {
        /// Their region.
        region: Region,
        /// Hashes of their names.
        nodes: Vec<NodeHash>,
    },
}

impl Recipients {
    /// Whether it is for that node.
    pub fn includes(&self, node: NodeHash) -> bool {
        match self {
            Self::All => true,
            Self::One(one) => *one == node,
            Self::Several { nodes, .. } => nodes.contains(&node),
        }
    }
}

/// How urgent a message between nodes is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Urgency {
    /// Heartbeats: they decide who is live.
    Heartbeat,
    /// Deltas, facts, hello.
    High,
    /// Pages of tables and of facts.
    Low,
}

/// Whose click is answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClickAnswer {
    /// Which socket.
    pub connection: ConnectionId,
    /// Its subscription to the reflex channel.
    pub subscription: SubscriptionId,
    /// As it came with the call.
    pub echo: String,
}

/// A record of a disk under its key; none: it is removed.
pub type DiskRecord = (Vec<u8>, Option<Vec<u8>>);

impl Output {
    /// What [`Output::Keep`] orders to be kept, for writing many at once.
    pub fn into_record(self) -> Option<DiskRecord> {
        match self {
            Self::Keep { key, record } => Some((key, record)),
            _ => None,
        }
    }
}

/// Something to carry out. Nothing here is waited for.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Have the app draw this, and send it to its viewers, in the order of the orders.
    Draw(Drawing),
    /// Traced writes that are in their room's view now, and that no page of this node shows.
    Undrawn(TracedWrites),
    /// Answer a click.
    Answer {
        /// Where the answer goes.
        answer: ClickAnswer,
        /// How it ended.
        outcome: Outcome,
        /// Whether to wait until everything that was ordered to be kept before is on disk.
        kept: bool,
    },
    /// Write this to all who listen to its stream on this node. It is never folded or left out.
    Deliver {
        /// The message and its stream.
        message: Arc<Message>,
        /// Which one, to know it again.
        id: MessageId,
    },
    /// For how long this node has received every message that was published; `None`: something may be missing now.
    Complete {
        /// Up to this moment.
        ms: Option<u64>,
    },
    /// Another node asks for a stream's messages: [`Input::MessagesRead`](crate::Input::MessagesRead) follows.
    ReadMessages {
        /// Which question.
        question: u64,
        /// Which stream.
        stream: StreamName,
        /// Those that came in the last ms.
        age_ms: u64,
    },
    /// End this subscription: its user was made to leave the room.
    Dismiss {
        /// Which socket.
        connection: ConnectionId,
        /// Which of its subscriptions.
        subscription: SubscriptionId,
    },
    /// Close this socket: its tab goes on with another one, on another node.
    Close {
        /// Which socket.
        connection: ConnectionId,
    },
    /// What another node says of itself to operators: the newest counts.
    StatusHeard {
        /// Which node.
        node: NodeName,
        /// What it says, in a form that only the server knows.
        body: Vec<u8>,
    },
    /// A user has come to a room: the first connection over all nodes.
    Arrived {
        /// Which room.
        room: Room,
        /// Who.
        user: UserId,
        /// Display data of the member.
        info: Vec<u8>,
        /// When this stay began: ms since 1970 by the clock of the node where it did, the same on every node.
        since_ms: u64,
    },
    /// A user has left a room: the last connection over all nodes is gone, and no silent node vouches for another.
    Left {
        /// Which room.
        room: Room,
        /// Who.
        user: UserId,
        /// Display data of the member.
        info: Vec<u8>,
        /// When this stay began: ms since 1970 by the clock of the node where it did, the same on every node.
        since_ms: u64,
    },
    /// The answer to a query.
    Found {
        /// Which query.
        query: u64,
        /// What was found.
        found: Found,
    },
    /// A room has a new view: pages and the API read that from now on.
    View(Arc<RoomView>),
    /// The room's counts are due for watchers of counts alone: less often than views, the larger the room.
    Counts(Arc<RoomView>),
    /// The last connection anywhere has left a room that holds no fact: its view may be forgotten.
    Forget(Room),
    /// How many tabs a user has in a room now, over all nodes; 0: forget it. For the next page's first byte.
    Tabs {
        /// Which room.
        room: Room,
        /// Who.
        user: UserId,
        /// How many.
        tabs: u32,
    },
    /// The mesh has a new view.
    Mesh(Arc<MeshView>),
    /// Keep this on disk under this key (at most 128 bytes), or take it off.
    Keep {
        /// Unique.
        key: Vec<u8>,
        /// `None`: take it off.
        record: Option<Vec<u8>>,
    },
    /// Keep the addresses of nodes that were heard, and this node's incarnation, for the next start.
    Remember {
        /// All of them.
        addresses: Vec<String>,
        /// What the next start's must be greater than.
        incarnation: u64,
    },
    /// Keep the regions of other nodes for the next start: [`Node::with_known_regions`](crate::Node::with_known_regions).
    KeepRegions {
        /// All of them.
        regions: Vec<KnownRegion>,
    },

    /// Send to the nodes that read this one.
    Publish {
        /// Which of them.
        to: Recipients,
        /// The message.
        bytes: Vec<u8>,
        /// How urgent.
        urgency: Urgency,
    },
    /// Ask the node at the other end of a link; it answers within 2 s or not at all.
    Ask {
        /// Which link.
        link: LinkId,
        /// For the answer.
        question: u64,
        /// The request.
        bytes: Vec<u8>,
        /// How urgent.
        urgency: Urgency,
    },
    /// Answer a question.
    Reply {
        /// Which question.
        question: u64,
        /// The answer.
        bytes: Vec<u8>,
        /// How urgent.
        urgency: Urgency,
    },
    /// Open a link there; [`Input::Dialled`](crate::Input::Dialled) follows. A second order for an address that is still being dialled starts that
    /// dial again, at once: one answer follows, or two where the first dial has ended at that moment.
    Dial {
        /// `quic/host:port`.
        address: String,
    },
    /// Close a link.
    HangUp {
        /// Which.
        link: LinkId,
    },
    /// Tell the operator.
    Tell(Notice),
    /// Goodbye is said and has been repeated: the process may end.
    Finish,
    /// This node must not go on, for this reason.
    Abort(AbortReason),
}

/// What an operator reads in the log: the life of nodes and links.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Whether the operator should act.
    pub severity: Severity,
    /// The other node, where one is concerned.
    pub peer: Option<String>,
    /// Its region.
    pub region: Option<Region>,
    /// A sentence that reads alone.
    pub message: String,
}

/// Whether the operator should act.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// No.
    Info,
    /// Yes.
    Warning,
}

/// Why a node must not go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AbortReason {
    /// Another node of the mesh has this node's name.
    NameTaken {
        /// The name.
        name: NodeName,
        /// Where this node is reached.
        ours: Vec<String>,
        /// Where the other one is reached.
        theirs: Vec<String>,
    },
}

impl fmt::Display for AbortReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::NameTaken { name, ours, theirs } = self;
        let (ours, theirs) = (ours.join(", "), theirs.join(", "));
        write!(
            f,
            "Another node is called {name} too: ours is at {ours}, it is at {theirs}. Give one of them another --node."
        )
    }
}
