//! Published messages, dismissals and what a node says of itself: they pass once, to every region, and are not kept here. Of
//! messages it is known whether any were missed, and where those can be fetched.

mod completeness;
mod fetching;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::discovery::Discovery;
use crate::id::{Digest, NodeHash, PublicId, Room, StreamName};
use crate::io::message::{Message, MessageId};
use crate::io::output::Output;
use crate::local::LocalVisitors;
use crate::membership::Membership;
use crate::outputs::Outputs;
use crate::presence::Presence;
use crate::presence::row::{RowKey, TableKey};
use crate::pubsub::completeness::Completeness;
use crate::pubsub::fetching::{FetchContext, Fetches};
use crate::time::Mono;
use crate::wire::{Broadcast, Dismissed, HeardUpto, Heartbeat, NodeStatus, PublishedMessage};

/// How many of an author's messages are remembered, to know what comes twice: directly and relayed.
const RECENT_MAX: usize = 4_096;

/// A message by its number and the digest of its content.
type MessageMark = (u64, [u8; 32]);

/// The messages of one author that were taken lately over one way.
#[derive(Clone, Debug, Default)]
struct RecentMessages(BTreeSet<MessageMark>);

impl RecentMessages {
    /// Whether this one is new. One older than all that are remembered is not.
    fn take(&mut self, mark: MessageMark) -> bool {
        let full = self.0.len() >= RECENT_MAX;
        if full && self.0.first().is_some_and(|oldest| mark < *oldest) {
            return false;
        }
        let fresh = self.0.insert(mark);
        if self.0.len() > RECENT_MAX {
            self.0.pop_first();
        }
        fresh
    }
}

/// The messages of one author. Those that were relayed are kept apart and compared by their content, so that a relay can't
/// hide what the author says by saying something else under its number, or under great ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuthorMessages {
    direct: RecentMessages,
    relayed: RecentMessages,
}

impl AuthorMessages {
    fn take(&mut self, mark: MessageMark, via: Option<NodeHash>) -> bool {
        let (own, other) = match via {
            None => (&mut self.direct, &self.relayed),
            Some(_) => (&mut self.relayed, &self.direct),
        };
        own.take(mark) && !other.0.contains(&mark)
    }
}

/// What was published here, and what came from each node lately.
#[derive(Debug, Default)]
pub(crate) struct PubSub {
    published: u64,
    received: BTreeMap<NodeHash, AuthorMessages>,
    completeness: Completeness,
    fetches: Fetches,
    /// For how long nothing was missed, as it was last said, up to which moment.
    said: Option<(Option<u64>, Mono)>,
}

impl PubSub {
    /// Delivers here at once, and sends to all others.
    pub(crate) fn publish(&mut self, own: TableKey, message: Message, out: &mut Outputs) {
        if message.body.len() > Message::BODY_BYTES_MAX {
            return;
        }
        self.published += 1;
        let published = PublishedMessage {
            number: self.published,
            stream: message.stream.as_str().to_owned(),
            body: message.body.clone(),
            kept: message.kept,
            whispered: message.whispered,
        };
        out.push(Output::Deliver { message: Arc::new(message), id: message_id(own, self.published) });
        out.broadcast(&Broadcast::Published(published));
    }

    /// A message of another node, directly or relayed: delivered unless it came before.
    pub(crate) fn deliver(
        &mut self,
        author: TableKey,
        published: PublishedMessage,
        via: Option<NodeHash>,
        digest: Digest,
        now: Mono,
        out: &mut Outputs,
    ) {
        let number = published.number;
        let fresh = self.received.entry(author.node).or_default().take(mark(&published, digest), via);
        self.completeness.received(author, number, now);
        if let Some(stream) = StreamName::new(&published.stream).filter(|_| fresh) {
            let PublishedMessage { body, kept, whispered, .. } = published;
            let message = Message { stream, body, kept, whispered, from: None };
            out.push(Output::Deliver { message: Arc::new(message), id: message_id(author, number) });
        }
    }

    /// How many messages were published here.
    pub(crate) fn published(&self) -> u64 {
        self.published
    }

    /// The process was suspended.
    pub(crate) fn resume(&mut self, now: Mono) {
        self.completeness.resume(now);
    }

    /// A node that was silent is heard again.
    pub(crate) fn recovered(&mut self, author: TableKey) {
        self.completeness.recovered(author);
    }

    /// A node says how many messages it has published, and how many it received of those that are gone.
    pub(crate) fn heard_heartbeat(
        &mut self,
        own: TableKey,
        author: TableKey,
        beat: &Heartbeat,
        membership: &Membership,
        now: Mono,
    ) {
        self.completeness.told(author, beat.published, now);
        // One that does not hear this node takes it for gone.
        for heard in beat.heard_upto.iter().filter(|heard| heard.table != own) {
            self.completeness.told_of_gone(heard, membership, now);
        }
    }

