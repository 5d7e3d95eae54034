//! Copies of other nodes' tables, and the one question that fills what they miss: repair, catching up and first
//! snapshot are the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::discovery::PendingRequest;
use crate::id::NodeHash;
use crate::io::output::Urgency;
use crate::membership::{Path, PeerState};
use crate::node::Node;
use crate::presence::TableRows;
use crate::presence::row::Weight;
use crate::presence::row::{Removed, Row, RowKey, TableKey};
use crate::testing::fault_injection::{Fault, injected};
use crate::time::Now;
use crate::wire::{self, Broadcast, Delta, Heartbeat, PAGE_BYTES, Request, RowsAnswer, RowsRequest, Sender};

/// A hole that is older than this is asked for.
const HOLE_MS: u64 = 500;
/// Holes are asked for at slightly different moments by different nodes.
const JITTER_MS: u64 = 200;
/// A whole table of one node is asked for at most this often.
const WHOLE_MS: u64 = 10_000;
/// A root that differs (a fault) has everything asked for anew at most this often.
const FAULT_MS: u64 = 60_000;
/// Pages asked for at a time.
const IN_FLIGHT: usize = 4;
/// Lost pages after which a question is given up and begun anew.
const RETRIES: u32 = 8;
/// Most rows that are taken of one node.
const ROWS_MAX: usize = 4_000_000;
/// Most stretches that are remembered above a hole.
const AHEAD_MAX: usize = 1_024;
/// About how many bytes a removed row takes on the wire.
const REMOVAL_BYTES: usize = 70;
/// How long removals of others are remembered.
const REMOVED_MS: u64 = 60_000;
const REMOVED_MAX: usize = 65_536;
/// Deltas go out at once after a quiet moment, else so far apart.
const DELTA_GAP_MS: u64 = 5;

/// How completely another node's table is known here.
#[derive(Debug, Default)]
pub(crate) struct Replica {
    /// The number up to which nothing is missed.
    pub(crate) whole: u64,
    /// Something was filled once.
    pub(crate) known: bool,
    /// Stretches (after, upto] that were heard above it.
    ahead: Vec<(u64, u64)>,
    /// The greatest number that was heard of.
    target: u64,
    /// Its node has left and this was its last number.
    ends: Option<u64>,
    hole_ms: Option<u64>,
    fill: Option<Fill>,
    /// When a whole table was answered last.
    asked_whole_ms: Option<u64>,
    /// A question that came to nothing is not asked again before this.
    not_before_ms: u64,
    faulted_ms: Option<u64>,
    /// Who has shown that they hold other rows of it, since it was last asked of them.
    pub(crate) differs: BTreeSet<NodeHash>,
}

/// A question under way.
#[derive(Debug)]
struct Fill {
    from: NodeHash,
    upto: u64,
    all: bool,
    begun: bool,
    waiting: Vec<(u64, u64)>,
    in_flight: BTreeMap<u64, (u64, u64)>,
    retries: u32,
}

impl Replica {
    fn heard(&mut self, after: u64, upto: u64, now_ms: u64) {
        self.target = self.target.max(upto);
        if injected(Fault::HolesSkipped) {
            self.advance(upto);
        } else if after > self.whole && self.ahead.len() < AHEAD_MAX {
            self.ahead.push((after, upto));
            self.ahead.sort_unstable();
        } else if after <= self.whole {
            self.advance(upto);
        }
        self.notice_hole(now_ms);
    }

    fn advance(&mut self, upto: u64) {
        self.whole = self.whole.max(upto);
        while let Some(&(after, upto)) = self.ahead.first() {
            if after > self.whole {
                break;
            }
            self.whole = self.whole.max(upto);
            self.ahead.remove(0);
        }
    }

    fn notice_hole(&mut self, now_ms: u64) {
        if self.whole >= self.target {
            self.hole_ms = None;
        } else if self.hole_ms.is_none() {
            self.hole_ms = Some(now_ms);
        }
    }

    /// Its node changes nothing more after this number.
    pub(crate) fn ends_at(&mut self, number: u64, now_ms: u64) {
        self.ends = self.ends.max(Some(number));
        self.target = self.target.max(number);
        self.notice_hole(now_ms);
    }

    /// Its node has left, and nothing of what it said is missing.
    pub(crate) fn complete(&self) -> bool {
        self.ends.is_some_and(|ends| self.whole >= ends)
    }

    fn due(&self, wait_ms: u64, now_ms: u64) -> bool {
        let rested = self.asked_whole_ms.is_none_or(|asked_ms| now_ms.saturating_sub(asked_ms) >= WHOLE_MS);
        let hole = self.hole_ms.is_some_and(|hole_ms| now_ms.saturating_sub(hole_ms) >= wait_ms);
        if self.known { hole } else { rested }
    }
}

