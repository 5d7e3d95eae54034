//! How another node is judged: live, silent, gone, draining or departed; and the heartbeats that decide it.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{NodeHash, NodeName, Region};
use crate::input::{Notice, Now, Output, Urgency};
use crate::node::Node;
use crate::planted::{Fault, planted};
use crate::presence::Weight;
use crate::room::{MeshView, NodeView, Place, RegionState, RegionView};
use crate::row::TableKey;
use crate::wire::{Echo, Heartbeat, Said, Sender};

/// How long a node may be silent before its rows are doubted.
pub(crate) const LEASE_MS: u64 = 4_000;
/// How long a node may be silent before its rows are forgotten.
const GONE_MS: u64 = 60_000;
/// How long a gone node is remembered by name.
const FORGOTTEN_MS: u64 = 3_600_000;
/// Who was heard directly this recently is named in heartbeats.
pub(crate) const HEARS_MS: u64 = 1_500;
const HEARTBEAT_MS: u64 = 1_000;
/// A heartbeat that names fewer than the last one goes out at once, but not more often than this.
const HEARTBEAT_GAP_MS: u64 = 200;
/// Most nodes that are known at a time.
pub(crate) const PEERS_MAX: usize = 256;
/// How many peers' heartbeats are echoed in each of ours.
const ECHOES: usize = 8;
/// How long it is remembered what more clocks said than are heard now.
const MEDIAN_MS: u64 = 600_000;
/// A clock further ahead of the others' than this is not believed.
const CLOCK_MS: u64 = 5_000;

/// Another node, seen from this one.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) name: NodeName,
    pub(crate) region: Region,
    pub(crate) place: Place,
    pub(crate) incarnation: u64,
    pub(crate) state: Judged,
    /// Wall clock of this node when the state became what it is.
    pub(crate) since_ms: u64,
    /// Directly or through another.
    pub(crate) heard_ms: u64,
    pub(crate) direct_ms: Option<u64>,
    pub(crate) via: Option<NodeHash>,
    pub(crate) beat: Heartbeat,
    pub(crate) beat_ms: u64,
    /// The heartbeat as it came, to be passed on.
    pub(crate) beat_bytes: Vec<u8>,
    pub(crate) round_trip_ms: Option<u32>,
    pub(crate) exchanged_ms: Option<u64>,
}

/// What most clocks said, and when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Median {
    pub(crate) wall_ms: u64,
    pub(crate) at_ms: u64,
    /// How many were heard.
    pub(crate) clocks: usize,
}

/// How a peer is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Judged {
    Live,
    Silent,
    Gone,
    Draining,
    Departed,
}

impl Judged {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Silent => "silent",
            Self::Gone => "gone",
            Self::Draining => "draining",
            Self::Departed => "departed",
        }
    }

    fn region(self) -> RegionState {
        match self {
            Self::Live => RegionState::Live,
            Self::Silent => RegionState::Silent,
            Self::Gone => RegionState::Gone,
            Self::Draining | Self::Departed => RegionState::Draining,
        }
    }
}

impl Peer {
    pub(crate) fn key(&self, hash: NodeHash) -> TableKey {
        TableKey { node: hash, incarnation: self.incarnation }
    }

    pub(crate) fn heard_directly(&self, now_ms: u64) -> bool {
        self.direct_ms.is_some_and(|direct_ms| now_ms.saturating_sub(direct_ms) < HEARS_MS)
    }

    pub(crate) fn left(&self) -> bool {
        matches!(self.state, Judged::Draining | Judged::Departed)
    }

    /// What its wall clock says now, as far as can be known.
    fn wall_ms(&self, now_ms: u64) -> u64 {
        let half = u64::from(self.round_trip_ms.unwrap_or(0)) / 2;
        self.beat.wall_ms + now_ms.saturating_sub(self.beat_ms) + half
    }
}

