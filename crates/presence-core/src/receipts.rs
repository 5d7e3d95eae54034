//! Receipts: which regions have shown a write, and how soon, by the clock of the node that took it.
//!
//! A node that shows a write sends one to the node that took it, which adds up when that was and tells all the others.

use std::collections::{BTreeMap, BTreeSet};

use crate::app::change::Change;
use crate::app::view::{Author, Receipt, WriteReceipts};
use crate::facts::FactChange;
use crate::facts::fact::ReceiptsAsked;
use crate::id::{NodeHash, Region, Room, UserId};
use crate::identity::Identity;
use crate::io::mesh_view::ReceiptTimes;
use crate::outputs::Outputs;
use crate::time::{Mono, Stamp};
use crate::wire::{Broadcast, ReceiptBundle, ReceiptReport, ReportedRegion, ReportedWrite, SentReceipt};

/// How long a write is followed.
pub(crate) const FOLLOWED_MS: u64 = 10_000;
/// Most writes that are followed: others get no receipts.
const FOLLOWED_MAX: usize = 1_024;
/// Most writes in a message.
const WRITES_MAX: usize = 64;
/// Most regions of a write.
const REGIONS_MAX: usize = 64;
/// All nodes are told of new receipts at most this often: those from near regions go together with those from far ones.
const REPORT_GAP_MS: u64 = 100;

/// A write whose receipts are gathered: the newest of its key.
#[derive(Clone, Debug)]
struct FollowedWrite {
    stamp: Stamp,
    author: Author,
    /// When this node took it: from a visitor, or from another node.
    taken_at: Mono,
    /// The newest view of its room that did not hold it yet.
    unshown_upto: u64,
    /// This node has shown it, or has no page to show it.
    shown: bool,
    regions: BTreeMap<Region, Receipt>,
}

/// A write of this node that a newer one of its key has replaced. No page shows its receipts, but they say how soon it came.
#[derive(Clone, Debug)]
struct ReplacedWrite {
    taken_at: Mono,
    counted: BTreeSet<Region>,
}

/// A write that more regions have shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReceiptsChange {
    pub(crate) room: Room,
    pub(crate) key: String,
    pub(crate) author: UserId,
}

/// The receipts of the newest writes.
#[derive(Debug, Default)]
pub(crate) struct ReceiptTracker {
    writes: BTreeMap<(Room, String), FollowedWrite>,
    replaced: BTreeMap<Stamp, ReplacedWrite>,
    /// Rooms with writes that this node has not shown yet.
    unshown: BTreeSet<Room>,
    /// Receipts for the nodes that took the writes.
    outgoing: BTreeMap<NodeHash, Vec<SentReceipt>>,
    untold: BTreeSet<(Room, String)>,
    report_not_before: Mono,
    changes: Vec<ReceiptsChange>,
    times: BTreeMap<Region, ReceiptTimes>,
}

impl FollowedWrite {
    /// Takes a receipt of a region. The first one counts, and one of pages replaces one of a node without any. Returns
    /// whether it is news.
    fn add(&mut self, region: &Region, receipt: Receipt) -> bool {
        let known = self.regions.get(region);
        let news = known.is_none_or(|known| receipt.seen && !known.seen);
        let news = news && (known.is_some() || self.regions.len() < REGIONS_MAX);
        if news {
            self.regions.insert(region.clone(), receipt);
        }
        news
    }
}

impl ReceiptTracker {
    /// Follows a write if it asks for receipts. `shown` is the newest view of its room, which does not hold it yet.
    pub(crate) fn follow(
        &mut self,
        me: &Identity,
        change: &FactChange,
        asked: Option<&ReceiptsAsked>,
        shown: u64,
        now: Mono,
    ) {
        if self.writes.is_empty() && asked.is_none() {
            return;
        }
        let Some(name) = name_of(&change.change) else { return };
        let key = (change.room.clone(), name.to_owned());
        let Some(ReceiptsAsked { stamp, author }) = asked.cloned() else {
            // Entries that leave a log say nothing of its newest one, nor do those of a map or a set.
            if matches!(change.change, Change::Set(_) | Change::Expired(_)) {
                let old = self.writes.remove(&key);
                self.replace(me, old);
            }
            return;
        };
        let known = self.writes.get(&key).map(|known| known.stamp);
        let earlier_start = stamp.node == me.hash && stamp.incarnation != me.incarnation;
        if known >= Some(stamp) || earlier_start || (known.is_none() && self.writes.len() >= FOLLOWED_MAX) {
            return;
        }
        self.unshown.insert(change.room.clone());
        let write =
            FollowedWrite { stamp, author, taken_at: now, unshown_upto: shown, shown: false, regions: BTreeMap::new() };
        let old = self.writes.insert(key, write);
        self.replace(me, old);
    }

