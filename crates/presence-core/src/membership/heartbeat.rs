//! Heartbeats: what a node says of itself every second, and what it learns from the others'.

use crate::app::region::Place;
use crate::id::{NodeHash, Region};
use crate::identity::Identity;
use crate::io::mesh_view::PeerState;
use crate::membership::hearing::Hearing;
use crate::membership::peer::{LEASE_MS, Path};
use crate::membership::rotation::in_turn;
use crate::membership::{Membership, PEERS_MAX};
use crate::outputs::Outputs;
use crate::presence::row::TableKey;
use crate::testing::fault_injection::{Fault, injected};
use crate::time::{Mono, NodeTime, Now};
use crate::wire::{self, Broadcast, CountedTable, Echo, HeardUpto, Heartbeat, HeldTable, KnownNodes, SenderId};

/// A heartbeat goes out this often, in a mesh of at most 64 nodes.
pub const HEARTBEAT_MS: u64 = 1_000;
/// A heartbeat that names fewer nodes than the last one, or that follows a hello, goes out at once, but not more often than
/// this.
const HEARTBEAT_GAP_MS: u64 = 200;
/// How many peers' heartbeats are echoed in each of ours.
pub const ECHOES: usize = 8;
/// A longer one is not read: it is kept as it came, to be relayed.
const HEARTBEAT_BYTES_MAX: usize = 64 * 1_024;

/// When heartbeats go out, and what the last one named.
#[derive(Debug, Default)]
pub(super) struct HeartbeatSchedule {
    sent_at: Option<Mono>,
    named: Vec<NodeHash>,
    known: Option<KnownNodes>,
    /// A node that is not heard said hello, and may not have heard us yet: the next heartbeat need not wait.
    hurried: bool,
    echo_turn: usize,
}

/// What the other parts of a node put into its heartbeat.
#[derive(Debug)]
pub(crate) struct HeartbeatSummary {
    pub(crate) sequence: u64,
    pub(crate) rows_root: u128,
    pub(crate) cut: NodeTime,
    pub(crate) facts_root: u128,
    /// Tables of nodes that left, and what is held of each.
    pub(crate) left: Vec<TableKey>,
    pub(crate) held: Vec<HeldTable>,
    /// How many messages were published here.
    pub(crate) published: u64,
    pub(crate) complete_ms: Option<u64>,
    pub(crate) heard_upto: Vec<HeardUpto>,
    /// What is counted of some nodes.
    pub(crate) counted: Vec<CountedTable>,
}

impl Membership {
    /// A node that is not heard said hello.
    pub(crate) fn hurry_heartbeat(&mut self) {
        self.heartbeats.hurried = true;
    }

    /// When a heartbeat that need not wait goes out.
    pub(crate) fn hurried_heartbeat_due(&self) -> Option<Mono> {
        let sent_at = self.heartbeats.sent_at.filter(|_| self.heartbeats.hurried && !self.said_goodbye())?;
        Some(sent_at + HEARTBEAT_GAP_MS)
    }

    pub(crate) fn heartbeat_is_due(&self, me: NodeHash, now: Mono) -> bool {
        let beats = &self.heartbeats;
        let Some(sent_at) = beats.sent_at else { return true };
        let hears = self.hears(now);
        let lost = beats.named.iter().any(|named| hears.binary_search(named).is_err());
        now.since(sent_at) >= self.own_heartbeat_every_ms(me, beats.known)
            || ((lost || beats.hurried) && now.since(sent_at) >= HEARTBEAT_GAP_MS)
    }

