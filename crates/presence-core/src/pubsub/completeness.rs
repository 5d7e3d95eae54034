//! Since when this node has received every published message. Authors number their messages and say in heartbeats how many
//! there are, so a node knows what it never had.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::NodeHash;
use crate::io::mesh_view::PeerState;
use crate::membership::Membership;
use crate::presence::row::TableKey;
use crate::time::Mono;
use crate::wire::HeardUpto;

/// A heartbeat overtakes messages, and a relayed message comes late. What is missing for longer than this was lost.
const OVERTAKEN_MS: u64 = 1_000;
/// Most messages of one author that are remembered behind a missing one.
const AHEAD_MAX: usize = 4_096;
/// As long as a message is kept: what is older is no longer asked for.
const REMEMBERED_MS: u64 = 300_000;
/// Most starts of nodes that are remembered.
const AUTHORS_MAX: usize = 512;
/// How many authors that are gone one heartbeat names.
pub(crate) const GONE_NAMED: usize = 4;

/// What was received of one start of one node.
#[derive(Clone, Debug, Default)]
struct ReceivedNumbers {
    /// All up to this number.
    upto: u64,
    ahead: BTreeSet<u64>,
    /// The last number that it is known to have used.
    told: u64,
    missing_since: Option<Mono>,
    /// When the author last said how many there are.
    told_at: Option<Mono>,
    /// When it was first found not to be live.
    gone_at: Option<Mono>,
}

impl ReceivedNumbers {
    fn review(&mut self, now: Mono) {
        while self.ahead.remove(&self.upto.saturating_add(1)) {
            self.upto += 1;
        }
        let missing = self.upto < self.told;
        self.missing_since = missing.then(|| self.missing_since.unwrap_or(now));
    }

    fn is_lost(&self, now: Mono) -> bool {
        let since = self.missing_since;
        since.is_some_and(|since| {
            now.since(since) >= OVERTAKEN_MS || self.gone_at.is_some() || self.ahead.len() >= AHEAD_MAX
        })
    }

    fn give_up(&mut self) {
        (self.upto, self.missing_since) = (self.told, None);
        self.ahead.clear();
    }
}

/// Since when nothing was lost.
#[derive(Debug, Default)]
pub(crate) struct Completeness {
    authors: BTreeMap<TableKey, ReceivedNumbers>,
    /// `None`: this node does not hear the others yet.
    since: Option<Mono>,
    resumed_at: Option<Mono>,
    turn: usize,
}

impl Completeness {
    /// This node hears others from now on, or there are none.
    pub(crate) fn begin(&mut self, now: Mono) {
        self.since.get_or_insert(now);
    }

    /// The process was suspended: what others said meanwhile may be lost, until they say again how much that was.
    pub(crate) fn resume(&mut self, now: Mono) {
        self.resumed_at = Some(now);
    }

    /// A message came.
    pub(crate) fn received(&mut self, author: TableKey, number: u64, now: Mono) {
        let Some(numbers) = self.of_live(author, now) else { return };
        if number > numbers.upto {
            if numbers.ahead.len() < AHEAD_MAX {
                numbers.ahead.insert(number);
            }
            numbers.told = numbers.told.max(number);
            numbers.review(now);
        }
    }

    /// An author says how many messages it has published. One of an earlier version does not: a lost one is noticed when the
    /// next one comes.
    pub(crate) fn told(&mut self, author: TableKey, published: Option<u64>, now: Mono) {
        let Some(numbers) = self.of_live(author, now) else { return };
        numbers.told_at = Some(now);
        numbers.told = numbers.told.max(published.unwrap_or(0));
        numbers.review(now);
    }

    /// A node that was silent is heard again, and has not said yet how many messages it has published meanwhile.
    pub(crate) fn recovered(&mut self, author: TableKey) {
        if let Some(numbers) = self.authors.get_mut(&author) {
            numbers.told_at = None;
        }
    }