impl Node {
    /// Whether a table is known completely, but for what is on its way.
    pub(crate) fn is_whole(&self, key: TableKey) -> bool {
        let held = self.held.contains_key(&key);
        let whole = |copy: &Replica| if held { copy.complete() } else { copy.known && copy.hole_ms.is_none() };
        self.copies.get(&key).is_some_and(whole)
    }

    /// Numbers what has changed here and publishes it: at once, or gathered for a few ms under load.
    pub(crate) fn send_deltas(&mut self, now: Now) {
        while let Some(numbered) = self.own.number(&mut self.presence, now.mono_ms) {
            self.delta_not_before_ms = now.mono_ms + DELTA_GAP_MS;
            self.say(&Broadcast::Delta(Delta {
                after: numbered.after,
                upto: numbered.upto,
                rows: numbered.rows,
                removed: numbered.removed,
            }));
        }
    }

    /// A delta of another node, directly or passed on.
    pub(crate) fn heard_delta(&mut self, sender: &Sender, delta: Delta, path: Path, now: Now) {
        let hash = NodeHash::of(&sender.name, self.settings.digest);
        let key = TableKey { node: hash, incarnation: sender.incarnation };
        let known = self.peers.get(&hash).is_some_and(|peer| peer.incarnation == sender.incarnation);
        if !known || delta.after > delta.upto {
            return;
        }
        self.hear(hash, path, now);
        self.take_rows(key, delta.rows, &delta.removed, now);
        if let Some(copy) = self.copies.get_mut(&key) {
            copy.heard(delta.after, delta.upto, now.mono_ms);
        }
    }

    /// Takes rows and removals that are newer than what is known of their keys. What is numbered at or below the number
    /// up to which this copy is whole is no news: its removal may be forgotten already.
    fn take_rows(&mut self, key: TableKey, rows: Vec<Row>, removed: &[Removed], now: Now) {
        let floor = self.copies.get(&key).map_or(0, |copy| copy.whole);
        for row in rows {
            let Some(table) = self.presence.table(key) else { return };
            if row.number > floor && row.number > table.number(&row.key) && table.table.len() < ROWS_MAX {
                self.presence.set(key, row);
            }
        }
        for removed in removed {
            let newer = self.presence.table(key).is_some_and(|table| removed.number > table.number(&removed.key));
            if removed.number > floor && newer && !injected(Fault::RemovalsIgnored) {
                self.presence.remove(key, *removed, now.mono_ms);
            }
        }
    }

    /// What a heartbeat says of its sender's rows and facts, against what is known here.
    pub(crate) fn compare(&mut self, hash: NodeHash, beat: &Heartbeat, now: Now) {
        let Some(key) = self.peers.get(&hash).map(|peer| peer.key(hash)) else { return };
        let root = self.presence.table(key).map(|rows| rows.table.root());
        if let Some(copy) = self.copies.get_mut(&key) {
            copy.target = copy.target.max(beat.sequence);
            copy.notice_hole(now.mono_ms);
            let only = copy.ahead.is_empty() && !self.held.contains_key(&key);
            let comparable = copy.known && copy.fill.is_none() && copy.whole == beat.sequence && only;
            let faulted = copy.faulted_ms.is_some_and(|at_ms| now.mono_ms.saturating_sub(at_ms) < FAULT_MS);
            if comparable && !faulted && root.map(u128::to_be_bytes) != Some(beat.rows_root) {
                let asked_whole_ms = copy.asked_whole_ms;
                *copy = Replica { faulted_ms: Some(now.mono_ms), asked_whole_ms, ..Replica::default() };
                self.root_faults += 1;
                let peer = self.peers[&hash].clone();
                let message =
                    format!("Our copy of the rows of {} differs from its own: asking for all of them.", peer.name);
                self.tell(true, Some(&peer), message);
            }
        }
        self.compare_facts(hash, beat, now);
    }

    /// Asks for what is missing.
    pub(crate) fn fill_holes(&mut self, now: Now) {
        let mut busy: BTreeSet<NodeHash> =
            self.copies.values().filter_map(|copy| copy.fill.as_ref()).map(|fill| fill.from).collect();
        // Those that live come first: what is held runs out by itself.
        let (held, living): (Vec<TableKey>, Vec<TableKey>) =
            self.copies.keys().copied().partition(|key| self.held.contains_key(key));
        for key in living.into_iter().chain(held) {
            let mut knowing = self.whom_to_ask(key, now.mono_ms).into_iter();
            let Some(from) = knowing.find(|from| !busy.contains(from) && self.link_to(*from).is_some()) else {
                continue;
            };
            busy.insert(from);
            self.begin_fill(key, from, now);
        }
    }

