//! The history of published messages: whether it is complete here, and what another node has of it.

use crate::id::StreamName;
use crate::io::message::PastMessage;
use crate::io::output::{Output, Urgency};
use crate::node::Node;
use crate::pubsub::fetching::FetchContext;
use crate::time::Now;
use crate::wire::{self, MessagesAnswer, MessagesRequest};

impl Node {
    /// Finds out what was lost, and answers who waits for what was missed.
    pub(super) fn tend_history(&mut self, now: Now) {
        let hears_others = !self.me.meshed || self.out.announced();
        self.pubsub.tend(hears_others, &self.membership, now.mono);
        self.advance_fetches(now);
    }

    pub(super) fn advance_fetches(&mut self, now: Now) {
        let context = FetchContext {
            membership: &self.membership,
            complete_ms: self.pubsub.complete_ms(&self.membership, now.mono),
            undecided: self.pubsub.is_undecided(),
            started: self.started.mono,
            now: now.mono,
        };
        self.pubsub.fetches.advance(&context, &mut self.discovery, &mut self.out);
    }

    /// Another node lacks messages of a stream.
    pub(super) fn asked_messages(&mut self, question: u64, request: &MessagesRequest, now: Now) {
        let complete_ms = self.pubsub.complete_ms(&self.membership, now.mono);
        let complete = complete_ms.is_some_and(|complete_ms| complete_ms >= request.age_ms);
        match StreamName::new(&request.stream).filter(|_| complete) {
            Some(stream) => self.out.push(Output::ReadMessages { question, stream, age_ms: request.age_ms }),
            None => self.messages_read(question, None),
        }
    }

    pub(super) fn messages_read(&mut self, question: u64, messages: Option<Vec<PastMessage>>) {
        let answer = MessagesAnswer { complete: messages.is_some(), messages: messages.unwrap_or_default() };
        let bytes = wire::answer(&self.me.sender(), &answer);
        self.out.push(Output::Reply { question, bytes, urgency: Urgency::Low });
    }
}
