//! What an operator and a page see of the mesh: regions, nodes, and what is wrong, in words.

use std::collections::BTreeMap;

use crate::app::region::{RegionState, RegionView};
use crate::discovery::Discovery;
use crate::facts::Facts;
use crate::id::{NodeHash, Region};
use crate::identity::Identity;
use crate::io::dial::DialError;
use crate::io::mesh_view::{MeshView, NodeView, PeerState, RowTotals};
use crate::io::node_counts::NodeCounts;
use crate::local::LocalVisitors;
use crate::membership::Membership;
use crate::membership::known_regions::KnownRegions;
use crate::membership::peer::{LEASE_MS, Peer};
use crate::presence::Presence;
use crate::presence::row::{TableKey, Weight};
use crate::receipts::ReceiptTracker;
use crate::replication::Replication;
use crate::replication::catch_up::CatchUp;
use crate::time::Now;

/// A node that has started is heard by the others within this time, unless something is wrong.
const HEARD_WITHIN_MS: u64 = 10_000;

/// What the mesh is seen by.
#[derive(Clone, Copy)]
pub(crate) struct MeshSource<'a> {
    pub(crate) me: &'a Identity,
    pub(crate) local: &'a LocalVisitors,
    pub(crate) membership: &'a Membership,
    pub(crate) known_regions: &'a KnownRegions,
    pub(crate) discovery: &'a Discovery,
    pub(crate) replication: &'a Replication,
    pub(crate) presence: &'a Presence,
    pub(crate) facts: &'a Facts,
    pub(crate) receipts: &'a ReceiptTracker,
    pub(crate) catch_up: CatchUp,
    pub(crate) suspended_ms: u64,
    pub(crate) started: Now,
    pub(crate) now: Now,
}

