//! What can happen to a node, and what a node can order. Inputs are past tense, outputs are orders.

pub(crate) mod dial;
pub(crate) mod mesh_view;
pub(crate) mod message;
pub(crate) mod node_counts;
pub(crate) mod node_key;
pub(crate) mod output;
pub(crate) mod query;
pub(crate) mod settings;
pub(crate) mod tab;

use crate::app::drawing::{Drawing, Viewers};
use crate::app::reflex::ReflexError;
use crate::app::write::Write;
use crate::id::{ConnectionId, LinkId, NodeHash, PublicId, Room, SubscriptionId, UserId};
use crate::io::dial::{DialError, Linked};
use crate::io::message::{Message, PastMessage};
use crate::io::query::Query;
use crate::io::tab::Tab;
use crate::trace::TraceContext;

/// How a connection ended: it decides how long its tab still counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// With a close frame from the browser, or by unsubscribing.
    Closed,
    /// Without a close frame: the stock client is back in 6 to 18 s.
    Lost,
    /// A pong was missing, or the browser took nothing.
    Unanswered,
    /// The member said that it leaves: nothing lingers.
    Resigned,
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Input {
    /// 200 ms have passed, or the moment of [`Node::wake_at`](crate::Node::wake_at) has come.
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
    /// it joined or listened is to be shown again.
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
    /// A member of a room said that it leaves: nothing lingers.
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
    /// A click arrived, and the app has said what it means.
    Clicked {
        /// Which socket.
        connection: ConnectionId,
        /// Its subscription to the reflex channel: the answer goes there.
        subscription: SubscriptionId,
        /// The room that the channel's signed parameter names.
        room: Room,
        /// Whose socket it is.
        user: UserId,
        /// What the translator needs to write the answer, handed back with it.
        echo: String,
        /// The facts to write, or why there are none.
        writes: Result<Vec<Write>, ReflexError>,
        /// The click in its trace, if that is recorded.
        trace: Option<TraceContext>,
    },
    /// A [`Drawing`] that is to be confirmed was drawn: what its room's pages show has left.
    Drawn {
        /// Which room.
        room: Room,
        /// [`RoomView::version`](crate::RoomView::version) of what was drawn.
        version: u64,
    },
    /// The app says that a change which it has drawn affects what is each user's own: that is to be drawn for all users who are
    /// in the room on this node.
    OwnChanged {
        /// Which room.
        room: Room,
    },
    /// An order for [`Viewers::Users`] was drawn: the next one may follow.
    OwnDrawn {
        /// Which room.
        room: Room,
    },
    /// A page shows the room's others a value of its user's for as long as they are there; an empty one: nothing. Ignored
    /// where the user is not in the room, or the value too long.
    Shared {
        /// Which room.
        room: Room,
        /// Whose value.
        user: UserId,
        /// Under which key, of at most 64 bytes; a user has four at most in a room.
        key: String,
        /// At most 256 bytes.
        value: Vec<u8>,
    },
    /// The socket's own ping was answered.
    Ponged {
        /// Which socket.
        connection: ConnectionId,
        /// The round trip in ms.
        round_trip_ms: u32,
    },

    /// A message was published: it goes to all listeners of its stream, in every region.
    Published {
        /// The message and its stream.
        message: Message,
    },
    /// What this node says of itself to operators on other nodes. A longer text than 32 KiB is not sent.
    StatusTold {
        /// What it says, in a form that only the server knows.
        body: Vec<u8>,
    },
    /// An authorized client asked that a user leaves a room, wherever that user is.
    Dismissed {
        /// Which room.
        room: Room,
        /// Who, as the room's visitors see them.
        user: PublicId,
    },
    /// A client asked for what no view holds.
    Queried {
        /// For the answer.
        query: u64,
        /// What is asked.
        what: Query,
    },
    /// An authorized client asked that everything of a name, or one entry of it, is removed in every region.
    FactRemoved {
        /// For the answer.
        query: u64,
        /// Which room.
        room: Room,
        /// The name of the register, log, map, counter or set.
        key: String,
        /// Only this entry, as [`Write::Remove`] names it.
        entry: Option<String>,
        /// The removal in its trace, if that is recorded.
        trace: Option<TraceContext>,
    },
    /// An authorized client brings in facts, as [`Query::AllFacts`] has listed them, here or on another node.
    FactsImported {
        /// For the answer.
        query: u64,
        /// [`ExportedFact::record`](crate::ExportedFact::record) of each.
        records: Vec<Vec<u8>>,
    },

    /// An authorized client asked that these facts are written: all of them, or none.
    FactsWritten {
        /// For the answer.
        query: u64,
        /// Which room.
        room: Room,
        /// What to write. Values that are shared have no user here, and are left out.
        writes: Vec<Write>,
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
    /// A link ended without [`Output::HangUp`](crate::Output::HangUp): the other node closed it, died, or was not heard for too long.
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
        /// The node that asks, as its certificate names it.
        from: NodeHash,
        /// The request.
        bytes: Vec<u8>,
    },
    /// What [`Output::ReadMessages`](crate::Output::ReadMessages) asked for.
    MessagesRead {
        /// Which question.
        question: u64,
        /// The messages; `None` where some were dropped, or are too large together.
        messages: Option<Vec<PastMessage>>,
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

impl Input {
    /// What the node is to be told of users' own once this is drawn; `redraws_own` is [`Drawing::redraws_own`].
    pub fn of_own(drawing: &Drawing, redraws_own: impl FnOnce() -> bool) -> Option<Self> {
        let room = || drawing.view.room.clone();
        match drawing.to {
            Viewers::Users(_) => Some(Self::OwnDrawn { room: room() }),
            Viewers::Stream(_) | Viewers::Subscription { .. } => {
                redraws_own().then(|| Self::OwnChanged { room: room() })
            }
        }
    }
}
