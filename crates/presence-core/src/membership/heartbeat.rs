//! Heartbeats: what a node says of itself every second, and what it learns from the others'.

use crate::app::view::Place;
use crate::id::{NodeHash, Region};
use crate::membership::rotation::in_turn;
use crate::membership::{LEASE_MS, PEERS_MAX, Path, PeerState};
use crate::node::Node;
use crate::time::Now;
use crate::wire::{Broadcast, Echo, Heartbeat, Sender};

const HEARTBEAT_MS: u64 = 1_000;
/// A heartbeat that names fewer than the last one, or that follows a hello, goes out at once, but not more often than this.
const HEARTBEAT_GAP_MS: u64 = 200;
/// How many peers' heartbeats are echoed in each of ours.
const ECHOES: usize = 8;
/// A longer one is not read: it is kept as it came, to be passed on.
const HEARTBEAT_BYTES_MAX: usize = 64 * 1_024;

/// When heartbeats go out, and what the last one named.
#[derive(Debug, Default)]
pub(crate) struct HeartbeatSchedule {
    sent_ms: Option<u64>,
    named: Vec<NodeHash>,
    /// A node that is not heard said hello, and may not have heard us yet: the next heartbeat need not wait.
    pub(crate) asked_for: bool,
    echoed: usize,
    pub(crate) left: usize,
    /// The latest stamp that was believed when the last one went out.
    stamped_ms: u64,
}

impl Node {
    /// The nodes that this node heard directly in the last 1.5 s, in order.
    pub(crate) fn hears(&self, now_ms: u64) -> Vec<NodeHash> {
        let heard =
            self.peers.iter().filter(|(_, peer)| peer.heard_directly(now_ms) && peer.state != PeerState::Departed);
        heard.map(|(hash, _)| *hash).collect()
    }

    /// Sends the heartbeat if it is time for it.
    pub(crate) fn beat_if_due(&mut self, now: Now) {
        let hears = self.hears(now.mono_ms);
        let lost = self.beating.named.iter().any(|named| hears.binary_search(named).is_err());
        let since_ms = self.beating.sent_ms.map_or(u64::MAX, |sent_ms| now.mono_ms.saturating_sub(sent_ms));
        let hurried = lost || self.beating.asked_for;
        if since_ms >= HEARTBEAT_MS || (hurried && since_ms >= HEARTBEAT_GAP_MS) {
            self.beating.asked_for = false;
            self.send_deltas(now);
            let heartbeat = self.heartbeat(hears.clone(), now);
            self.beating.sent_ms = Some(now.mono_ms);
            self.beating.named = hears;
            self.say(&Broadcast::Heartbeat(heartbeat));
        }
    }