/// How a message reached this node.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Path {
    /// Who passed it on, if not its author.
    pub(crate) via: Option<NodeHash>,
    /// Since it was heard.
    pub(crate) age_ms: u64,
}

/// When heartbeats go out, and what the last one named.
#[derive(Debug, Default)]
pub(crate) struct Beating {
    sent_ms: Option<u64>,
    named: Vec<NodeHash>,
    echoed: usize,
}

impl Node {
    /// Whom this node heard directly in the last 1.5 s.
    pub(crate) fn hears(&self, now_ms: u64) -> Vec<NodeHash> {
        let heard = self.peers.iter().filter(|(_, peer)| peer.heard_directly(now_ms) && peer.state != Judged::Departed);
        heard.map(|(hash, _)| *hash).collect()
    }

    /// Sends the heartbeat if it is time for it.
    pub(crate) fn beat_if_due(&mut self, now: Now) {
        let hears = self.hears(now.mono_ms);
        let lost = self.beating.named.iter().any(|named| !hears.contains(named));
        let since_ms = self.beating.sent_ms.map_or(u64::MAX, |sent_ms| now.mono_ms.saturating_sub(sent_ms));
        if since_ms >= HEARTBEAT_MS || (lost && since_ms >= HEARTBEAT_GAP_MS) {
            self.send_deltas(now);
            let heartbeat = self.heartbeat(hears.clone(), now);
            self.beating.sent_ms = Some(now.mono_ms);
            self.beating.named = hears;
            self.say(&Said::Heartbeat(heartbeat));
        }
    }

    fn heartbeat(&mut self, hears: Vec<NodeHash>, now: Now) -> Heartbeat {
        let time_ms = self.time_ms(now);
        let cut_ms = time_ms.saturating_sub(1_000);
        let root = self.presence.table(self.own.key).map_or(0, crate::row::Table::root);
        Heartbeat {
            region: self.settings.region.clone(),
            place: self.settings.place.name.clone(),
            location: self.settings.place.location,
            draining: self.leaving.is_some(),
            wall_ms: now.wall_ms,
            mono_ms: now.mono_ms,
            formats: 1,
            sequence: self.own.sequence(),
            rows_root: root.to_be_bytes(),
            cut_ms,
            facts_root: self.facts.root(cut_ms, cut_ms).to_be_bytes(),
            hears,
            left: self.held.iter().filter(|(_, until_ms)| **until_ms > now.mono_ms).map(|(key, _)| *key).collect(),
            echoes: self.echoes(now.mono_ms),
        }
    }

