//! What can happen to a node, and what a node can order. Inputs are past tense, outputs are orders.

use std::sync::Arc;

use crate::app::fragment::Fragment;
use crate::app::reflex::{Outcome, ReflexCall};
use crate::app::view::{MeshView, RoomView};
use crate::id::{ConnectionId, LinkId, NodeHash, PublicId, Region, Room, Stream, SubscriptionId, UserId};
use crate::io_message::Message;
use crate::io_query::{Found, Query};
use crate::tab::Tab;

/// How a connection ended: it decides how long its tab still counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// With a close frame from the browser, or by unsubscribing.
    Closed,
    /// Without a word: the stock client is back in 6 to 18 s.
    Lost,
    /// A pong was missing, or the browser took nothing.
    Unanswered,
    /// By its own word: nobody is waited for.
    Resigned,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// 200 ms have passed, or the moment of [`Node::wake_at_ms`](crate::Node::wake_at_ms) has come.
    Ticked,
    /// A connection's subscription to a room was confirmed. The hub already listens to the room's stream for it.
    Joined {
        /// Which socket.
        connection: ConnectionId,
        /// Which of its subscriptions: the whole room is shown there.
        subscription: SubscriptionId,
        /// Which room.
        room: Room,
        /// Whose socket it is.
        user: UserId,
        /// How it takes part.
        tab: Tab,
    },
    /// A page was hidden, or shown again.
    Looked {
        /// Which socket.
        connection: ConnectionId,
        /// Its subscription to the room.
        subscription: SubscriptionId,
        /// Whether it is visible now.
        visible: bool,
    },
    /// A connection's subscription to its own user's stream was confirmed; the hub already listens.
    Listened {
        /// Which socket.
        connection: ConnectionId,
        /// Which of its subscriptions: who "you" are is shown there.
        subscription: SubscriptionId,
        /// In which room.
        room: Room,
        /// Whose socket it is.
        user: UserId,
    },
    /// A subscription lost fragments that its browser was too slow for, and can take them again: what was shown when
    /// it joined or listened is to be shown anew.
    Refreshed {
        /// Which socket.
        connection: ConnectionId,
        /// Which of its subscriptions.
        subscription: SubscriptionId,
    },
    /// One subscription (to a room or to a user's stream) ended, the socket goes on.
    Unsubscribed {
        /// Which socket.
        connection: ConnectionId,
        /// Which of its subscriptions.
        subscription: SubscriptionId,
    },
    /// A member of a room said that it is there no more: nothing lingers.
    Resigned {
        /// Which socket.
        connection: ConnectionId,
        /// Which of its subscriptions.
        subscription: SubscriptionId,
    },
    /// A socket ended, and with it all its subscriptions.
    Disconnected {
        /// Which socket.
        connection: ConnectionId,
        /// How.
        ended: Ended,
    },
    /// This node served that user a page of the room: what it leaves lingers longer, until a connection follows.
    Served {
        /// Which room.
        room: Room,
        /// Who.
        user: UserId,
    },
    /// A click arrived.
    Clicked {
        /// Which socket.
        connection: ConnectionId,
        /// Its subscription to the reflex channel: the answer goes there.
        subscription: SubscriptionId,
        /// The room that the channel's signed parameter names.
        room: Room,
        /// Whose socket it is.
        user: UserId,
        /// What was clicked.
        call: ReflexCall,
    },
    /// The socket's own ping was answered.
    Ponged {
        /// Which socket.
        connection: ConnectionId,
        /// The round trip in ms.
        round_trip_ms: u32,
    },

    /// Somebody published a message: it goes to all who listen to its stream, in every region.
    Published {
        /// What, and to whom.
        message: Message,
    },
    /// Somebody who may asked that a user leaves a room, wherever that user is.
    Dismissed {
        /// Which room.
        room: Room,
        /// Who, as the room's visitors see them.
        user: PublicId,
    },
    /// Somebody asked for what no view holds.
    Queried {
        /// For the answer.
        query: u64,
        /// What is asked.
        what: Query,
    },

    /// The configured addresses of other nodes as they resolve now; our own are left out.
    Resolved {
        /// `quic/host:port`, each a number.
        addresses: Vec<String>,
    },
    /// This node's own addresses as others reach them have changed: an interface came, went or was given another number.
    Readdressed {
        /// All of them, as in [`Settings::advertised`](crate::Settings::advertised).
        advertised: Vec<String>,
    },
    /// A dial ended: with a link, or with the reason why not.
    Dialled {
        /// What was dialled.
        address: String,
        /// The link, or the reason.
        result: Result<Linked, DialError>,
    },
    /// A link ended without [`Output::HangUp`]: the other node closed it, died, or was not heard for too long.
    LinkLost {
        /// Which link. Nothing more comes over it.
        link: LinkId,
    },
    /// A link delivered what its other end published.
    Received {
        /// Which link.
        link: LinkId,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A question came from a node that reads this one.
    Asked {
        /// For the answer.
        question: u64,
        /// The query.
        bytes: Vec<u8>,
    },
    /// A question of ours was answered, or not within its time.
    Answered {
        /// Which question.
        question: u64,
        /// The answer; `None` when there was none.
        bytes: Option<Vec<u8>>,
    },

    /// SIGTERM: say *draining*, change no row any more.
    Drained,
    /// All sockets are closed: say *goodbye*.
    Emptied,
}

