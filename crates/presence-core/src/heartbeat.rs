//! Heartbeats: what a node says of itself every second, and what it learns from the others'.

use crate::id::{NodeHash, Region};
use crate::input::Now;
use crate::node::Node;
use crate::peer::{Judged, PEERS_MAX, Path};
use crate::room::Place;
use crate::wire::{Echo, Heartbeat, Said, Sender};

const HEARTBEAT_MS: u64 = 1_000;
/// A heartbeat that names fewer than the last one, or that follows a hello, goes out at once, but not more often than this.
const HEARTBEAT_GAP_MS: u64 = 200;
/// How many peers' heartbeats are echoed in each of ours.
const ECHOES: usize = 8;

/// When heartbeats go out, and what the last one named.
#[derive(Debug, Default)]
pub(crate) struct Beating {
    sent_ms: Option<u64>,
    named: Vec<NodeHash>,
    /// Somebody said hello, who may not have heard us yet: the next one need not wait.
    pub(crate) asked_for: bool,
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
        let hurried = lost || self.beating.asked_for;
        if since_ms >= HEARTBEAT_MS || (hurried && since_ms >= HEARTBEAT_GAP_MS) {
            self.beating.asked_for = false;
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
}

impl Heartbeat {
    /// Before anything is known.
    pub(crate) fn nothing() -> Self {
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