    /// Whom to ask for a table now, best first: its node, who passes it on, and for one that has left whoever shows
    /// other rows.
    fn whom_to_ask(&self, key: TableKey, now_ms: u64) -> Vec<NodeHash> {
        let copy = &self.copies[&key];
        if copy.fill.is_some() || now_ms < copy.not_before_ms {
            return Vec::new();
        }
        let peer = self.peers.get(&key.node).filter(|peer| peer.incarnation == key.incarnation);
        let speaks =
            peer.filter(|peer| matches!(peer.state, PeerState::Live | PeerState::Draining | PeerState::Departed));
        let direct = speaks.filter(|peer| peer.heard_directly(now_ms)).map(|_| key.node);
        if self.held.contains_key(&key) {
            return direct.into_iter().chain(copy.differs.iter().copied()).filter(|_| !copy.complete()).collect();
        }
        let jitter_ms = (key.node.0 ^ self.hash.0) % JITTER_MS;
        let via = speaks.and_then(|peer| peer.via);
        direct.into_iter().chain(via).filter(|_| copy.due(HOLE_MS + jitter_ms, now_ms)).collect()
    }

    fn begin_fill(&mut self, key: TableKey, from: NodeHash, now: Now) {
        let Some(copy) = self.copies.get_mut(&key) else { return };
        let after = if copy.known { copy.whole } else { 0 };
        copy.not_before_ms = now.mono_ms + HOLE_MS;
        copy.differs.remove(&from);
        copy.fill = Some(Fill {
            from,
            upto: u64::MAX,
            all: false,
            begun: false,
            waiting: vec![(after, u64::MAX)],
            in_flight: BTreeMap::new(),
            retries: 0,
        });
        self.ask_pages(key);
    }

    fn ask_pages(&mut self, key: TableKey) {
        loop {
            let Some(fill) = self.copies.get(&key).and_then(|copy| copy.fill.as_ref()) else { return };
            let (from, page) = (fill.from, fill.begun);
            let Some(&(after, upto)) = fill.waiting.first().filter(|_| fill.in_flight.len() < IN_FLIGHT) else {
                return;
            };
            let asked = Request::Rows(RowsRequest { table: key, after, upto, page });
            let Some(question) = self.ask(from, &asked, PendingRequest::Rows(key), Urgency::High) else {
                self.give_up(key);
                return;
            };
            if let Some(fill) = self.copies.get_mut(&key).and_then(|copy| copy.fill.as_mut()) {
                fill.waiting.remove(0);
                fill.in_flight.insert(question, (after, upto));
            }
        }
    }

    fn give_up(&mut self, key: TableKey) {
        if let Some(copy) = self.copies.get_mut(&key) {
            copy.fill = None;
        }
    }

    /// A page, or the loss of one.
    pub(crate) fn rows_answered(&mut self, question: u64, key: TableKey, bytes: Option<&[u8]>, now: Now) {
        let Some(fill) = self.copies.get_mut(&key).and_then(|copy| copy.fill.as_mut()) else { return };
        let Some(range) = fill.in_flight.remove(&question) else { return };
        let answer = bytes.and_then(wire::read_answer::<RowsAnswer>).map(|(_, answer)| answer);
        match answer {
            Some(answer) if !answer.unknown => {
                self.take_page(key, range, answer, now);
            }
            Some(_) => self.give_up(key),
            None => {
                fill.retries += 1;
                fill.waiting.push(range);
                if fill.retries > RETRIES {
                    self.give_up(key);
                }
            }
        }
        self.ask_pages(key);
    }

    fn take_page(&mut self, key: TableKey, (after, _): (u64, u64), answer: RowsAnswer, now: Now) {
        match (answer.held_ms, &answer.region) {
            (Some(0), _) => {
                self.held.insert(key, now.mono_ms);
            }
            (Some(held_ms), Some(region)) => self.hold(key, region, held_ms, now),
            // It is not said there yet that this one has left.
            (None, Some(region)) if self.held.contains_key(&key) => {
                self.presence.open_table(key, region, Weight::Held);
            }
            _ => {}
        }
        if let (Some(ends), Some(copy)) = (answer.ends, self.copies.get_mut(&key)) {
            copy.ends_at(ends, now.mono_ms);
        }
        let Some(copy) = self.copies.get_mut(&key) else { return };
        let Some(fill) = &mut copy.fill else { return };
        let mut whole_table = false;
        if !fill.begun {
            (fill.begun, fill.upto, fill.all) = (true, answer.upto, answer.all);
            whole_table = answer.all;
            let mut start = if answer.all { 0 } else { after };
            let first = answer.cuts.first().copied();
            for cut in &answer.cuts {
                fill.waiting.push((start, *cut));
                start = *cut;
            }
            // The answer itself was the first of these pages.
            if first.is_some() {
                fill.waiting.remove(0);
            }
        }
        if whole_table {
            self.presence.begin_naming(key);
            copy.asked_whole_ms = Some(now.mono_ms);
            self.tables_asked += 1;
        }
        let named: Vec<RowKey> = answer.rows.iter().map(|row| row.key).filter(|_| fill.all).collect();
        self.take_rows(key, answer.rows, &answer.removed, now);
        named.iter().for_each(|named| self.presence.name(key, named));
        let Some(fill) = self.copies.get(&key).and_then(|copy| copy.fill.as_ref()) else { return };
        if fill.waiting.is_empty() && fill.in_flight.is_empty() {
            self.filled(key, now);
        }
    }

