//! Repair: one request fills what a replica misses, be it a gap, what happened while a link was down, or everything.

use std::collections::BTreeSet;

use crate::discovery::{Discovery, PendingRequest};
use crate::id::NodeHash;
use crate::io::mesh_view::PeerState;
use crate::io::output::Urgency;
use crate::membership::Membership;
use crate::outputs::Outputs;
use crate::presence::Presence;
use crate::presence::row::{Removed, RowKey, TableKey};
use crate::replication::Replication;
use crate::replication::replica::{Repair, RepairSource};
use crate::time::Mono;
use crate::wire::{self, Request, RowsAnswer, RowsRequest};

/// A gap that is older than this is repaired.
const GAP_MS: u64 = 500;
/// Different nodes repair a gap at slightly different moments.
const JITTER_MS: u64 = 200;
/// Pages requested at a time.
const IN_FLIGHT: usize = 4;
/// Most pages of one table: two million rows with display data.
const PAGES_MAX: usize = 8_192;
/// Lost pages after which a repair is given up and begun again.
const RETRIES: u32 = 8;

impl Replication {
    /// Requests what is missing.
    pub(crate) fn repair(
        &mut self,
        me: NodeHash,
        membership: &Membership,
        discovery: &mut Discovery,
        now: Mono,
        out: &mut Outputs,
    ) {
        let mut busy: BTreeSet<NodeHash> =
            self.replicas.values().filter_map(|replica| replica.repair.as_ref()).map(|repair| repair.from).collect();
        // Those that live come first: what is held runs out without help.
        let (held, living): (Vec<TableKey>, Vec<TableKey>) =
            self.replicas.keys().copied().partition(|table| membership.is_held(*table));
        for table in living.into_iter().chain(held) {
            let mut knowing = self.candidates(me, table, membership, now).into_iter();
            let Some(from) = knowing.find(|from| !busy.contains(from) && discovery.link_to(*from).is_some()) else {
                continue;
            };
            busy.insert(from);
            self.begin_repair(table, from, membership, now);
            self.ask_pages(table, discovery, out);
        }
    }

    /// The nodes to ask for a table now, best first: its own, the one that relays it, and for one that has left those that
    /// show other rows.
    fn candidates(&self, me: NodeHash, table: TableKey, membership: &Membership, now: Mono) -> Vec<NodeHash> {
        let replica = &self.replicas[&table];
        if replica.repair.is_some() || now < replica.not_before {
            return Vec::new();
        }
        let peer = membership.peer(table.node).filter(|peer| peer.incarnation == table.incarnation);
        let speaks =
            peer.filter(|peer| matches!(peer.state, PeerState::Live | PeerState::Draining | PeerState::Departed));
        let direct = speaks.filter(|peer| peer.heard_directly(now)).map(|_| table.node);
        if membership.is_held(table) {
            // There may be a link to one that is not heard directly, but it need not answer.
            let answers = |node: &NodeHash| {
                replica.unanswered != Some(*node) && membership.peer(*node).is_some_and(|peer| peer.heard_directly(now))
            };
            let (first, last): (Vec<NodeHash>, Vec<NodeHash>) = replica.differs.iter().partition(|node| answers(node));
            let all = direct.into_iter().chain(first).chain(last);
            return all.filter(|_| !replica.is_complete()).collect();
        }
        let jitter_ms = (table.node.0 ^ me.0) % JITTER_MS;
        let via = speaks.and_then(|peer| peer.via).filter(|via| replica.trusts(*via, now));
        direct.into_iter().chain(via).filter(|_| replica.repair_is_due(GAP_MS + jitter_ms, now)).collect()
    }

    fn begin_repair(&mut self, table: TableKey, from: NodeHash, membership: &Membership, now: Mono) {
        let Some(replica) = self.replicas.get_mut(&table) else { return };
        let believed = from == table.node || membership.is_held(table);
        let source =
            if believed { RepairSource::Believed } else { RepairSource::Relay { announced: replica.announced } };
        let after = if replica.known { replica.contiguous_upto } else { 0 };
        self.gaps += u64::from(replica.known);
        replica.not_before = now + GAP_MS;
        replica.differs.remove(&from);
        replica.repair = Some(Repair::begin(from, source, after));
    }