impl MeshSource<'_> {
    /// The mesh as it is seen from here.
    pub(crate) fn mesh(&self) -> MeshView {
        let clock = self.membership.clock(self.now);
        let others = self.membership.peers().map(|(hash, peer)| self.node(hash, peer));
        MeshView {
            regions: self.regions(),
            nodes: std::iter::once(self.own_node()).chain(others).collect(),
            facts_root: format!("{:032x}", self.facts.root(clock.limit, clock.time)),
            exchanged: !self.me.meshed || self.replication.exchanged(),
            caught_up: self.catch_up.complete,
            degraded: self.degraded(),
            clock_fault: self.clock_fault(),
            tables_asked: self.replication.tables_asked(),
            root_faults: self.replication.root_faults(),
            facts: self.facts.count(),
            facts_bytes: self.facts.bytes(),
            rows: self.rows(),
            counts: self.counts(),
            suspended_ms: self.suspended_ms,
            receipt_times: self.receipts.times().clone(),
            as_of_ms: clock.time.0,
        }
    }

    fn counts(&self) -> NodeCounts {
        NodeCounts {
            facts_written: self.facts.written(),
            tabs: self.local.counts(),
            links: self.discovery.counts(),
            gaps: self.replication.gaps(),
            not_relayed: self.membership.not_relayed(),
        }
    }

    fn rows(&self) -> RowTotals {
        let mut rows = RowTotals::default();
        for table in self.presence.tables() {
            let of = match table.weight {
                Weight::Counted if table.key == self.me.table() => &mut rows.own,
                Weight::Counted => &mut rows.others,
                Weight::Held | Weight::Expected => &mut rows.held,
                Weight::Unsure => &mut rows.unsure,
            };
            *of += table.len();
        }
        rows
    }

    /// The regions as they are judged now, without any room's numbers.
    pub(crate) fn regions(&self) -> Vec<RegionView> {
        let mut views: BTreeMap<Region, RegionView> = BTreeMap::new();
        let own = self.me;
        let (state, since_ms) = (self.own_state().region(), self.started.wall.0);
        let whole = self.catch_up.sure;
        let first = RegionView { state, since_ms, whole, ..RegionView::empty(own.region.clone(), own.place.clone()) };
        views.insert(own.region.clone(), first);
        for (hash, peer) in self.membership.peers() {
            let whole = peer.state == PeerState::Gone || self.is_current(peer.table(hash));
            let heard_ms_ago = self.now.mono.since(peer.heard_at);
            let view = views.entry(peer.region.clone()).or_insert_with(|| RegionView {
                state: RegionState::Gone,
                since_ms: peer.state_since.0,
                heard_ms_ago,
                ..RegionView::empty(peer.region.clone(), peer.place.clone())
            });
            view.whole &= whole;
            if peer.region == own.region {
                continue;
            }
            let (state, since_ms) = (peer.state.region(), peer.state_since.0);
            if (state, since_ms) < (view.state, view.since_ms) {
                (view.state, view.since_ms) = (state, since_ms);
                view.place.clone_from(&peer.place);
            }
            view.heard_ms_ago = view.heard_ms_ago.min(heard_ms_ago);
            view.round_trip_ms = view.round_trip_ms.into_iter().chain(round_trip_ms(peer)).min();
        }
        for view in self.known_regions.unheard(self.started, self.now).filter(|_| own.meshed) {
            views.entry(view.region.clone()).or_insert(view);
        }
        views.into_values().collect()
    }

    /// Whether a table is known completely, but for what is on its way.
    fn is_current(&self, table: TableKey) -> bool {
        if self.membership.is_held(table) {
            self.replication.is_complete(table)
        } else {
            self.replication.is_current(table)
        }
    }

    fn own_state(&self) -> PeerState {
        if self.membership.is_draining() { PeerState::Draining } else { PeerState::Live }
    }

    fn own_node(&self) -> NodeView {
        NodeView {
            name: self.me.name.clone(),
            region: self.me.region.clone(),
            incarnation: self.me.incarnation.get(),
            sequence: self.local.sequence(),
            whole: self.local.sequence(),
            state: self.own_state(),
            via: None,
            heard_ms_ago: 0,
            round_trip_ms: None,
            wrong_clock: self.membership.disagrees(self.now.wall, self.now),
            hears_us: true,
            counts_us: true,
        }
    }

    fn node(&self, hash: NodeHash, peer: &Peer) -> NodeView {
        let via = peer.via.and_then(|via| self.membership.peer(via));
        NodeView {
            name: peer.name.clone(),
            region: peer.region.clone(),
            incarnation: peer.incarnation.get(),
            sequence: peer.sequence(),
            whole: self.replication.contiguous_upto(peer.table(hash)),
            state: peer.state,
            via: via.map(|peer| peer.name.clone()),
            heard_ms_ago: self.now.mono.since(peer.heard_at),
            round_trip_ms: round_trip_ms(peer),
            wrong_clock: self.membership.disagrees(peer.clock(self.now.mono), self.now),
            hears_us: !self.is_deaf(peer),
            counts_us: !(peer.is_doubting() || self.is_deaf(peer)),
        }
    }

    /// What is wrong, a sentence each.
    fn degraded(&self) -> Vec<String> {
        let mut degraded = Vec::new();
        let (now, age_ms) = (self.now.mono, self.now.mono.since(self.started.mono));
        if self.me.meshed && self.membership.peers().next().is_none() && age_ms > 3_000 {
            degraded.push("No other node has been heard yet.".to_owned());
            degraded.extend(self.discovery.unreached(|_| true));
        } else {
            degraded.extend(self.discovery.unreached(DialError::needs_operator));
        }
        degraded.extend(self.discovery.unreached_callers(self.membership, now));
        for (_, peer) in self.membership.peers() {
            if peer.is_late(now) && !peer.left() {
                let seconds = f64::from(LEASE_MS as u32) / 1_000.0;
                degraded.push(format!("Node {} is heard more than {seconds} s late.", peer.name));
            }
            if self.membership.disagrees(peer.clock(now), self.now) && peer.state == PeerState::Live {
                degraded.push(format!("The clock of node {} is wrong by over a minute.", peer.name));
            }
            match peer.state {
                PeerState::Silent | PeerState::Gone => {
                    degraded.push(format!("Node {} in {} is {}.", peer.name, peer.region, peer.state));
                }
                PeerState::Live => {
                    if self.is_deaf(peer) {
                        degraded.push(format!(
                            "Node {} does not hear this node: check that it can reach this node's address.",
                            peer.name
                        ));
                    }
                    if peer.via.is_some() {
                        degraded.push(format!("Node {} is heard only through another one.", peer.name));
                    }
                }
                PeerState::Draining | PeerState::Departed => {}
            }
        }
        degraded.extend(self.membership.doubters());
        degraded
    }

    /// Whether a live node that is heard directly has had time to hear this one, and does not.
    fn is_deaf(&self, peer: &Peer) -> bool {
        let had_time = self.now.mono.since(self.started.mono) > HEARD_WITHIN_MS;
        had_time && peer.state == PeerState::Live && peer.heard_directly(self.now.mono) && !peer.hears(self.me.hash)
    }

    fn clock_fault(&self) -> Option<String> {
        if let Some(wrong) = self.membership.wrong_clock(self.now) {
            return Some(wrong.to_string());
        }
        let corrected = self.membership.node_time(self.now).0 != self.now.wall.0;
        corrected.then(|| "The clock runs more than 5 s ahead of the other nodes': theirs is used.".to_owned())
    }
}

/// The round trip of a node that is heard; that of another one is of the past.
fn round_trip_ms(peer: &Peer) -> Option<u32> {
    peer.round_trip_ms().filter(|_| peer.state == PeerState::Live)
}

/// Whether a page shows the difference: a round trip only where it has changed by a tenth and 3 ms.
pub(super) fn looks_different(new: &RegionView, old: &RegionView) -> bool {
    let far = match (new.round_trip_ms, old.round_trip_ms) {
        (Some(new), Some(old)) => new.abs_diff(old) > 3 + old / 10,
        (new, old) => new != old,
    };
    far || (&new.region, &new.place, new.state, new.whole) != (&old.region, &old.place, old.state, old.whole)
}
