//! Published messages that this node never had, or has no longer: asked of a node that has them, for a client that returns.

use std::collections::BTreeSet;

use crate::discovery::{Discovery, PendingRequest};
use crate::id::{NodeHash, StreamName};
use crate::io::mesh_view::PeerState;
use crate::io::message::{Message, PastMessage};
use crate::io::output::{Output, Urgency};
use crate::io::query::Found;
use crate::membership::Membership;
use crate::outputs::Outputs;
use crate::time::Mono;
use crate::wire::{self, MessagesAnswer, MessagesRequest, Request};

/// Most fetches at a time; further ones find nothing.
const FETCHES_MAX: usize = 256;
/// Whoever waits is told within this that nothing was found.
const FETCH_MS: u64 = 1_500;
/// A node that has just started waits for others that it will hear.
const WARM_UP_MS: u64 = 5_000;

/// One client's question.
#[derive(Debug)]
struct MessageFetch {
    query: u64,
    stream: StreamName,
    /// How far back it reached when it was asked.
    age_ms: u64,
    begun: Mono,
    asked: BTreeSet<NodeHash>,
    /// A node has been asked and has not answered.
    waits: bool,
}

impl MessageFetch {
    fn age_ms(&self, now: Mono) -> u64 {
        self.age_ms.saturating_add(now.since(self.begun))
    }
}

/// All questions that wait for other nodes.
#[derive(Debug, Default)]
pub(super) struct Fetches(Vec<MessageFetch>);

/// What decides whether and where messages can be fetched.
pub(super) struct FetchContext<'a> {
    pub(super) membership: &'a Membership,
    /// For how long this node has received everything.
    pub(super) complete_ms: Option<u64>,
    /// Whether that is known soon.
    pub(super) undecided: bool,
    pub(super) started: Mono,
    pub(super) now: Mono,
}

impl Fetches {
    /// Begins to look for the messages that were published to a stream in the last ms.
    pub(super) fn begin(&mut self, query: u64, stream: StreamName, age_ms: u64, now: Mono, out: &mut Outputs) {
        if self.0.len() >= FETCHES_MAX {
            return out.push(Output::Found { query, found: Found::Messages(None) });
        }
        self.0.push(MessageFetch { query, stream, age_ms, begun: now, asked: BTreeSet::new(), waits: false });
    }

    /// Asks where it can, and answers those that are decided.
    pub(super) fn advance(&mut self, context: &FetchContext<'_>, discovery: &mut Discovery, out: &mut Outputs) {
        self.0.retain_mut(|fetch| match fetch.advance(context, discovery, out) {
            Some(found) => {
                out.push(Output::Found { query: fetch.query, found: Found::Messages(found) });
                false
            }
            None => true,
        });
    }

    /// A node has answered, or not within its time.
    pub(super) fn answered(&mut self, query: u64, bytes: Option<&[u8]>, out: &mut Outputs) {
        let Some(index) = self.0.iter().position(|fetch| fetch.query == query) else { return };
        self.0[index].waits = false;
        let answer = bytes.and_then(wire::read_answer::<MessagesAnswer>);
        if let Some((_, answer)) = answer.filter(|(_, answer)| answer.is_valid()) {
            self.0.remove(index);
            out.push(Output::Found { query, found: Found::Messages(Some(answer.messages)) });
        }
    }
}

impl MessageFetch {
    /// `None`: it is not decided yet.
    fn advance(
        &mut self,
        context: &FetchContext<'_>,
        discovery: &mut Discovery,
        out: &mut Outputs,
    ) -> Option<Option<Vec<PastMessage>>> {
        let FetchContext { membership, complete_ms, undecided, started, now } = *context;
        let age_ms = self.age_ms(now);
        if complete_ms.is_some_and(|complete_ms| complete_ms >= age_ms) {
            return Some(Some(Vec::new()));
        }
        if now.since(self.begun) >= FETCH_MS {
            return Some(None);
        }
        while !self.waits {
            let peers = membership.peers().filter(|(node, peer)| {
                let complete = peer.complete_ms(now).is_some_and(|complete_ms| complete_ms >= age_ms);
                complete && peer.state == PeerState::Live && !self.asked.contains(node)
            });
            let Some((node, _)) = peers.min_by_key(|(_, peer)| peer.round_trip_ms().unwrap_or(u32::MAX)) else { break };
            self.asked.insert(node);
            let request = MessagesRequest { stream: self.stream.as_str().to_owned(), age_ms };
            let about = PendingRequest::Messages { query: self.query };
            self.waits = discovery.ask(node, &Request::Messages(request), about, Urgency::Low, out).is_some();
        }
        let soon = undecided || now.since(started) < WARM_UP_MS;
        (!self.waits && !soon).then_some(None)
    }
}

impl MessagesAnswer {
    /// What no node sends is not taken.
    fn is_valid(&self) -> bool {
        let bytes = |message: &PastMessage| message.body.len();
        self.complete
            && self.messages.len() <= PastMessage::COUNT_MAX
            && self.messages.iter().all(|message| bytes(message) <= Message::BODY_BYTES_MAX)
    }
}