    /// Asks for the pages of a repair that wait, a few at a time.
    pub(crate) fn ask_pages(&mut self, table: TableKey, discovery: &mut Discovery, out: &mut Outputs) {
        let Some(replica) = self.replicas.get_mut(&table) else { return };
        while let Some(repair) = &mut replica.repair {
            let Some(&(after, upto)) = repair.waiting.first().filter(|_| repair.in_flight.len() < IN_FLIGHT) else {
                return;
            };
            let request = Request::Rows(RowsRequest { table, after, upto, page: repair.begun });
            match discovery.ask(repair.from, &request, PendingRequest::Rows(table), Urgency::High, out) {
                Some(question) => {
                    repair.waiting.remove(0);
                    repair.in_flight.insert(question, (after, upto));
                }
                None => replica.repair = None,
            }
        }
    }

    /// An answer to a request for rows, or its loss. Returns the page, if one came that was waited for.
    pub(crate) fn accept(&mut self, question: u64, table: TableKey, bytes: Option<&[u8]>) -> Option<RowsAnswer> {
        let replica = self.replicas.get_mut(&table)?;
        let repair = replica.repair.as_mut()?;
        let range = repair.in_flight.remove(&question)?;
        match bytes.and_then(wire::read_answer::<RowsAnswer>) {
            Some((_, answer)) if !answer.unknown => return Some(answer),
            Some(_) => replica.repair = None,
            None => {
                repair.retries += 1;
                repair.waiting.push(range);
                // Another node may answer where this one does not.
                if !repair.begun || repair.retries > RETRIES {
                    replica.unanswered = Some(repair.from);
                    replica.repair = None;
                }
            }
        }
        None
    }

    /// Takes the rows of a page.
    pub(crate) fn take_page(&mut self, table: TableKey, page: RowsAnswer, presence: &mut Presence, now: Mono) {
        let Some(replica) = self.replicas.get_mut(&table) else { return };
        let Some(repair) = &mut replica.repair else { return };
        if !repair.begun && !repair.source.may_know(page.upto) {
            replica.repair = None;
            return;
        }
        if repair.source != RepairSource::Believed {
            replica.relayed_by = Some(repair.from);
        }
        if !repair.begun {
            (repair.begun, repair.upto, repair.all) = (true, page.upto, page.all);
            // The answer itself was the first of the pages that end at the cuts.
            repair.waiting.extend(page.cuts.windows(2).take(PAGES_MAX).map(|cuts| (cuts[0], cuts[1])));
            if page.all {
                presence.begin_naming(table);
                replica.whole_table_at = Some(now);
                self.tables_asked += 1;
            }
        }
        let all = repair.all;
        if let Some(ends) = page.ends {
            replica.ends_at(ends, now);
        }
        let named: Vec<RowKey> = page.rows.iter().map(|row| row.key).filter(|_| all).collect();
        self.take_rows(table, page.rows, &page.removed, u64::MAX, presence, now);
        named.iter().for_each(|named| presence.name(table, named));
        let repair = self.replicas.get(&table).and_then(|replica| replica.repair.as_ref());
        if repair.is_some_and(Repair::is_done) {
            self.end_repair(table, presence, now);
        }
    }

    fn end_repair(&mut self, table: TableKey, presence: &mut Presence, now: Mono) {
        let Some(replica) = self.replicas.get_mut(&table) else { return };
        let Some(repair) = replica.repair.take() else { return };
        if repair.all {
            let gone = presence.table(table).map(|rows| rows.unnamed(repair.upto)).unwrap_or_default();
            for key in gone {
                presence.remove(table, Removed { key, number: 0 }, now);
            }
            presence.raise_removal_floor(table, repair.upto);
        }
        replica.repaired(repair.upto, now);
        (self.repaired, self.exchanged) = (true, true);
    }
}