    /// Another node says how much it has of one that is gone here, too.
    pub(crate) fn told_of_gone(&mut self, heard: &HeardUpto, membership: &Membership, now: Mono) {
        if heard.gone_ms >= REMEMBERED_MS || is_live(heard.table, membership) {
            return;
        }
        let Some(numbers) = self.of(heard.table) else { return };
        numbers.gone_at.get_or_insert(now - heard.gone_ms);
        numbers.told = numbers.told.max(heard.upto);
        numbers.review(now);
    }

    /// Of an author that is heard: where there is no room, the one that has been gone for longest gives way.
    fn of_live(&mut self, author: TableKey, now: Mono) -> Option<&mut ReceivedNumbers> {
        if self.authors.len() >= AUTHORS_MAX && !self.authors.contains_key(&author) {
            let gone = self.authors.iter().filter_map(|(table, numbers)| Some((numbers.gone_at?, *table)));
            let oldest = gone.min().and_then(|(_, table)| self.authors.remove(&table));
            if oldest.is_some_and(|numbers| numbers.missing_since.is_some()) && self.since.is_some() {
                self.since = Some(now);
            }
        }
        self.of(author)
    }

    fn of(&mut self, author: TableKey) -> Option<&mut ReceivedNumbers> {
        let room = self.authors.len() < AUTHORS_MAX || self.authors.contains_key(&author);
        room.then(|| self.authors.entry(author).or_default())
    }

    /// Finds out what was lost: everything before now may lack it.
    pub(crate) fn tick(&mut self, membership: &Membership, now: Mono) {
        let mut lost = false;
        for (table, numbers) in &mut self.authors {
            numbers.gone_at = (!is_live(*table, membership)).then(|| numbers.gone_at.unwrap_or(now));
            if numbers.is_lost(now) {
                numbers.give_up();
                lost = true;
            }
        }
        if lost && self.since.is_some() {
            self.since = Some(now);
        }
        self.authors.retain(|_, numbers| numbers.gone_at.is_none_or(|at| now.since(at) < REMEMBERED_MS));
    }

    /// For how long everything that was published has been received. `None`: something may be missing now, since a node is
    /// silent, a message is late, or a node has not yet said how many there are.
    pub(crate) fn complete_ms(&self, membership: &Membership, now: Mono) -> Option<u64> {
        let since = self.since?;
        let is_known = |node: NodeHash, incarnation| {
            let numbers = self.authors.get(&TableKey { node, incarnation });
            numbers.and_then(|numbers| numbers.told_at).is_some_and(|at| self.resumed_at.is_none_or(|after| at > after))
        };
        let unknown = membership.peers().any(|(node, peer)| match peer.state {
            PeerState::Live | PeerState::Draining => !is_known(node, peer.incarnation),
            PeerState::Silent => true,
            PeerState::Departed | PeerState::Gone => false,
        });
        let missing = self.authors.values().any(|numbers| numbers.missing_since.is_some());
        (!unknown && !missing).then(|| now.since(since))
    }

    /// Whether a message is late: whether it is lost is known soon.
    pub(crate) fn is_undecided(&self) -> bool {
        self.since.is_none() || self.authors.values().any(|numbers| numbers.missing_since.is_some())
    }

    /// What was received of nodes that are gone, some of them in turn: each node finds out whether another had more.
    pub(crate) fn gone_in_turn(&mut self, now: Mono) -> Vec<HeardUpto> {
        let gone = self.authors.iter().filter(|(_, numbers)| numbers.upto > 0);
        let all: Vec<HeardUpto> = gone
            .filter_map(|(table, numbers)| {
                Some(HeardUpto { table: *table, upto: numbers.upto, gone_ms: now.since(numbers.gone_at?) })
            })
            .collect();
        crate::membership::in_turn(&all, &mut self.turn, GONE_NAMED)
    }
}

/// Whether that start of a node speaks for itself.
fn is_live(table: TableKey, membership: &Membership) -> bool {
    let peer = membership.peer(table.node).filter(|peer| peer.incarnation == table.incarnation);
    peer.is_some_and(|peer| matches!(peer.state, PeerState::Live | PeerState::Draining))
}