    fn echoes(&mut self, now_ms: u64) -> Vec<Echo> {
        let live: Vec<(NodeHash, Echo)> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.heard_directly(now_ms))
            .map(|(hash, peer)| {
                let held_ms = now_ms.saturating_sub(peer.beat_ms);
                (*hash, Echo { to: *hash, mono_ms: peer.beat.mono_ms, held_ms })
            })
            .collect();
        if live.is_empty() {
            return Vec::new();
        }
        self.beating.echoed = (self.beating.echoed + ECHOES) % live.len().max(1);
        live.iter().cycle().skip(self.beating.echoed).take(ECHOES.min(live.len())).map(|(_, echo)| *echo).collect()
    }

    /// A heartbeat of another node, directly or passed on.
    pub(crate) fn heard_heartbeat(&mut self, sender: &Sender, beat: Heartbeat, bytes: &[u8], path: Path, now: Now) {
        let hash = NodeHash::of(&sender.name, self.settings.digest);
        let Some(region) = Region::new(beat.region.as_str()) else { return };
        if beat.place.len() > 128 || beat.hears.len() > PEERS_MAX || beat.left.len() > PEERS_MAX {
            return;
        }
        self.meet(hash, sender, &region, now);
        let Some(peer) = self.peers.get_mut(&hash).filter(|peer| peer.incarnation == sender.incarnation) else {
            return;
        };
        let heard_ms = now.mono_ms.saturating_sub(path.age_ms);
        if path.via.is_some() && peer.beat_ms >= heard_ms && peer.beat.mono_ms >= beat.mono_ms {
            return;
        }
        let location = beat.location.filter(|(lat, lon)| lat.abs() <= 90.0 && lon.abs() <= 180.0);
        peer.place = Place { name: beat.place.clone(), location };
        peer.region = region;
        peer.beat_ms = heard_ms;
        peer.beat = beat.clone();
        peer.beat_bytes = bytes.to_vec();
        if path.via.is_none() {
            self.take_echoes(hash, &beat, now.mono_ms);
        }
        self.hear(hash, path, now);
        self.compare(hash, &beat, now);
        for key in beat.left {
            self.heard_of_leaving(key, now);
        }
    }

    fn take_echoes(&mut self, hash: NodeHash, beat: &Heartbeat, now_ms: u64) {
        let after_ms = self.awake_ms;
        let (own, peer) = (self.hash, self.peers.get_mut(&hash));
        let echo = beat.echoes.iter().find(|echo| echo.to == own && echo.mono_ms >= after_ms);
        if let (Some(echo), Some(peer)) = (echo, peer) {
            let round_trip_ms = now_ms.saturating_sub(echo.mono_ms).saturating_sub(echo.held_ms);
            peer.round_trip_ms = u32::try_from(round_trip_ms).ok();
        }
    }

    /// Makes a peer of somebody who speaks, or a new incarnation of one.
    fn meet(&mut self, hash: NodeHash, sender: &Sender, region: &Region, now: Now) {
        if hash == self.hash {
            return;
        }
        let known = self.peers.get(&hash).map(|peer| (peer.incarnation, peer.state));
        match known {
            Some((incarnation, _)) if incarnation >= sender.incarnation => return,
            Some((incarnation, _)) => self.replaced(TableKey { node: hash, incarnation }),
            None => {
                if self.peers.len() >= PEERS_MAX && !self.forget_longest_gone() {
                    return;
                }
            }
        }
        // Somebody else may have said already that this incarnation leaves.
        let held = self.held.contains_key(&TableKey { node: hash, incarnation: sender.incarnation });
        let peer = Peer {
            name: sender.name.clone(),
            region: region.clone(),
            place: Place::default(),
            incarnation: sender.incarnation,
            state: if held { Judged::Draining } else { Judged::Live },
            since_ms: now.wall_ms,
            heard_ms: now.mono_ms,
            direct_ms: None,
            via: None,
            beat: Heartbeat { region: region.clone(), ..Heartbeat::nothing() },
            beat_ms: 0,
            beat_bytes: Vec::new(),
            round_trip_ms: None,
            exchanged_ms: None,
        };
        let key = peer.key(hash);
        let what = if known.is_some() { "is back as a new incarnation" } else { "is heard" };
        self.tell(false, Some(&peer), format!("Node {} {what}.", peer.name));
        self.peers.insert(hash, peer);
        self.presence.open_table(key, region, if held { Weight::Held } else { Weight::Counted });
        self.copies.entry(key).or_default();
        self.regions_stale = true;
    }

    /// A higher incarnation replaces the rows of a lower one, except those that are held.
    fn replaced(&mut self, key: TableKey) {
        if !self.held.contains_key(&key) && !planted(Fault::OldIncarnationStays) {
            self.presence.drop_table(key);
            self.copies.remove(&key);
        }
    }

    fn forget_longest_gone(&mut self) -> bool {
        let gone = self.peers.iter().filter(|(_, peer)| peer.state == Judged::Gone);
        let Some(hash) = gone.min_by_key(|(_, peer)| peer.heard_ms).map(|(hash, _)| *hash) else { return false };
        self.peers.remove(&hash);
        self.regions_stale = true;
        true
    }

    /// Anything that is heard from an incarnation undoes the judgement.
    pub(crate) fn hear(&mut self, hash: NodeHash, path: Path, now: Now) {
        let Some(peer) = self.peers.get_mut(&hash) else { return };
        let heard_ms = now.mono_ms.saturating_sub(path.age_ms);
        peer.heard_ms = peer.heard_ms.max(heard_ms);
        match path.via {
            None => (peer.direct_ms, peer.via) = (Some(heard_ms), None),
            Some(via) if !peer.heard_directly(now.mono_ms) => peer.via = Some(via),
            Some(_) => {}
        }
        if matches!(peer.state, Judged::Silent | Judged::Gone) && now.mono_ms.saturating_sub(peer.heard_ms) < LEASE_MS {
            let (key, region) = (peer.key(hash), peer.region.clone());
            let gone = peer.state == Judged::Gone;
            self.judge(hash, Judged::Live, now);
            self.presence.open_table(key, &region, Weight::Counted);
            if gone {
                self.copies.insert(key, crate::copy::Copy::default());
            }
        }
    }

    pub(crate) fn judge(&mut self, hash: NodeHash, state: Judged, now: Now) {
        let Some(peer) = self.peers.get_mut(&hash).filter(|peer| peer.state != state) else { return };
        peer.state = state;
        peer.since_ms = now.wall_ms;
        let (warning, what) = match state {
            Judged::Live => (false, "is heard again: its users count"),
            Judged::Silent => (true, "is silent: its users are unsure"),
            Judged::Gone => (true, "has been silent for 60 s: its users are dropped"),
            Judged::Draining => (false, "is draining: its tabs are held for 30 s"),
            Judged::Departed => (false, "has left"),
        };
        let peer = peer.clone();
        self.tell(warning, Some(&peer), format!("Node {} {what}.", peer.name));
        self.regions_stale = true;
    }

    /// Finds out who has been silent for too long.
    pub(crate) fn judge_all(&mut self, now: Now) {
        let hashes: Vec<NodeHash> = self.peers.keys().copied().collect();
        for hash in hashes {
            let peer = &self.peers[&hash];
            let (key, silent_ms) = (peer.key(hash), now.mono_ms.saturating_sub(peer.heard_ms));
            match peer.state {
                Judged::Live if silent_ms >= LEASE_MS => {
                    self.judge(hash, Judged::Silent, now);
                    self.presence.weigh(key, Weight::Unsure);
                }
                Judged::Silent if silent_ms >= GONE_MS => {
                    self.judge(hash, Judged::Gone, now);
                    self.presence.drop_table(key);
                    self.copies.remove(&key);
                }
                Judged::Gone if silent_ms >= FORGOTTEN_MS => {
                    self.peers.remove(&hash);
                    self.regions_stale = true;
                }
                _ => {}
            }
        }
    }

    /// This node's time: its own clock, or that of the others where it runs far ahead of them.
    pub(crate) fn time_ms(&self, now: Now) -> u64 {
        match self.median_ms(now) {
            Some(median_ms) if now.wall_ms > median_ms + CLOCK_MS => median_ms,
            _ => now.wall_ms,
        }
    }

    /// The lower median of the clocks that are heard. While fewer are heard than lately it is the one of then, going
    /// on: a single peer with a wrong clock must not lead astray who has lost sight of all others.
    fn median_ms(&self, now: Now) -> Option<u64> {
        let (clocks, heard) = self.clocks(now);
        let lately = self.median.filter(|median| median.clocks > clocks && now.mono_ms - median.at_ms < MEDIAN_MS);
        lately.map(|median| median.wall_ms + (now.mono_ms - median.at_ms)).or(heard)
    }

    fn clocks(&self, now: Now) -> (usize, Option<u64>) {
        let live = self.peers.values().filter(|peer| matches!(peer.state, Judged::Live | Judged::Draining));
        let mut clocks: Vec<u64> = live.map(|peer| peer.wall_ms(now.mono_ms)).collect();
        clocks.sort_unstable();
        (clocks.len(), clocks.len().checked_sub(1).map(|last| clocks[last / 2]))
    }

    /// Keeps what the others' clocks say for when fewer of them are heard.
    pub(crate) fn remember_median(&mut self, now: Now) {
        let (clocks, heard) = self.clocks(now);
        let worse = self.median.is_some_and(|median| median.clocks > clocks && now.mono_ms - median.at_ms < MEDIAN_MS);
        if let Some(wall_ms) = heard.filter(|_| !worse) {
            self.median = Some(Median { wall_ms, at_ms: now.mono_ms, clocks });
        }
    }

    /// The latest stamp that is believed.
    pub(crate) fn limit_ms(&self, now: Now) -> u64 {
        self.time_ms(now).max(self.median_ms(now).unwrap_or(0)) + crate::facts::FUTURE_MS
    }

    pub(crate) fn tell(&mut self, warning: bool, peer: Option<&Peer>, message: String) {
        self.outputs.push(Output::Tell(Notice {
            warning,
            peer: peer.map(|peer| peer.name.as_str().to_owned()),
            region: peer.map(|peer| peer.region.clone()),
            message,
        }));
    }

    /// Publishes to all readers.
    pub(crate) fn say(&mut self, said: &Said) {
        if self.settings.meshed && self.speaking {
            let bytes = said.write(&self.sender());
            self.outputs.push(Output::Publish { to: None, bytes, urgency: Urgency::High });
        }
    }

    pub(crate) fn sender(&self) -> Sender {
        Sender { name: self.settings.name.clone(), incarnation: self.settings.incarnation, birth: self.settings.birth }
    }

    /// The regions as they are judged now, without any room's numbers.
    pub(crate) fn region_views(&self, now: Now) -> Vec<RegionView> {
        let mut views: BTreeMap<Region, RegionView> = BTreeMap::new();
        let own = &self.settings;
        let state = if self.leaving.is_some() { RegionState::Draining } else { RegionState::Live };
        let mut first = blank(&own.region, &own.place);
        (first.state, first.since_ms, first.whole) = (state, self.started_wall_ms, true);
        views.insert(own.region.clone(), first);
        for (hash, peer) in &self.peers {
            let whole = peer.state == Judged::Gone || self.is_whole(peer.key(*hash));
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
            view.round_trip_ms = if peer.state == Judged::Live { nearest } else { view.round_trip_ms };
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
        }
        for peer in self.peers.values() {
            match peer.state {
                Judged::Silent | Judged::Gone => {
                    degraded.push(format!("Node {} in {} is {}.", peer.name, peer.region, peer.state.as_str()));
                }
                Judged::Live => {
                    let deaf = peer.heard_directly(now.mono_ms) && !peer.beat.hears.contains(&self.hash);
                    if deaf && now.mono_ms.saturating_sub(self.started_ms) > 10_000 {
                        degraded.push(format!("Node {} does not hear us: can it reach our address?", peer.name));
                    }
                    if peer.via.is_some() {
                        degraded.push(format!("Node {} is heard only through another one.", peer.name));
                    }
                }
                Judged::Draining | Judged::Departed => {}
            }
        }
        if self.time_ms(now) != now.wall_ms {
            degraded.push("The clock runs more than 5 s ahead of the other nodes': theirs is used.".to_owned());
        }
        degraded
    }

    /// Who of these is known to be live: questions go there.
    pub(crate) fn live(&self) -> BTreeSet<NodeHash> {
        self.peers.iter().filter(|(_, peer)| peer.state == Judged::Live).map(|(hash, _)| *hash).collect()
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

impl Heartbeat {
    /// Before anything is known.
    fn nothing() -> Self {
        Self {
            region: Region::new("x").expect("a short code"),
            place: String::new(),
            location: None,
            draining: false,
            wall_ms: 0,
            mono_ms: 0,
            formats: 1,
            sequence: 0,
            rows_root: [0; 16],
            cut_ms: 0,
            facts_root: [0; 16],
            hears: Vec::new(),
            left: Vec::new(),
            echoes: Vec::new(),
        }
    }
}