    pub(crate) fn send_heartbeat(&mut self, me: &Identity, summary: HeartbeatSummary, now: Now, out: &mut Outputs) {
        let hears = self.hears(now.mono);
        let (hearing, known) = self.own_hearing(me.hash, &hears, now.mono);
        let (named, unheard) = match hearing {
            Hearing::Named(nodes) => (nodes, None),
            Hearing::AllBut(nodes) => (Vec::new(), Some(nodes)),
        };
        let heartbeat = Heartbeat {
            region: me.region.clone(),
            place: me.place.name.clone(),
            location: me.place.location,
            draining: self.is_draining(),
            wall_ms: now.wall.0,
            mono_ms: now.mono.0,
            formats: 1,
            sequence: summary.sequence,
            rows_root: summary.rows_root.to_be_bytes(),
            cut: summary.cut,
            facts_root: summary.facts_root.to_be_bytes(),
            hears: named,
            left: summary.left,
            echoes: self.echoes(now.mono),
            held: summary.held,
            published: Some(summary.published),
            complete_ms: summary.complete_ms,
            heard_upto: summary.heard_upto,
            counted: summary.counted,
            known,
            unheard,
        };
        let beats = &mut self.heartbeats;
        (beats.hurried, beats.sent_at, beats.named, beats.known) = (false, Some(now.mono), hears, known);
        out.broadcast(&Broadcast::Heartbeat(heartbeat));
    }

    fn echoes(&mut self, now: Mono) -> Vec<Echo> {
        // What came while this process was suspended waited for it: its echo would make this node look late.
        let heard = self.peers.iter().filter(|(_, peer)| peer.arrives(now) && peer.beat_at >= self.grace_until);
        let echoes: Vec<Echo> = heard
            .map(|(hash, peer)| Echo { to: *hash, mono_ms: peer.beat.mono_ms, held_ms: now.since(peer.beat_at) })
            .collect();
        in_turn(&echoes, &mut self.heartbeats.echo_turn, ECHOES)
    }

    /// A heartbeat of another node, directly or relayed. Returns it where it is news.
    pub(crate) fn heard_heartbeat(
        &mut self,
        me: &Identity,
        sender: &SenderId,
        ReceivedHeartbeat { beat, bytes, path }: ReceivedHeartbeat<'_>,
        now: Now,
        out: &mut Outputs,
    ) -> Option<Heartbeat> {
        let hash = NodeHash::of(&sender.name, me.digest);
        let region = Region::new(beat.region.as_str())?;
        let Heartbeat { hears, left, echoes, held, heard_upto, counted, unheard, .. } = &beat;
        let unheard = unheard.as_ref().map_or(0, Vec::len);
        let listed = [hears.len(), left.len(), echoes.len(), held.len(), heard_upto.len(), counted.len(), unheard];
        if bytes.len() > HEARTBEAT_BYTES_MAX || beat.place.len() > 128 || listed.into_iter().any(|len| len > PEERS_MAX)
        {
            return None;
        }
        self.meet(me, sender, &beat, path, now, out);
        let peer = self.peers.get_mut(&hash).filter(|peer| peer.incarnation == sender.incarnation)?;
        let newest_direct = path.via.is_none() && peer.direct_beat_ms.is_none_or(|last_ms| last_ms < beat.mono_ms);
        let newest = peer.beat_bytes.is_empty() || peer.beat.mono_ms < beat.mono_ms;
        if newest_direct {
            peer.direct_beat_ms = Some(beat.mono_ms);
            self.take_echoes(me.hash, hash, &beat, now.mono);
        }
        if newest {
            let peer = self.peers.get_mut(&hash)?;
            let lives = path.via.is_none() || !peer.beat_bytes.is_empty();
            let was_gone = peer.state == PeerState::Gone;
            let location = beat.location.filter(|(lat, lon)| lat.abs() <= 90.0 && lon.abs() <= 180.0);
            peer.place = Place { name: beat.place.clone(), location };
            peer.region = region;
            peer.beat_at = now.mono - path.age_ms;
            if peer.key.is_none() || was_gone || injected(Fault::AnyKey) {
                peer.key = wire::signature(bytes).map(|(_, signature)| signature.public);
            }
            peer.beat = beat.clone();
            peer.beat_bytes = bytes.to_vec();
            if lives {
                self.goes_on(hash, now, out);
            }
        }
        // One that was overtaken on its way shows that its sender lives, but the sender has said newer things already.
        // A relay may repeat what a dead node said: only what is new shows that.
        if newest || path.via.is_none() {
            self.hear(hash, path, now, out);
        }
        if newest {
            self.note_heard_nodes(me.hash, hash, now.mono);
        }
        newest.then_some(beat)
    }