    /// Goes on to count how soon a write of this node came to the other regions.
    fn replace(&mut self, me: &Identity, old: Option<FollowedWrite>) {
        if let Some(old) = old.filter(|old| old.stamp.node == me.hash && self.replaced.len() < FOLLOWED_MAX) {
            let counted = old.regions.into_keys().collect();
            self.replaced.insert(old.stamp, ReplacedWrite { taken_at: old.taken_at, counted });
        }
    }

    /// Whether a drawing of this room is to be confirmed.
    pub(crate) fn waits_for(&self, room: &Room) -> bool {
        self.unshown.contains(room)
    }

    /// Rooms with writes that this node has not shown yet.
    pub(crate) fn unshown(&self) -> Vec<Room> {
        self.unshown.iter().cloned().collect()
    }

    /// What a view of this room holds.
    pub(crate) fn of(&self, room: &Room) -> BTreeMap<String, WriteReceipts> {
        let receipts = self.of_room(room).map(|((_, key), write)| {
            let (author, at_ms) = (write.author.clone(), write.stamp.time.0);
            (key.clone(), WriteReceipts { author, at_ms, regions: write.regions.clone() })
        });
        receipts.collect()
    }

    fn of_room(&self, room: &Room) -> impl Iterator<Item = (&(Room, String), &FollowedWrite)> {
        self.writes.range((room.clone(), String::new())..).take_while(move |((of, _), _)| of == room)
    }

    /// Pages of this node show this version of a room; or there are none, so that nothing is `seen`.
    pub(crate) fn shown(&mut self, me: &Identity, room: &Room, version: u64, seen: bool, now: Mono) {
        let new = self.of_room(room).filter(|(_, write)| !write.shown && write.unshown_upto < version);
        let new: Vec<_> = new.map(|(key, _)| key.clone()).collect();
        for key in new {
            let Some(write) = self.writes.get_mut(&key) else { continue };
            write.shown = true;
            let (stamp, held_ms) = (write.stamp, now.since(write.taken_at));
            if stamp.node == me.hash {
                self.add(key, &me.region, Receipt { after_ms: ms(held_ms), seen });
            } else {
                let (room, key) = (key.0.as_str().to_owned(), key.1);
                self.outgoing.entry(stamp.node).or_default().push(SentReceipt { room, key, stamp, held_ms, seen });
            }
        }
        if self.of_room(room).all(|(_, write)| write.shown) {
            self.unshown.remove(room);
        }
    }

    /// Takes receipts of a node in that region, for writes that this node took.
    pub(crate) fn take(&mut self, me: NodeHash, region: &Region, bundle: &ReceiptBundle, now: Mono) {
        for sent in bundle.receipts.iter().take(WRITES_MAX) {
            let Some(room) = Room::new(&sent.room) else { continue };
            let key = (room, sent.key.clone());
            let newest = self.writes.get(&key).filter(|w| w.stamp == sent.stamp && w.stamp.node == me);
            if let Some(write) = newest {
                let after_ms = after_ms(write.taken_at, sent, now);
                self.add(key, region, Receipt { after_ms, seen: sent.seen });
            } else if let Some(write) = self.replaced.get_mut(&sent.stamp)
                && write.counted.len() < REGIONS_MAX
                && write.counted.insert(region.clone())
            {
                self.times.entry(region.clone()).or_default().add(after_ms(write.taken_at, sent, now));
            }
        }
    }

    fn add(&mut self, key: (Room, String), region: &Region, receipt: Receipt) {
        let Some(write) = self.writes.get_mut(&key) else { return };
        let first = !write.regions.contains_key(region);
        if write.add(region, receipt) {
            if first {
                self.times.entry(region.clone()).or_default().add(receipt.after_ms);
            }
            let author = write.author.user;
            self.untold.insert(key.clone());
            self.changes.push(ReceiptsChange { room: key.0, key: key.1, author });
        }
    }