    fn filled(&mut self, key: TableKey, now: Now) {
        let Some(copy) = self.copies.get_mut(&key) else { return };
        let Some(fill) = copy.fill.take() else { return };
        if fill.all {
            let gone = self.presence.table(key).map(|rows| rows.unnamed(fill.upto)).unwrap_or_default();
            for row in gone {
                self.presence.remove(key, Removed { key: row, number: 0 }, now.mono_ms);
            }
            if let Some(table) = self.presence.table_mut(key) {
                table.raise_floor(fill.upto);
            }
        }
        copy.known = true;
        copy.advance(fill.upto);
        copy.hole_ms = None;
        copy.notice_hole(now.mono_ms);
        self.regions_stale = true;
        self.exchanged = true;
    }

    /// Forgets removals that nobody will ask for.
    pub(crate) fn prune_copies(&mut self, now: Now) {
        for (key, copy) in &self.copies {
            if let Some(table) = self.presence.table_mut(*key) {
                table.prune(REMOVED_MAX, copy.whole, now.mono_ms.saturating_sub(REMOVED_MS));
            }
        }
    }

    /// Answers a question about rows, of this node or of another one.
    pub(crate) fn rows_asked(&self, asked: RowsRequest, now: Now) -> RowsAnswer {
        let unknown = RowsAnswer { unknown: true, ..RowsAnswer::default() };
        if self.run_out.contains_key(&asked.table) {
            return RowsAnswer { held_ms: Some(0), ..RowsAnswer::default() };
        }
        let whole = if asked.table == self.own.key {
            self.own.sequence()
        } else {
            match self.copies.get(&asked.table) {
                Some(copy) if copy.known || self.held.contains_key(&asked.table) => copy.whole,
                _ => return unknown,
            }
        };
        let Some(rows) = self.presence.table(asked.table) else { return unknown };
        let upto = asked.upto.min(whole);
        let all = !asked.page && (asked.after == 0 || !rows.table.knows_removals_after(asked.after));
        let after = if all { 0 } else { asked.after };
        let own_end = self.leaving.filter(|_| asked.table == self.own.key).map(|going| going.until_ms);
        let end = own_end.or_else(|| self.held.get(&asked.table).copied());
        let held_ms = end.map(|until_ms| until_ms.saturating_sub(now.mono_ms));
        let mut answer = RowsAnswer {
            all,
            upto,
            held_ms,
            ends: own_end.map(|_| whole).or_else(|| self.copies.get(&asked.table).and_then(|copy| copy.ends)),
            region: Some(rows.table.region.clone()),
            ..RowsAnswer::default()
        };
        let mut end = upto;
        if !asked.page {
            answer.cuts = cuts(rows, after, upto, all);
            end = answer.cuts.first().copied().unwrap_or(upto);
        }
        if end == upto && held_ms.is_some() {
            // No delta will bring what is known of a node that has left but numbered above a hole.
            end = u64::MAX;
        }
        answer.rows = rows.changed(after, end).collect();
        if !all || end > upto {
            answer.removed = rows.table.removals(if all { upto } else { after }, end).collect();
        }
        answer
    }
}

/// Where pages of about the allowed size end; the last one at `upto`.
fn cuts(rows: TableRows<'_>, after: u64, upto: u64, all: bool) -> Vec<u64> {
    let mut removals = rows.table.removals(after, upto).filter(|_| !all).map(|removed| removed.number).peekable();
    let (mut cuts, mut bytes) = (Vec::new(), 0);
    let mut add = |number: u64, size: usize| {
        bytes += size;
        if bytes > PAGE_BYTES {
            cuts.push(number);
            bytes = 0;
        }
    };
    for (number, size) in rows.sizes(after, upto) {
        while let Some(removal) = removals.next_if(|removal| *removal < number) {
            add(removal, REMOVAL_BYTES);
        }
        add(number, size);
    }
    removals.for_each(|removal| add(removal, REMOVAL_BYTES));
    if cuts.last() != Some(&upto) {
        cuts.push(upto);
    }
    cuts
}
