//! Contributions to counters: what this start of the node has added, and which value of one is the latest, whatever its stamp.

use crate::facts::Facts;
use crate::facts::counter::{Contribution, CounterParts};
use crate::facts::fact::{self, Fact, FactKey, LASTS_MAX_MS, StoredFact};
use crate::facts::name::{self, FactName};
use crate::facts::plan::{ClickAuthor, Draft};
use crate::facts::writing::new_fact;
use crate::id::Room;
use crate::outputs::Outputs;
use crate::presence::row::TableKey;
use crate::time::{Mono, NodeClock, NodeTime, Stamp};

/// What earlier starts of a node have added is part of the latest one's contribution after this. By then every node that is
/// not lost has told what it knows of them.
const FOLDED_AFTER_MS: u64 = 7 * DAY_MS;
/// Contributions last 400 days. Their node stamps them again after this, and any other node after that.
const RENEWED_AFTER_MS: u64 = 200 * DAY_MS;
const LOST_AFTER_MS: u64 = 300 * DAY_MS;
const RENEWED_EVERY_MS: u64 = DAY_MS / 24;
const DAY_MS: u64 = 24 * 3_600_000;

impl Facts {
    /// From here on a counter counts from 0. What is added meanwhile on nodes that do not know of it yet counts as added before.
    pub(super) fn reset_counter(
        &mut self,
        author: &ClickAuthor<'_>,
        counter: &str,
        stamp: Stamp,
        clock: NodeClock,
        out: &mut Outputs,
    ) {
        let before = self.counter(author.room, counter).since();
        // Where clocks were set back, the removal before may have a later stamp.
        let since =
            before.filter(|before| *before >= stamp).map_or(stamp, |before| Stamp { time: before.time + 1, ..stamp });
        let value = minicbor::to_vec(since).expect("writing to memory can't fail");
        let key = FactKey { room: author.room.clone(), key: name::reset(counter), entry: None };
        let draft = Draft::Value { cap: 0, value, lasts: Default::default() };
        let fact = new_fact(author, key, draft, stamp, stamp.time + LASTS_MAX_MS);
        self.keep(&fact, clock, out);
    }

    /// Adds to a counter what a click adds, and what was added long ago by earlier starts of this node.
    pub(super) fn contribute(
        &mut self,
        author: &ClickAuthor<'_>,
        counter: &str,
        amount: i64,
        stamp: Stamp,
        clock: NodeClock,
        out: &mut Outputs,
    ) -> FactKey {
        let by = author.me.table();
        let before = clock.time - FOLDED_AFTER_MS;
        let (mut own, folded) = self.counter(author.room, counter).own(by, before, clock.time);
        let folded: Vec<(FactKey, NodeTime)> = folded
            .into_iter()
            .map(|stored| {
                (FactKey { room: author.room.clone(), key: stored.fact.key.clone(), entry: None }, stored.fact.expires)
            })
            .collect();
        own.total = own.total.saturating_add(amount);
        self.contributed = self.contributed.saturating_add(1);
        own.number = self.contributed;
        let key = name::contribution(counter, by).expect("it was checked");
        let key = FactKey { room: author.room.clone(), key, entry: None };
        let draft = Draft::Value { cap: 0, value: own.write(), lasts: Default::default() };
        let fact = new_fact(author, key.clone(), draft, stamp, stamp.time + LASTS_MAX_MS);
        self.keep(&fact, clock, out);
        for (key, ends) in folded {
            let draft = Draft::Tombstone { cap: 0, ends };
            let expires = draft.expires(stamp);
            self.keep(&new_fact(author, key, draft, stamp, expires), clock, out);
        }
        key
    }

    /// Stamps contributions to counters again before their time is over: those of this node, and much later those of nodes
    /// that are lost. By then no node can know a later version of these.
    pub(super) fn renew_contributions(&mut self, clock: NodeClock, now: Mono, out: &mut Outputs) {
        if self.renewed_at.is_some_and(|at| now.since(at) < RENEWED_EVERY_MS) {
            return;
        }
        self.renewed_at = Some(now);
        let old = |stored: &&StoredFact| {
            let fact = &stored.fact;
            let own = fact.stamp.node == self.store.own();
            let after_ms = if own { RENEWED_AFTER_MS } else { LOST_AFTER_MS };
            !fact.is_removed() && clock.time.since(fact.stamp.time) >= after_ms && name::is_contribution(&fact.key)
        };
        let old: Vec<Fact> = self
            .store
            .starting_at(None)
            .map(|(_, stored)| stored)
            .filter(old)
            .map(|stored| stored.fact.clone())
            .collect();
        for fact in old {
            let stamp = self.stamp(clock, out);
            // The click that it belongs to was long ago.
            self.keep(&Fact { stamp, expires: stamp.time + LASTS_MAX_MS, trace: None, ..fact }, clock, out);
        }
    }

