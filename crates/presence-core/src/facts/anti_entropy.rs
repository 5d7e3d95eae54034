//! Anti-entropy: two nodes compare their facts by the sums of buckets, then by stamps, and send what the other misses.

use std::collections::BTreeMap;

use minicbor::bytes::ByteVec;

use crate::discovery::{Discovery, PendingRequest};
use crate::facts::Facts;
use crate::facts::store::BUCKETS;
use crate::id::{KeyHash, NodeHash};
use crate::io::output::Urgency;
use crate::membership::Membership;
use crate::outputs::Outputs;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Mono, NodeTime, Stamp};
use crate::wire::{
    self, BucketStamps, BucketSums, BucketsRequest, Bundle, Fetch, Heartbeat, PAGE_BYTES, Request, Stamped,
    StampsRequest,
};

/// Facts are compared with one peer at most this often.
const COMPARE_MS: u64 = 2_000;
/// Most keys in one request.
const FETCH_MAX: usize = 2_000;

impl Facts {
    /// Begins a comparison where a heartbeat names another root than ours. Roots leave out what expires soon: if there is any, it
    /// is compared once with each node that is new or back.
    pub(crate) fn compare(
        &mut self,
        node: NodeHash,
        beat: &Heartbeat,
        membership: &Membership,
        discovery: &mut Discovery,
        now: Mono,
        out: &mut Outputs,
    ) {
        let equal = || {
            let compared = self.compared.contains_key(&node) || !self.store.has_expiring(beat.cut);
            compared && self.root(beat.cut, beat.cut).to_be_bytes() == beat.facts_root
        };
        let lately = self.compared.get(&node).is_some_and(|at| now.since(*at) < COMPARE_MS);
        if injected(Fault::NothingHeals)
            || lately
            || !membership.peer(node).is_some_and(|peer| peer.heard_directly(now))
            || equal()
        {
            return;
        }
        let request = Request::Buckets(BucketsRequest { cut: beat.cut });
        let about = PendingRequest::Buckets { node, cut: beat.cut };
        if discovery.ask(node, &request, about, Urgency::High, out).is_some() {
            self.compared.insert(node, now);
        }
    }

    pub(crate) fn bucket_sums(&self, request: BucketsRequest) -> BucketSums {
        let sums = self.store.buckets(request.cut).into_iter().flat_map(u128::to_be_bytes).collect();
        BucketSums { sums }
    }

    /// Asks for the stamps of the buckets that differ.
    pub(crate) fn compare_buckets(
        &self,
        node: NodeHash,
        cut: NodeTime,
        bytes: &[u8],
        discovery: &mut Discovery,
        out: &mut Outputs,
    ) {
        let Some((_, answer)) = wire::read_answer::<BucketSums>(bytes) else { return };
        if answer.sums.len() != BUCKETS * 16 {
            return;
        }
        let own = self.store.buckets(cut);
        let theirs = answer.sums.chunks_exact(16);
        let differ =
            (0..=u8::MAX).zip(own.iter().zip(theirs)).filter(|(_, (own, theirs))| own.to_be_bytes() != **theirs);
        let buckets: Vec<u8> = differ.map(|(bucket, _)| bucket).collect();
        if !buckets.is_empty() {
            let request = Request::Stamps(StampsRequest { buckets: buckets.clone() });
            discovery.ask(node, &request, PendingRequest::Stamps { node, buckets }, Urgency::Low, out);
        }
    }

    pub(crate) fn bucket_stamps(&self, request: &StampsRequest, limit: NodeTime) -> BucketStamps {
        let mut answer = BucketStamps { buckets: 0, stamps: Vec::new() };
        for bucket in request.buckets.iter().take(BUCKETS) {
            if answer.stamps.len() * 40 > PAGE_BYTES {
                break;
            }
            let stamps = self.store.bucket(*bucket, limit);
            answer.stamps.extend(stamps.map(|stored| Stamped { key: stored.hash, stamp: stored.fact.stamp }));
            answer.buckets += 1;
        }
        answer
    }

    /// Fetches what is newer there, and offers what is newer here.
    pub(crate) fn compare_stamps(
        &self,
        node: NodeHash,
        buckets: &[u8],
        bytes: &[u8],
        limit: NodeTime,
        discovery: &mut Discovery,
        out: &mut Outputs,
    ) {
        let Some((_, answer)) = wire::read_answer::<BucketStamps>(bytes) else { return };
        let theirs: BTreeMap<KeyHash, Stamp> = answer.stamps.iter().map(|item| (item.key, item.stamp)).collect();
        let newer = |key: &KeyHash, stamp: &Stamp| {
            let known = self.store.by_hash(key).map(|stored| stored.fact.stamp);
            known.is_none_or(|known| known < *stamp || self.store.is_overruled(known, limit))
        };
        let wanted: Vec<u8> =
            theirs.iter().filter(|(key, stamp)| newer(key, stamp)).take(FETCH_MAX).flat_map(|(key, _)| *key).collect();
        let covered = usize::try_from(answer.buckets).unwrap_or(0).min(buckets.len());
        let here = buckets[..covered].iter().flat_map(|bucket| self.store.bucket(*bucket, limit));
        let newer_here = here.filter(|stored| theirs.get(&stored.hash).is_none_or(|stamp| *stamp < stored.fact.stamp));
        let offer = page_of(newer_here.map(|stored| stored.bytes.as_slice()));
        if !wanted.is_empty() {
            let request = Request::Fetch(Fetch { keys: wanted });
            discovery.ask(node, &request, PendingRequest::Fetch(node), Urgency::Low, out);
        }
        if !offer.facts.is_empty() {
            discovery.ask(node, &Request::Offer(offer), PendingRequest::Offer, Urgency::Low, out);
        }
    }

    pub(crate) fn fetch(&self, request: &Fetch) -> Bundle {
        let keys = request.keys.chunks_exact(16).take(FETCH_MAX).map(|key| key.try_into().expect("chunks of 16"));
        page_of(keys.filter_map(|key: KeyHash| self.store.by_hash(&key)).map(|stored| stored.bytes.as_slice()))
    }
}

/// As many facts as one message holds.
fn page_of<'a>(facts: impl Iterator<Item = &'a [u8]>) -> Bundle {
    let mut size = 0;
    let fits = facts.take_while(|bytes| {
        let fits = size < PAGE_BYTES;
        size += bytes.len();
        fits
    });
    Bundle { facts: fits.map(|bytes| ByteVec::from(bytes.to_vec())).collect() }
}
