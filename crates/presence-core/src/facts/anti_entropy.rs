//! Facts between nodes: published as they are written, and compared so that every loss heals by itself.

use std::collections::{BTreeMap, BTreeSet};

use minicbor::bytes::ByteVec;

use crate::cost_limit::CostLimiter;
use crate::discovery::PendingRequest;
use crate::facts::{self, BUCKETS, FactKey, KeyHash, Merged};
use crate::id::NodeHash;
use crate::io::output::{Output, Urgency};
use crate::node::Node;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Now;
use crate::time::Stamp;
use crate::wire::{
    self, Broadcast, BucketStamps, BucketSums, BucketsRequest, Bundle, Fetch, Heartbeat, PAGE_BYTES, Request, Stamped,
    StampsRequest,
};

/// Facts are compared with one peer at most this often.
const EXCHANGE_MS: u64 = 2_000;
/// Most facts that are taken from one peer in a second: what is over heals by comparing.
const FACTS_PER_SECOND: u32 = 5_000;
/// Most keys in one question.
const KEYS_MAX: usize = 2_000;

/// A message with facts costs this: up to four in a millisecond go out at once, each alone, so that a thousand clicks a
/// second wait for nothing; with more, what was written meanwhile goes in one message.
const MESSAGE_US: u64 = 250;

/// Facts of this node that the others are to be told.
#[derive(Debug, Default)]
pub(crate) struct PendingFacts {
    unsaid: BTreeSet<FactKey>,
    pace: CostLimiter,
}

impl PendingFacts {
    /// When something may be said.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        (!self.unsaid.is_empty()).then(|| self.pace.due_ms())
    }
}

impl Node {
    /// Takes facts that somebody published or sent.
    pub(crate) fn heard_facts(&mut self, from: NodeHash, bundle: &Bundle, now: Now) {
        for bytes in &bundle.facts {
            let second = now.mono_ms / 1_000;
            let quota = self.quotas.entry(from).or_insert((second, 0));
            if quota.0 != second {
                *quota = (second, 0);
            }
            quota.1 += 1;
            if quota.1 > FACTS_PER_SECOND {
                return;
            }
            self.take_fact(bytes, now);
        }
    }

    /// Takes a fact, whoever wrote it: from here on a click on this node and one on another are the same.
    pub(crate) fn take_fact(&mut self, bytes: &[u8], now: Now) -> bool {
        let (limit_ms, time_ms) = (self.limit_ms(now), self.time_ms(now));
        if self.was_replaced_since(bytes, limit_ms, now) {
            return false;
        }
        let Merged::Taken { key, displaced } = self.facts.merge(bytes, limit_ms, time_ms) else { return false };
        if let Some(kept) = self.facts.get(&key) {
            self.clock.see(kept.fact.stamp);
            if kept.fact.stamp.time_ms > self.shown_limit_ms {
                self.hidden.insert(key.clone());
            }
            self.outputs.push(Output::Keep { key: kept.hash.to_vec(), record: Some(bytes.to_vec()) });
        }
        self.fact_changed(&key, now);
        for key in displaced {
            self.fact_gone(&key, now);
        }
        true
    }

    fn fact_gone(&mut self, key: &FactKey, now: Now) {
        let key_hash = facts::key_hash(key, self.settings.digest);
        self.outputs.push(Output::Keep { key: key_hash.to_vec(), record: None });
        self.fact_changed(key, now);
    }

    fn fact_changed(&mut self, key: &FactKey, now: Now) {
        match key.entry {
            Some(_) => self.render.logged(&key.room, &key.key, now.mono_ms),
            None if injected(Fault::UndrawnRegister) => {}
            None => self.render.set(&key.room, &key.key, now.mono_ms),
        }
        if let Some(kept) = self.facts.get(key) {
            self.render.written(&key.room, kept.fact.user, now.mono_ms);
        }
    }