    /// The newest heartbeat of the node whose table this is.
    pub(crate) fn last_heartbeat(&self, table: TableKey) -> Option<Heartbeat> {
        let peer = self.peers.get(&table.node).filter(|peer| peer.incarnation == table.incarnation)?;
        (!peer.beat_bytes.is_empty()).then(|| peer.beat.clone())
    }

    fn take_echoes(&mut self, me: NodeHash, hash: NodeHash, beat: &Heartbeat, now: Mono) {
        // Not of an earlier start of this node, whose clock began elsewhere.
        let possible = self.resumed_at..=now;
        let echo = beat.echoes.iter().find(|echo| echo.to == me && possible.contains(&Mono(echo.mono_ms)));
        if let (Some(echo), Some(peer)) = (echo, self.peers.get_mut(&hash)) {
            let round_trip_ms = now.since(Mono(echo.mono_ms)).saturating_sub(echo.held_ms);
            peer.round_trips.add(u32::try_from(round_trip_ms).unwrap_or(u32::MAX));
            peer.late = round_trip_ms > LEASE_MS;
            peer.echoed = true;
        }
    }
}

/// A heartbeat as it came.
#[derive(Debug)]
pub(crate) struct ReceivedHeartbeat<'a> {
    pub(crate) beat: Heartbeat,
    pub(crate) bytes: &'a [u8],
    pub(crate) path: Path,
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
            cut: NodeTime(0),
            facts_root: [0; 16],
            hears: Vec::new(),
            left: Vec::new(),
            echoes: Vec::new(),
            held: Vec::new(),
            published: None,
            complete_ms: None,
            heard_upto: Vec::new(),
            counted: Vec::new(),
            known: None,
            unheard: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NodeName;
    use crate::presence::row::TableKey;
    use crate::time::Incarnation;
    use crate::wire::HeldTable;

    const WALL_MS: u64 = 1_800_000_000_000;

    /// Of 32 nodes, all of which have just been replaced.
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
            cut: NodeTime(WALL_MS),
            hears: (0..31).map(hash).collect(),
            left: (0..8)
                .map(|number| TableKey { node: hash(number), incarnation: Incarnation::new(WALL_MS) })
                .collect(),
            echoes: vec![Echo { to: hash(0), mono_ms: days_ms, held_ms: 1_000 }; ECHOES],
            held: vec![
                HeldTable {
                    left_ms: 30_000,
                    contiguous_upto: 1_000_000,
                    complete: true,
                    root: u64::MAX,
                    crashed: true
                };
                8
            ],
            ..Heartbeat::nothing()
        }
    }

    #[test]
    fn a_heartbeat_amid_a_deploy_fits_into_a_kibibyte_in_either_form() {
        let sender = SenderId {
            name: NodeName::new("d8904e9b3e2d78").expect("a name"),
            incarnation: Incarnation::new(WALL_MS),
            birth: 7,
        };
        let unheard = Some((0..31).map(|number| NodeHash(u64::MAX - number)).collect());
        let known = Some(KnownNodes { count: 256, sum: u64::MAX });
        for beat in [full(), Heartbeat { hears: Vec::new(), known, unheard, ..full() }] {
            let bytes = Broadcast::Heartbeat(beat).write(&sender);
            assert!(bytes.len() <= 1_024, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn a_heartbeat_without_what_later_versions_say_is_read() {
        let beat = Heartbeat { held: Vec::new(), counted: Vec::new(), ..full() };
        let bytes = minicbor::to_vec(&beat).expect("writing to memory can't fail");
        let later = [0x80, 0xf6, 0xf6, 0x80, 0x80];
        assert_eq!((bytes[0], &bytes[bytes.len() - 5..]), (0x93, &later[..]), "19 fields, the last five empty");
        for fewer in 1..=5_u8 {
            let mut older = bytes[..bytes.len() - usize::from(fewer)].to_vec();
            older[0] -= fewer;
            assert_eq!(minicbor::decode::<Heartbeat>(&older).expect("an older heartbeat"), beat);
        }
    }
}
