//! Clicks that have added to counters are answered once what they added can't be lost with this process: on a node without a
//! disk that is when another node has it.

use std::collections::BTreeSet;

use minicbor::bytes::ByteVec;

use crate::app::reflex::{Outcome, ReflexError};
use crate::discovery::{Discovery, PendingRequest};
use crate::facts::Facts;
use crate::facts::fact::{self, FactKey};
use crate::id::NodeHash;
use crate::io::output::{ClickAnswer, Output, Urgency};
use crate::membership::Membership;
use crate::outputs::Outputs;
use crate::time::Mono;
use crate::wire::{self, Bundle, Request};

/// Most answers that wait. With more, clicks are told that nothing has confirmed them.
const WAITING_MAX: usize = 4_096;
/// How many nodes are asked, one after the other.
const TRIES: usize = 3;
/// Most facts that one request names: far fewer are added to at a time.
const KEYS_MAX: usize = 500;

/// What a node answers to an offer: it has all that was offered, or it does not. An earlier version answers neither.
const HELD: u8 = 1;
const NOT_HELD: u8 = 2;

/// Answers that wait for another node.
#[derive(Debug, Default)]
pub(super) struct Confirmations {
    waiting: Vec<(ClickAnswer, Vec<FactKey>)>,
    asked: Option<OfferedAnswers>,
}

/// What one request is to confirm.
#[derive(Debug)]
struct OfferedAnswers {
    answers: Vec<ClickAnswer>,
    keys: BTreeSet<FactKey>,
    tried: BTreeSet<NodeHash>,
}

impl Facts {
    /// Answers a click once another node has what it added.
    pub(crate) fn answer_when_held(&mut self, answer: ClickAnswer, keys: Vec<FactKey>, out: &mut Outputs) {
        if self.confirmations.waiting.len() < WAITING_MAX {
            self.confirmations.waiting.push((answer, keys));
        } else {
            unconfirmed(answer, out);
        }
    }

    /// Offers to the nearest node what answers wait for; one request at a time, for all of them together.
    pub(crate) fn seek_confirmation(
        &mut self,
        membership: &Membership,
        discovery: &mut Discovery,
        now: Mono,
        out: &mut Outputs,
    ) {
        if self.confirmations.asked.is_some() || self.confirmations.waiting.is_empty() {
            return;
        }
        let mut asked = OfferedAnswers { answers: Vec::new(), keys: BTreeSet::new(), tried: BTreeSet::new() };
        let mut later = Vec::new();
        for (answer, keys) in std::mem::take(&mut self.confirmations.waiting) {
            if asked.keys.len() < KEYS_MAX {
                asked.answers.push(answer);
                asked.keys.extend(keys);
            } else {
                later.push((answer, keys));
            }
        }
        self.confirmations.waiting = later;
        self.offer_next(asked, membership, discovery, now, out);
    }

    fn offer_next(
        &mut self,
        mut asked: OfferedAnswers,
        membership: &Membership,
        discovery: &mut Discovery,
        now: Mono,
        out: &mut Outputs,
    ) {
        let stored = asked.keys.iter().filter_map(|key| self.store.get(key));
        let facts = stored.map(|stored| ByteVec::from(stored.bytes.clone())).collect();
        let request = Request::Offer(Bundle { facts });
        while asked.tried.len() < TRIES
            && let Some(node) = membership.nearest(&asked.tried, now)
        {
            asked.tried.insert(node);
            if discovery.ask(node, &request, PendingRequest::Confirmation, Urgency::High, out).is_some() {
                self.confirmations.asked = Some(asked);
                return;
            }
        }
        asked.answers.into_iter().for_each(|answer| unconfirmed(answer, out));
    }

    /// The node that was asked has answered, or has not.
    pub(crate) fn offer_answered(
        &mut self,
        bytes: Option<&[u8]>,
        membership: &Membership,
        discovery: &mut Discovery,
        now: Mono,
        out: &mut Outputs,
    ) {
        let Some(asked) = self.confirmations.asked.take() else { return };
        let held = bytes.and_then(wire::read_answer::<u8>).is_some_and(|(_, answer)| answer != NOT_HELD);
        if held {
            let done = |answer| Output::Answer { answer, outcome: Outcome::Done, kept: false };
            asked.answers.into_iter().for_each(|answer| out.push(done(answer)));
        } else {
            self.offer_next(asked, membership, discovery, now, out);
        }
    }

    /// What to answer to an offer that was taken: whether this node has all of it.
    pub(crate) fn answer_to_offer(&self, bundle: &Bundle) -> u8 {
        let holds = |bytes: &ByteVec| {
            fact::read(bytes).is_some_and(|(key, offered)| {
                self.store.get(&key).is_some_and(|stored| stored.fact.stamp >= offered.stamp)
            })
        };
        if bundle.facts.iter().all(holds) { HELD } else { NOT_HELD }
    }
}

/// It is counted here, but may be lost.
fn unconfirmed(answer: ClickAnswer, out: &mut Outputs) {
    out.push(Output::Answer { answer, outcome: Outcome::Failed(ReflexError::Unconfirmed), kept: false });
}