/// A link that a dial made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Linked {
    /// Which link; never used again for another one.
    pub link: LinkId,
    /// The node at its other end, as its certificate names it: the only one that may speak there.
    pub node: NodeHash,
}

/// Why a dial made no link.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DialError {
    /// Its certificate is of another authority: the two nodes have different secrets.
    WrongSecret,
    /// It speaks another version of the protocol between nodes.
    OtherVersion,
    /// Its certificate is not valid for the address that was dialled, or for the name that it gave.
    WrongName,
    /// It turned the dial away: it is closing, or too many dials are under way there.
    Refused,
    /// Nothing answered in time.
    NoAnswer,
    /// The address can't be dialled from this machine.
    Unreachable,
    /// Too many other dials are under way here, or this node is closing.
    Busy,
    /// Something answered that is no node.
    Protocol,
}

impl DialError {
    /// Every reason, in the order of [`DialError::index`].
    pub const ALL: [Self; 8] = [
        Self::WrongSecret,
        Self::OtherVersion,
        Self::WrongName,
        Self::Refused,
        Self::NoAnswer,
        Self::Unreachable,
        Self::Busy,
        Self::Protocol,
    ];

    /// Its place in [`DialError::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// A short name for logs and metrics.
    pub fn code(self) -> &'static str {
        match self {
            Self::WrongSecret => "wrong_secret",
            Self::OtherVersion => "other_version",
            Self::WrongName => "wrong_name",
            Self::Refused => "refused",
            Self::NoAnswer => "no_answer",
            Self::Unreachable => "unreachable",
            Self::Busy => "busy",
            Self::Protocol => "protocol",
        }
    }

    /// Whether only a changed setting can help, however often the address is dialled.
    pub fn needs_operator(self) -> bool {
        matches!(self, Self::WrongSecret | Self::OtherVersion | Self::WrongName)
    }
}

impl std::fmt::Display for DialError {
    /// A sentence that goes on after the address: "…: it does not answer."
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::WrongSecret => "it does not know our GP_SECRET, which must be the same on every node.",
            Self::OtherVersion => "it speaks another version of the protocol between nodes; upgrade the older of the two.",
            Self::WrongName => {
                "its certificate is not valid for that address; add the address to the certificate, or dial a name that it holds."
            }
            Self::Refused => "it refused the link; it is closing, or busy with other dials.",
            Self::NoAnswer => "it does not answer.",
            Self::Unreachable => "this machine has no route to that address.",
            Self::Busy => "this node is busy with other dials.",
            Self::Protocol => "what answers there is no node.",
        })
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

/// Something to carry out. Nothing here is waited for.
#[derive(Clone, PartialEq, Debug)]
pub enum Output {
    /// Draw on every page of this node that listens to the stream.
    Broadcast {
        /// Who.
        stream: Stream,
        /// What, in order.
        fragments: Arc<[Fragment]>,
    },
    /// Draw on one socket only, in answer to one subscription: the room whole, or who "you" are.
    Show {
        /// Which socket.
        connection: ConnectionId,
        /// Which of its subscriptions.
        subscription: SubscriptionId,
        /// What, in order. Shared by all who are shown the same version of a room.
        fragments: Arc<[Fragment]>,
        /// It is all that there is to be seen: what was broadcast before is part of it and need not be drawn here.
        whole: bool,
    },
    /// Answer a click.
    Answer {
        /// Which socket.
        connection: ConnectionId,
        /// Its subscription to the reflex channel.
        subscription: SubscriptionId,
        /// As it came with the call.
        echo: String,
        /// How it ended.
        outcome: Outcome,
    },
    /// Write this to all who listen to its stream on this node. It is never folded or left out.
    Deliver {
        /// What, and to whom.
        message: Arc<Message>,
    },
    /// End this subscription: its user was made to leave the room.
    Dismiss {
        /// Which socket.
        connection: ConnectionId,
        /// Which of its subscriptions.
        subscription: SubscriptionId,
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
    /// The room's counts are due for whoever watches only those: more seldom than views, the larger the room.
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

    /// Send to the nodes that read this one.
    Publish {
        /// One reader, or all.
        to: Option<NodeHash>,
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
        /// The query.
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
    /// Open a link there; [`Input::Dialled`] follows. A second order for an address that is still being dialled starts that
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
    Abort(String),
}

/// What an operator reads in the log: the life of nodes and links.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Somebody should act.
    pub warning: bool,
    /// The other node, where one is concerned.
    pub peer: Option<String>,
    /// Its region.
    pub region: Option<Region>,
    /// A sentence that reads alone.
    pub message: String,
}