    /// A node that leaves says how many messages it has published.
    pub(crate) fn told(&mut self, author: TableKey, published: Option<u64>, now: Mono) {
        self.completeness.told(author, published, now);
    }

    /// For how long every message has been received.
    pub(crate) fn complete_ms(&self, membership: &Membership, now: Mono) -> Option<u64> {
        self.completeness.complete_ms(membership, now)
    }

    /// A client asks for the messages that were published to a stream in the last ms.
    pub(crate) fn begin_fetch(&mut self, query: u64, stream: StreamName, age_ms: u64, now: Mono, out: &mut Outputs) {
        self.fetches.begin(query, stream, age_ms, now, out);
    }

    /// Asks other nodes for what is missing here, and answers what is decided.
    pub(crate) fn advance_fetches(
        &mut self,
        membership: &Membership,
        discovery: &mut Discovery,
        (started, now): (Mono, Mono),
        out: &mut Outputs,
    ) {
        let complete_ms = self.complete_ms(membership, now);
        let undecided = self.completeness.is_undecided();
        self.fetches.advance(&FetchContext { membership, complete_ms, undecided, started, now }, discovery, out);
    }

    /// A node has answered, or not within its time.
    pub(crate) fn fetch_answered(&mut self, query: u64, bytes: Option<&[u8]>, out: &mut Outputs) {
        self.fetches.answered(query, bytes, out);
    }

    pub(crate) fn gone_in_turn(&mut self, now: Mono) -> Vec<HeardUpto> {
        self.completeness.gone_in_turn(now)
    }

    /// Finds out what was lost.
    pub(crate) fn tend(&mut self, hears_others: bool, membership: &Membership, now: Mono) {
        if hears_others {
            self.completeness.begin(now);
        }
        self.completeness.tick(membership, now);
    }

    /// Says for how long nothing was missed, if that has changed otherwise than by the time that went by.
    pub(crate) fn say_complete(&mut self, membership: &Membership, now: Mono, out: &mut Outputs) {
        let complete_ms = self.complete_ms(membership, now);
        let since = |(ms, at): (Option<u64>, Mono)| ms.map(|ms| at - ms);
        if self.said.is_none_or(|said| since(said) != since((complete_ms, now))) {
            self.said = Some((complete_ms, now));
            out.push(Output::Complete { ms: complete_ms });
        }
    }

    /// Another start of a node numbers its messages from the beginning.
    pub(crate) fn forget_peer(&mut self, node: NodeHash) {
        self.received.remove(&node);
    }
}

fn mark(published: &PublishedMessage, digest: Digest) -> MessageMark {
    let content = digest(&[published.stream.as_bytes(), b"\0", &published.body].concat());
    (published.number, content)
}

fn message_id(author: TableKey, number: u64) -> MessageId {
    MessageId { author: author.node, incarnation: author.incarnation.get(), number }
}

/// Tells all other nodes what this one says of itself, unless it is too long.
pub(crate) fn send_status(body: Vec<u8>, out: &mut Outputs) {
    if body.len() <= NodeStatus::BYTES_MAX {
        out.broadcast(&Broadcast::Status(NodeStatus { body }));
    }
}

/// Asks all other nodes to make a user leave a room.
pub(crate) fn send_dismissal(room: &Room, user: PublicId, out: &mut Outputs) {
    out.broadcast(&Broadcast::Dismissed(Dismissed { room: room.as_str().to_owned(), user: user.0 }));
}

/// Makes a user leave a room here.
pub(crate) fn dismiss(
    room: &Room,
    public: PublicId,
    digest: Digest,
    presence: &Presence,
    local: &LocalVisitors,
    out: &mut Outputs,
) {
    let hash = room.hash(digest);
    let known = presence.member_user(&hash, &public);
    let user = known.or_else(|| local.users_of(hash).find(|user| user.public(room, digest) == public));
    let Some(user) = user else { return };
    for at in local.subscriptions_of(&RowKey::new(hash, user)) {
        out.push(Output::Dismiss { connection: at.connection, subscription: at.subscription });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: u64) -> MessageMark {
        (number, [0; 32])
    }

    #[test]
    fn what_comes_twice_is_taken_once() {
        let mut recent = RecentMessages::default();
        assert!(recent.take(mark(2)));
        assert!(recent.take(mark(1)));
        assert!(!recent.take(mark(2)));
        assert!((3..=4_096).all(|number| recent.take(mark(number))));
        assert!(recent.take(mark(4_097)));
        assert!(!recent.take(mark(1)), "forgotten, and older than all that are remembered");
        assert!(!recent.take(mark(4_097)));
    }

    #[test]
    fn what_comes_directly_and_relayed_is_taken_once() {
        let (mut messages, relay) = (AuthorMessages::default(), Some(NodeHash(7)));
        assert!(messages.take(mark(1), None));
        assert!(!messages.take(mark(1), relay));
        assert!(messages.take(mark(2), relay));
        assert!(!messages.take(mark(2), None));
    }
}