    fn heartbeat(&mut self, hears: Vec<NodeHash>, now: Now) -> Heartbeat {
        let cut_ms = self.cut_ms(now);
        let root = self.presence.table(self.own.key).map_or(0, |rows| rows.table.root());
        let (left, held) = self.name_left(now.mono_ms);
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
            left,
            echoes: self.echoes(now.mono_ms),
            held,
        }
    }

    /// Facts stamped later may still be on their way. What was known a heartbeat ago is not, whatever clock stamped it.
    fn cut_ms(&mut self, now: Now) -> u64 {
        let stamped_ms = self.facts.latest(self.limit_ms(now)).map_or(0, |stamp| stamp.time_ms);
        let known_ms = std::mem::replace(&mut self.beating.stamped_ms, stamped_ms).min(stamped_ms);
        known_ms.max(self.time_ms(now).saturating_sub(1_000))
    }

    fn echoes(&mut self, now_ms: u64) -> Vec<Echo> {
        // What came while this node was away waited for it: its echo would make this node look late.
        let rested_ms = self.away.rest_until_ms;
        let heard = self.peers.iter().filter(|(_, peer)| peer.arrives(now_ms) && peer.beat_ms >= rested_ms);
        let echoes: Vec<Echo> = heard
            .map(|(hash, peer)| {
                let held_ms = now_ms.saturating_sub(peer.beat_ms);
                Echo { to: *hash, mono_ms: peer.beat.mono_ms, held_ms }
            })
            .collect();
        in_turn(&echoes, &mut self.beating.echoed, ECHOES)
    }

    /// A heartbeat of another node, directly or passed on.
    pub(crate) fn heard_heartbeat(&mut self, sender: &Sender, mut beat: Heartbeat, bytes: &[u8], path: Path, now: Now) {
        let hash = NodeHash::of(&sender.name, self.settings.digest);
        let Some(region) = Region::new(beat.region.as_str()) else { return };
        let listed = [beat.hears.len(), beat.left.len(), beat.echoes.len(), beat.held.len()];
        if bytes.len() > HEARTBEAT_BYTES_MAX || beat.place.len() > 128 || listed.into_iter().any(|len| len > PEERS_MAX)
        {
            return;
        }
        beat.sort_hears();
        self.meet(hash, sender, &region, now);
        let Some(peer) = self.peers.get_mut(&hash).filter(|peer| peer.incarnation == sender.incarnation) else {
            return;
        };
        let heard_ms = now.mono_ms.saturating_sub(path.age_ms);
        let newest_direct = path.via.is_none() && peer.direct_beat_ms.is_none_or(|last_ms| last_ms < beat.mono_ms);
        let newest = peer.beat_bytes.is_empty() || peer.beat.mono_ms < beat.mono_ms;
        if newest_direct {
            peer.direct_beat_ms = Some(beat.mono_ms);
            self.take_echoes(hash, &beat, now.mono_ms);
        }
        if !newest {
            // It was overtaken on its way: its sender is heard, but has said newer things already.
            self.hear(hash, path, now);
            return;
        }
        let Some(peer) = self.peers.get_mut(&hash) else { return };
        let location = beat.location.filter(|(lat, lon)| lat.abs() <= 90.0 && lon.abs() <= 180.0);
        peer.place = Place { name: beat.place.clone(), location };
        peer.region = region;
        peer.beat_ms = heard_ms;
        peer.beat = beat.clone();
        peer.beat_bytes = bytes.to_vec();
        self.hear(hash, path, now);
        self.compare(hash, &beat, now);
        for (index, key) in beat.left.into_iter().enumerate() {
            self.heard_of_left(hash, key, beat.held.get(index).copied(), path, now);
        }
    }

    fn take_echoes(&mut self, hash: NodeHash, beat: &Heartbeat, now_ms: u64) {
        let after_ms = self.awake_ms;
        let (own, peer) = (self.hash, self.peers.get_mut(&hash));
        let echo = beat.echoes.iter().find(|echo| echo.to == own && echo.mono_ms >= after_ms);
        if let (Some(echo), Some(peer)) = (echo, peer) {
            let round_trip_ms = now_ms.saturating_sub(echo.mono_ms).saturating_sub(echo.held_ms);
            peer.round_trip_ms = u32::try_from(round_trip_ms).ok();
            peer.late = round_trip_ms > LEASE_MS;
        }
    }
}

impl Heartbeat {
    /// Whether its sender says that it hears this node directly.
    pub(crate) fn names(&self, node: NodeHash) -> bool {
        self.hears.binary_search(&node).is_ok()
    }

    /// A node writes them in order. What is not in order is put in order, since it is searched by bisection.
    fn sort_hears(&mut self) {
        if !self.hears.is_sorted_by(|a, b| a < b) {
            self.hears.sort_unstable();
            self.hears.dedup();
        }
    }

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
            held: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeName;
    use crate::presence::row::TableKey;
    use crate::wire::Held;

    const WALL_MS: u64 = 1_800_000_000_000;

    /// 32 nodes, all of which have just been replaced.
    fn full() -> Heartbeat {
        let hash = |number: u64| NodeHash(u64::MAX - number);
        let days_ms = 30 * 86_400_000;
        Heartbeat {
            region: Region::new("iad").expect("a short code"),
            place: "Ashburn, Virginia (United States)".to_owned(),
            location: Some((39.043_757, -77.487_442)),
            wall_ms: WALL_MS,
            mono_ms: days_ms,
            sequence: 1_000_000,
            cut_ms: WALL_MS,
            hears: (0..31).map(hash).collect(),
            left: (0..8).map(|number| TableKey { node: hash(number), incarnation: WALL_MS }).collect(),
            echoes: vec![Echo { to: hash(0), mono_ms: days_ms, held_ms: 1_000 }; ECHOES],
            held: vec![Held { left_ms: 30_000, whole: 1_000_000, complete: true, root: u64::MAX }; 8],
            ..Heartbeat::nothing()
        }
    }

    #[test]
    fn a_heartbeat_of_the_largest_mesh_amid_a_deploy_fits_into_a_kibibyte() {
        let sender = Sender { name: NodeName::new("d8904e9b3e2d78").expect("a name"), incarnation: WALL_MS, birth: 7 };
        let bytes = Broadcast::Heartbeat(full()).write(&sender);
        assert!(bytes.len() <= 1_024, "{} bytes", bytes.len());
    }

    #[test]
    fn a_heartbeat_that_does_not_say_what_is_held_is_read() {
        let beat = Heartbeat { held: Vec::new(), ..full() };
        let mut bytes = minicbor::to_vec(&beat).expect("writing to memory can't fail");
        assert_eq!((bytes[0], bytes.pop()), (0x8f, Some(0x80)), "15 fields, the last one empty");
        bytes[0] = 0x8e;
        assert_eq!(minicbor::decode::<Heartbeat>(&bytes).expect("a heartbeat of before"), beat);
    }
}