    /// Takes off what has run out, and stamps anew what this node stamped with a clock that ran far ahead.
    pub(crate) fn tend_facts(&mut self, now: Now) {
        let time_ms = self.time_ms(now);
        for key in self.facts.expire(time_ms) {
            self.fact_gone(&key, now);
        }
        self.shown_limit_ms = self.limit_ms(now);
        let hidden = self.facts.keys_later_than(self.shown_limit_ms);
        self.redraw_hidden(hidden.iter().cloned().collect(), now);
        self.restamp_ahead(now);
    }

    /// What is hidden now and was not, or the other way, looks different.
    fn redraw_hidden(&mut self, hidden: BTreeSet<FactKey>, now: Now) {
        let before = std::mem::replace(&mut self.hidden, hidden);
        let changed: Vec<FactKey> = before.symmetric_difference(&self.hidden).cloned().collect();
        for key in changed {
            self.fact_changed(&key, now);
        }
    }

    /// Writes a fact of this node: taken here, published to all.
    pub(crate) fn write_fact(&mut self, fact: &facts::Fact, now: Now) {
        let bytes = minicbor::to_vec(fact).expect("writing to memory can't fail");
        if self.take_fact(&bytes, now)
            && let Some((key, _)) = facts::read(&bytes)
        {
            self.pending_facts.unsaid.insert(key);
        }
    }

    /// Tells the others what was written here: at once, or gathered for a moment under load. A register that was set
    /// twice meanwhile is told once.
    pub(crate) fn say_facts(&mut self, now: Now) {
        let due = self.pending_facts.due_ms().is_some_and(|due_ms| due_ms <= now.mono_ms || self.leaving.is_some());
        if !due {
            return;
        }
        self.pending_facts.pace.spend(MESSAGE_US, now.mono_ms);
        let (mut bundle, mut size) = (Bundle::default(), 0);
        for key in std::mem::take(&mut self.pending_facts.unsaid) {
            // What somebody else has replaced meanwhile is theirs to tell.
            let Some(kept) = self.facts.get(&key).filter(|kept| kept.fact.stamp.node == self.hash) else { continue };
            size += kept.bytes.len();
            bundle.facts.push(ByteVec::from(kept.bytes.clone()));
            if size >= PAGE_BYTES {
                self.say(&Broadcast::Facts(std::mem::take(&mut bundle)));
                size = 0;
            }
        }
        if !bundle.facts.is_empty() {
            self.say(&Broadcast::Facts(bundle));
        }
    }

    /// Begins a comparison where a heartbeat names another root than ours.
    pub(crate) fn compare_facts(&mut self, hash: NodeHash, beat: &Heartbeat, now: Now) {
        let Some(peer) = self.peers.get(&hash) else { return };
        let lately = peer.exchanged_ms.is_some_and(|at_ms| now.mono_ms.saturating_sub(at_ms) < EXCHANGE_MS);
        if injected(Fault::NothingHeals)
            || lately
            || !peer.heard_directly(now.mono_ms)
            || self.facts.root(beat.cut_ms, beat.cut_ms).to_be_bytes() == beat.facts_root
        {
            return;
        }
        let asked = Request::Buckets(BucketsRequest { cut_ms: beat.cut_ms });
        if self.ask(hash, &asked, PendingRequest::Buckets(hash, beat.cut_ms), Urgency::High).is_some()
            && let Some(peer) = self.peers.get_mut(&hash)
        {
            peer.exchanged_ms = Some(now.mono_ms);
        }
    }

    pub(crate) fn parts_asked(&self, asked: BucketsRequest) -> BucketSums {
        let sums = self.facts.parts(asked.cut_ms, asked.cut_ms).into_iter().flat_map(u128::to_be_bytes).collect();
        BucketSums { sums }
    }