    /// Everything that is known of a counter.
    pub(super) fn counter(&self, room: &Room, counter: &str) -> CounterParts<'_> {
        let mut parts = CounterParts::default();
        for (key, stored) in self.store.named(room, counter).filter(|(_, stored)| !stored.fact.is_removed()) {
            match FactName::of(key) {
                FactName::Contribution { by, .. } => parts.add(by, stored),
                FactName::Reset { .. } => parts.reset(stored),
                _ => {}
            }
        }
        parts
    }

    /// Of two values of one contribution the one with the greater number is the later one. Their stamps may say otherwise: what a
    /// clock that ran ahead has stamped is stamped again by every node of that name, each by its own clock. A node that has the
    /// later value gives it a later stamp, so that it wins everywhere. Returns whether that was necessary. `own` is this start of
    /// this node.
    pub(super) fn keeps_later_value(
        &mut self,
        own: TableKey,
        bytes: &[u8],
        clock: NodeClock,
        out: &mut Outputs,
    ) -> bool {
        let Some((key, theirs)) = fact::read(bytes).filter(|(_, fact)| fact.stamp.time <= clock.limit) else {
            return false;
        };
        let FactName::Contribution { by, .. } = FactName::of(&key) else { return false };
        let Some(known) = self.store.get(&key).map(|stored| stored.fact.clone()) else { return false };
        if theirs.is_removed() || known.is_removed() || theirs.value == known.value {
            return false;
        }
        let (seen, is_ours) = ([known.stamp, theirs.stamp], by == own && self.contributed > 0);
        let wins = theirs.stamp > known.stamp || self.store.is_overruled(known.stamp, clock.limit);
        let (mut here, there) = (Contribution::of(&known), Contribution::of(&theirs));
        if is_ours && here.number < there.number {
            // Only this start knows what it has added, whatever number others give to something else.
            self.contributed = self.contributed.max(there.number).saturating_add(1);
            here.number = self.contributed;
        }
        let later = match wins {
            true if is_ours => Fact { value: here.write(), ..known },
            true if here.number > there.number => known,
            false if here.number < there.number => theirs,
            _ => return false,
        };
        seen.into_iter().filter(|stamp| stamp.time <= clock.limit).for_each(|stamp| self.clock.see(stamp));
        let stamp = self.stamp(clock, out);
        self.store.take_off(&key);
        self.keep(&Fact { stamp, expires: stamp.time + LASTS_MAX_MS, ..later }, clock, out);
        true
    }
}

#[cfg(test)]
mod tests {
    use minicbor::bytes::ByteVec;

    use super::*;
    use crate::app::region::Place;
    use crate::app::write::Write;
    use crate::id::{NodeHash, NodeName, Region, UserId};
    use crate::identity::Identity;
    use crate::io::settings::FactSettings;
    use crate::time::{Incarnation, Wall};
    use crate::trace::TraceContext;
    use crate::wire::Bundle;

    const TIME: NodeTime = NodeTime(1_800_000_000_000);
    const CLOCK: NodeClock = NodeClock { wall: Wall(TIME.0), time: TIME, limit: NodeTime(TIME.0 + 60_000) };

    fn digest(bytes: &[u8]) -> [u8; 32] {
        use sha2::Digest as _;
        sha2::Sha256::digest(bytes).into()
    }

    fn room() -> Room {
        Room::new("demo").expect("a name")
    }

    struct Counting {
        me: Identity,
        facts: Facts,
        out: Outputs,
        trace: Option<TraceContext>,
    }

    impl Counting {
        fn start(name: &str) -> Self {
            let name = NodeName::new(name).expect("a name");
            let me = Identity {
                hash: NodeHash::of(&name, digest),
                name,
                incarnation: Incarnation::new(TIME.0),
                birth: 1,
                region: Region::new("ams").expect("a code"),
                place: Place::default(),
                meshed: true,
                digest,
                key: None,
            };
            let out = Outputs::new(me.sender(), None, true);
            Self { facts: Facts::restore(&me, &[], CLOCK), out, me, trace: None }
        }

