//! The history of published messages: whether it is complete here, and what another node has of it.

use crate::id::StreamName;
use crate::io::message::PastMessage;
use crate::io::output::{Output, Urgency};
use crate::node::Node;
use crate::time::{Mono, Now};
use crate::wire::{self, MessagesAnswer, MessagesRequest};

/// A question is answered within this or not at all: its time may lie further back than it says, by this.
const ON_ITS_WAY_MS: u64 = 2_000;

impl Node {
    /// Finds out what was lost, and answers who waits for what was missed.
    pub(super) fn tend_history(&mut self, now: Now) {
        let hears_others = !self.me.meshed || self.out.announced();
        self.pubsub.tend(hears_others, &self.membership, now.mono);
        self.advance_fetches(now);
    }

    pub(super) fn advance_fetches(&mut self, now: Now) {
        // One that is alone waits for no others.
        let started = if self.me.meshed { self.started.mono } else { Mono::default() };
        self.pubsub.advance_fetches(&self.membership, &mut self.discovery, (started, now.mono), &mut self.out);
    }

    /// Another node lacks messages of a stream.
    pub(super) fn asked_messages(&mut self, question: u64, request: &MessagesRequest, now: Now) {
        let complete_ms = self.pubsub.complete_ms(&self.membership, now.mono);
        let complete = complete_ms.is_some_and(|complete_ms| complete_ms >= request.age_ms);
        match StreamName::new(&request.stream).filter(|_| complete) {
            Some(stream) => {
                let age_ms = request.age_ms.saturating_add(ON_ITS_WAY_MS);
                self.out.push(Output::ReadMessages { question, stream, age_ms });
            }
            None => self.messages_read(question, None),
        }
    }

    pub(super) fn messages_read(&mut self, question: u64, messages: Option<Vec<PastMessage>>) {
        let answer = MessagesAnswer { complete: messages.is_some(), messages: messages.unwrap_or_default() };
        let bytes = wire::answer(&self.me.sender(), &answer);
        self.out.push(Output::Reply { question, bytes, urgency: Urgency::Low });
    }
}