    pub(crate) fn parts_answered(&mut self, hash: NodeHash, cut_ms: u64, bytes: &[u8]) {
        let Some((_, answer)) = wire::read_answer::<BucketSums>(bytes) else { return };
        if answer.sums.len() != BUCKETS * 16 {
            return;
        }
        let own = self.facts.parts(cut_ms, cut_ms);
        let theirs = answer.sums.chunks_exact(16);
        let differ =
            (0..=u8::MAX).zip(own.iter().zip(theirs)).filter(|(_, (own, theirs))| own.to_be_bytes() != **theirs);
        let parts: Vec<u8> = differ.map(|(part, _)| part).collect();
        if !parts.is_empty() {
            let asked = Request::Stamps(StampsRequest { parts: parts.clone() });
            self.ask(hash, &asked, PendingRequest::Stamps(hash, parts), Urgency::Low);
        }
    }

    pub(crate) fn stamps_asked(&self, asked: &StampsRequest, now: Now) -> BucketStamps {
        let limit_ms = self.limit_ms(now);
        let mut answer = BucketStamps { parts: 0, stamps: Vec::new() };
        for part in asked.parts.iter().take(BUCKETS) {
            if answer.stamps.len() * 40 > PAGE_BYTES {
                break;
            }
            let stamps = self.facts.part(*part, limit_ms);
            answer.stamps.extend(stamps.map(|kept| Stamped { key: kept.hash, stamp: kept.fact.stamp }));
            answer.parts += 1;
        }
        answer
    }

    /// Fetches what is newer there, and offers what is newer here.
    pub(crate) fn stamps_answered(&mut self, hash: NodeHash, parts: &[u8], bytes: &[u8], now: Now) {
        let Some((_, answer)) = wire::read_answer::<BucketStamps>(bytes) else { return };
        let theirs: BTreeMap<KeyHash, Stamp> = answer.stamps.iter().map(|item| (item.key, item.stamp)).collect();
        let limit_ms = self.limit_ms(now);
        let newer = |key: &KeyHash, stamp: &Stamp| {
            let known = self.facts.by_hash(key).map(|kept| kept.fact.stamp);
            known.is_none_or(|known| known < *stamp || self.facts.gives_way(known, limit_ms))
        };
        let wanted: Vec<u8> =
            theirs.iter().filter(|(key, stamp)| newer(key, stamp)).take(KEYS_MAX).flat_map(|(key, _)| *key).collect();
        let covered = usize::try_from(answer.parts).unwrap_or(0).min(parts.len());
        let mut offer = Bundle::default();
        let mut size = 0;
        for kept in parts[..covered].iter().flat_map(|part| self.facts.part(*part, limit_ms)) {
            if size < PAGE_BYTES && theirs.get(&kept.hash).is_none_or(|stamp| *stamp < kept.fact.stamp) {
                size += kept.bytes.len();
                offer.facts.push(ByteVec::from(kept.bytes.clone()));
            }
        }
        if !wanted.is_empty() {
            self.ask(hash, &Request::Fetch(Fetch { keys: wanted }), PendingRequest::Fetch(hash), Urgency::Low);
        }
        if !offer.facts.is_empty() {
            self.ask(hash, &Request::Offer(offer), PendingRequest::Offer, Urgency::Low);
        }
    }

    pub(crate) fn fetch_asked(&self, asked: &Fetch) -> Bundle {
        let mut bundle = Bundle::default();
        let mut size = 0;
        for key in asked.keys.chunks_exact(16).take(KEYS_MAX) {
            let key: KeyHash = key.try_into().expect("chunks of 16");
            let Some(kept) = self.facts.by_hash(&key).filter(|_| size < PAGE_BYTES) else { continue };
            size += kept.bytes.len();
            bundle.facts.push(ByteVec::from(kept.bytes.clone()));
        }
        bundle
    }

    pub(crate) fn fetched(&mut self, hash: NodeHash, bytes: &[u8], now: Now) {
        if let Some((_, bundle)) = wire::read_answer::<Bundle>(bytes) {
            self.heard_facts(hash, &bundle, now);
        }
    }
}