        /// Adds 1, and returns the fact.
        fn click(&mut self) -> Vec<u8> {
            let (room, user) = (room(), UserId([1; 32]));
            let author = ClickAuthor { me: &self.me, room: &room, user, trace: self.trace.as_ref() };
            let writes = vec![Write::add("claps", 1)];
            let plan = self.facts.plan(&author, writes, FactSettings::default(), CLOCK).expect("it may be written");
            let keys = self.facts.commit(&author, plan, CLOCK, &mut self.out);
            self.facts.store.get(&keys[0]).expect("it was written").bytes.clone()
        }

        fn hear(&mut self, bytes: &[u8]) {
            let bundle = Bundle { facts: vec![ByteVec::from(bytes.to_vec())] };
            let (own, from) = (self.me.table(), NodeHash(9));
            assert!(self.facts.take_all(own, from, &bundle, CLOCK, Mono(1_000), &mut self.out));
        }

        fn known(&self) -> Vec<u8> {
            self.facts.store.starting_at(None).next().expect("there is one").1.bytes.clone()
        }

        fn total(&self) -> Option<i64> {
            self.facts.counter(&room(), "claps").total()
        }
    }

    /// As another node of its author's name stamps it again.
    fn stamped_later(bytes: &[u8]) -> Vec<u8> {
        let mut fact: Fact = minicbor::decode(bytes).expect("a fact");
        fact.stamp.time += 20_000;
        minicbor::to_vec(fact).expect("writing to memory can't fail")
    }

    #[test]
    fn the_later_value_of_a_contribution_wins_whatever_its_stamp() {
        let mut author = Counting::start("ams-0");
        let (early, _, late) = (author.click(), author.click(), author.click());
        let early = stamped_later(&early);
        for order in [[&early, &late], [&late, &early]] {
            let (mut reader, mut other) = (Counting::start("iad-1"), Counting::start("maa-3"));
            order.into_iter().for_each(|bytes| reader.hear(bytes));
            assert_eq!(reader.total(), Some(3));
            other.hear(&early);
            other.hear(&reader.known());
            assert_eq!((other.total(), other.known()), (Some(3), reader.known()), "its stamp is the latest");
        }
        author.hear(&early);
        assert_eq!(author.total(), Some(3));
    }

    #[test]
    fn a_fact_that_gets_an_earlier_stamp_keeps_its_trace_and_one_that_is_renewed_does_not() {
        let mut author = Counting::start("ams-0");
        author.trace = TraceContext::new([1; 16], [2; 8], true);
        let written: Fact = minicbor::decode(&author.click()).expect("a fact");
        let (behind, later) = (TIME - 500_000, TIME + 201 * DAY_MS);
        let at = |time: NodeTime| NodeClock { wall: Wall(time.0), time, limit: time + 60_000 };
        author.facts.restamp_ahead(at(behind), &mut author.out);
        let earlier: Fact = minicbor::decode(&author.known()).expect("a fact");
        assert!(earlier.stamp < written.stamp);
        // Others may have the fact with that stamp: their bytes and these are compared.
        assert_eq!(earlier.trace.as_deref(), author.trace.as_ref());
        author.facts.renew_contributions(at(later), Mono(1), &mut author.out);
        let renewed: Fact = minicbor::decode(&author.known()).expect("a fact");
        assert_eq!((renewed.stamp.time >= later, renewed.trace), (true, None));
    }

    #[test]
    fn no_number_makes_a_start_forget_what_it_has_added() {
        let (mut author, mut reader) = (Counting::start("ams-0"), Counting::start("iad-1"));
        let mut forged: Fact = minicbor::decode(&author.click()).expect("a fact");
        forged.value = Contribution { total: 1_000, number: u64::MAX, ..Contribution::default() }.write();
        forged.stamp.time += 20_000;
        let forged = minicbor::to_vec(forged).expect("writing to memory can't fail");
        author.hear(&forged);
        reader.hear(&forged);
        reader.hear(&author.known());
        assert_eq!((author.total(), reader.total()), (Some(1), Some(1)));
        reader.hear(&author.click());
        assert_eq!(reader.total(), Some(2));
    }
}
