//! What an operator and a page see of the mesh: regions, nodes, and what is wrong, in words.

use std::collections::BTreeMap;

use crate::app::view::{Place, RegionState, RegionView};
use crate::id::{NodeHash, Region};
use crate::io::dial::DialError;
use crate::io::mesh_view::{MeshView, NodeView};
use crate::io::output::Output;
use crate::membership::{LEASE_MS, Peer, PeerState};
use crate::node::Node;
use crate::time::Now;

impl Node {
    /// The regions as they are judged now, without any room's numbers.
    pub(crate) fn region_views(&self, now: Now) -> Vec<RegionView> {
        let mut views: BTreeMap<Region, RegionView> = BTreeMap::new();
        let own = &self.settings;
        let state = if self.leaving.is_some() { RegionState::Draining } else { RegionState::Live };
        let mut first = blank(&own.region, &own.place);
        (first.state, first.since_ms, first.whole) = (state, self.started_wall_ms, true);
        views.insert(own.region.clone(), first);
        for (hash, peer) in &self.peers {
            let whole = peer.state == PeerState::Gone || self.is_whole(peer.key(*hash));
            let heard_ms_ago = now.mono_ms.saturating_sub(peer.heard_ms);
            let view = views.entry(peer.region.clone()).or_insert_with(|| {
                let mut view = blank(&peer.region, &peer.place);
                (view.state, view.since_ms, view.whole) = (RegionState::Gone, peer.since_ms, true);
                view.heard_ms_ago = heard_ms_ago;
                view
            });
            if peer.region == own.region {
                view.whole &= whole;
                continue;
            }
            if peer.state.region() < view.state || (peer.state.region() == view.state && peer.since_ms < view.since_ms)
            {
                (view.state, view.since_ms) = (peer.state.region(), peer.since_ms);
                view.place.clone_from(&peer.place);
            }
            view.whole &= whole;
            view.heard_ms_ago = view.heard_ms_ago.min(heard_ms_ago);
            let nearest = view.round_trip_ms.into_iter().chain(peer.round_trip_ms).min();
            view.round_trip_ms = if peer.state == PeerState::Live { nearest } else { view.round_trip_ms };
        }
        views.into_values().collect()
    }

    /// Publishes the mesh as it is seen from here.
    pub(crate) fn view_mesh(&mut self, now: Now) {
        let time_ms = self.time_ms(now);
        let nodes = std::iter::once(self.own_node_view())
            .chain(self.peers.iter().map(|(hash, peer)| self.node_view(*hash, peer, now.mono_ms)))
            .collect();
        let view = MeshView {
            regions: self.region_views(now),
            nodes,
            facts_root: format!("{:032x}", self.facts.root(self.limit_ms(now), time_ms)),
            exchanged: !self.settings.meshed || self.exchanged,
            degraded: self.degraded(now),
            tables_asked: self.tables_asked,
            root_faults: self.root_faults,
            as_of_ms: time_ms,
        };
        self.outputs.push(Output::Mesh(std::sync::Arc::new(view)));
    }

    fn own_node_view(&self) -> NodeView {
        NodeView {
            name: self.settings.name.clone(),
            region: self.settings.region.clone(),
            incarnation: self.settings.incarnation,
            sequence: self.own.sequence(),
            whole: self.own.sequence(),
            state: if self.leaving.is_some() { "draining" } else { "live" },
            via: None,
            heard_ms_ago: 0,
            round_trip_ms: None,
        }
    }

    fn node_view(&self, hash: NodeHash, peer: &Peer, now_ms: u64) -> NodeView {
        NodeView {
            name: peer.name.clone(),
            region: peer.region.clone(),
            incarnation: peer.incarnation,
            sequence: peer.beat.sequence,
            whole: self.copies.get(&peer.key(hash)).map_or(0, |copy| copy.whole),
            state: peer.state.as_str(),
            via: peer.via.and_then(|via| self.peers.get(&via)).map(|peer| peer.name.clone()),
            heard_ms_ago: now_ms.saturating_sub(peer.heard_ms),
            round_trip_ms: peer.round_trip_ms,
        }
    }

    /// What is wrong, a sentence each.
    fn degraded(&self, now: Now) -> Vec<String> {
        let mut degraded = Vec::new();
        if self.settings.meshed && self.peers.is_empty() && now.mono_ms.saturating_sub(self.started_ms) > 3_000 {
            degraded.push("No other node has been heard yet.".to_owned());
            degraded.extend(self.unreached(|_| true));
        } else {
            degraded.extend(self.unreached(DialError::needs_operator));
        }
        for peer in self.peers.values() {
            let comes = peer.arrived_ms.is_some_and(|at_ms| now.mono_ms.saturating_sub(at_ms) < LEASE_MS);
            if peer.late && comes && !peer.left() {
                degraded.push(format!("Node {} is heard more than {} s late.", peer.name, LEASE_MS / 1_000));
            }
            match peer.state {
                PeerState::Silent | PeerState::Gone => {
                    degraded.push(format!("Node {} in {} is {}.", peer.name, peer.region, peer.state.as_str()));
                }
                PeerState::Live => {
                    let deaf = peer.heard_directly(now.mono_ms) && !peer.beat.names(self.hash);
                    if deaf && now.mono_ms.saturating_sub(self.started_ms) > 10_000 {
                        degraded.push(format!("Node {} does not hear us: can it reach our address?", peer.name));
                    }
                    if peer.via.is_some() {
                        degraded.push(format!("Node {} is heard only through another one.", peer.name));
                    }
                }
                PeerState::Draining | PeerState::Departed => {}
            }
        }
        if self.time_ms(now) != now.wall_ms {
            degraded.push("The clock runs more than 5 s ahead of the other nodes': theirs is used.".to_owned());
        }
        degraded
    }
}

fn blank(region: &Region, place: &Place) -> RegionView {
    RegionView {
        region: region.clone(),
        place: place.clone(),
        state: RegionState::Live,
        since_ms: 0,
        whole: false,
        heard_ms_ago: 0,
        round_trip_ms: None,
        users: 0,
        tabs: 0,
        unsure: 0,
    }
}