    /// Takes what another node knows of writes that it took.
    pub(crate) fn take_report(&mut self, from: NodeHash, report: ReceiptReport) {
        for told in report.writes.into_iter().take(WRITES_MAX) {
            let Some(room) = Room::new(&told.room) else { continue };
            let key = (room, told.key);
            let known = self.writes.get_mut(&key).filter(|w| w.stamp == told.stamp && w.stamp.node == from);
            let Some(write) = known else { continue };
            let mut news = false;
            for ReportedRegion { region, after_ms, seen } in told.regions.into_iter().take(REGIONS_MAX) {
                let valid = Region::new(region.as_str()).is_some();
                news |= valid && write.add(&region, Receipt { after_ms, seen });
            }
            if news {
                let author = write.author.user;
                self.changes.push(ReceiptsChange { room: key.0, key: key.1, author });
            }
        }
    }

    /// What changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Vec<ReceiptsChange> {
        std::mem::take(&mut self.changes)
    }

    /// When all nodes may be told of new receipts.
    pub(crate) fn report_due(&self) -> Option<Mono> {
        (!self.untold.is_empty()).then_some(self.report_not_before)
    }

    /// Sends receipts to the nodes that took the writes at once, and to all nodes what is known of the writes of this one.
    pub(crate) fn send(&mut self, now: Mono, out: &mut Outputs) {
        for (node, receipts) in std::mem::take(&mut self.outgoing) {
            for part in receipts.chunks(WRITES_MAX) {
                out.send(node, &Broadcast::Receipts(ReceiptBundle { receipts: part.to_vec() }));
            }
        }
        if self.report_due().is_none_or(|due| due > now) {
            return;
        }
        self.report_not_before = now + REPORT_GAP_MS;
        let untold: Vec<_> = std::mem::take(&mut self.untold).into_iter().collect();
        let told: Vec<ReportedWrite> = untold.iter().filter_map(|key| self.reported(key)).collect();
        for part in told.chunks(WRITES_MAX) {
            out.broadcast(&Broadcast::ReceiptReport(ReceiptReport { writes: part.to_vec() }));
        }
    }

    fn reported(&self, key: &(Room, String)) -> Option<ReportedWrite> {
        let write = self.writes.get(key)?;
        let regions = write.regions.iter().map(|(region, receipt)| {
            let Receipt { after_ms, seen } = *receipt;
            ReportedRegion { region: region.clone(), after_ms, seen }
        });
        let regions = regions.collect();
        Some(ReportedWrite { room: key.0.as_str().to_owned(), key: key.1.clone(), stamp: write.stamp, regions })
    }

    /// Forgets writes that have been followed long enough.
    pub(crate) fn prune(&mut self, now: Mono) {
        self.replaced.retain(|_, write| now.since(write.taken_at) < FOLLOWED_MS);
        if self.writes.is_empty() {
            return;
        }
        self.writes.retain(|_, write| now.since(write.taken_at) < FOLLOWED_MS);
        let writes = &self.writes;
        self.unshown.retain(|room| writes.iter().any(|((of, _), write)| of == room && !write.shown));
    }

    /// How soon writes of this node came to each region.
    pub(crate) fn times(&self) -> &BTreeMap<Region, ReceiptTimes> {
        &self.times
    }
}

/// The name of the fact that changed; counters have no receipts.
fn name_of(change: &Change) -> Option<&str> {
    match change {
        Change::Set(name) | Change::Expired(name) | Change::Logged(name) | Change::Membered(name) => Some(name),
        Change::Mapped { map, .. } => Some(map),
        _ => None,
    }
}

/// How long after this node took a write the other one showed it: the way there takes as long as the way back, as far as can
/// be known.
fn after_ms(taken_at: Mono, sent: &SentReceipt, now: Mono) -> u32 {
    let elapsed_ms = now.since(taken_at);
    ms(elapsed_ms.midpoint(sent.held_ms.min(elapsed_ms)))
}

fn ms(ms: u64) -> u32 {
    u32::try_from(ms).unwrap_or(u32::MAX)
}
