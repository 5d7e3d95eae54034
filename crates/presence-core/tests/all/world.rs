//! A world of nodes: a queue of events in virtual time, a network that loses, repeats, delays and cuts, and disks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use presence_core::{
    ConnectionId, DialError, Found, Input, KnownRegion, LinkId, Linked, MeshView, Message, MessageId, Mono, Node,
    NodeName, Now, Region, Room, RoomView, SubscriptionId, UserId, Wall,
};

use crate::chance::Chance;
use crate::tabs::Tabs;

#[path = "world/events.rs"]
mod events;
#[path = "world/lifecycle.rs"]
mod lifecycle;
#[path = "world/network.rs"]
mod network;

const WALL_MS: u64 = 1_800_000_000_000;
/// A write is on disk this long after it was ordered.
const SYNC_MS: u64 = 50;
const ASK_MS: u64 = 2_000;
const DIAL_MS: u64 = 2_000;
/// A carrier gives up a link over which nothing comes for this long, and up to as long again.
const IDLE_MS: u64 = 3_000;

/// How bad the network is.
#[derive(Clone, Copy)]
pub(crate) struct Weather {
    pub(crate) loss_percent: u64,
    pub(crate) repeat_percent: u64,
    pub(crate) delay_ms: (u64, u64),
}

pub(crate) const CALM: Weather = Weather { loss_percent: 0, repeat_percent: 0, delay_ms: (5, 40) };

/// A link as its carrier sees it.
struct Wire {
    to: usize,
    /// The process that it leads to: a later one on the same host is not reached over it.
    life: u64,
    dead_since: Option<u64>,
    /// How long its end stays unnoticed; some are never noticed.
    unnoticed_ms: u64,
}

/// A machine that a node runs on: what stays when the process dies.
pub(crate) struct Host {
    pub(crate) name: NodeName,
    pub(crate) region: Region,
    pub(crate) node: Option<Node>,
    pub(crate) life: u64,
    /// How far its wall clock is off.
    pub(crate) skew_ms: i64,
    pub(crate) frozen_until: u64,
    waiting: Vec<Input>,
    disk: BTreeMap<Vec<u8>, Vec<u8>>,
    unsynced: Vec<(u64, Vec<u8>, Option<Vec<u8>>)>,
    /// Answers that wait for the disk: when it has what they are about, and to which click.
    unanswered: Vec<(u64, String)>,
    /// What it keeps is forgotten when its process ends.
    pub(crate) diskless: bool,
    /// How many users a set may have.
    pub(crate) users_per_set: usize,
    /// How many other nodes it may know and still name those that it hears.
    pub(crate) named_max: usize,
    /// Bytes of its last heartbeat, and when it went out.
    pub(crate) beat_bytes: usize,
    pub(crate) beat_at: u64,
    addresses: Vec<String>,
    regions: Vec<KnownRegion>,
    incarnation: u64,
    links: BTreeMap<LinkId, Wire>,
    /// Which dial of an address is the one whose end is told.
    dials: BTreeMap<String, u64>,
    pub(crate) draining: bool,
    emptied: bool,
    pub(crate) started: u64,
    pub(crate) view: Option<Arc<RoomView>>,
    pub(crate) mesh: Option<Arc<MeshView>>,
    pub(crate) tabs: BTreeMap<UserId, u32>,
    /// Who was announced to have come, and not to have left.
    pub(crate) members: BTreeSet<UserId>,
    /// Arrivals and leaves in order: room, user, display data, whether they came.
    pub(crate) passages: Vec<(String, u8, String, bool)>,
    /// Bodies of delivered messages, in order.
    pub(crate) delivered: Vec<String>,
    /// Messages that this start of the node has, and when they came: what a server keeps.
    pub(crate) history: Vec<(u64, MessageId, Message)>,
    /// For how long the node says that it has received everything, and when it said so.
    pub(crate) complete: Option<(u64, u64)>,
    pub(crate) dismissed: Vec<(ConnectionId, SubscriptionId)>,
    pub(crate) found: Option<Found>,
    /// Which query that answers.
    pub(crate) found_for: u64,
    /// What was drawn for the demo room, and how often its counts were due, since it is watched.
    watched: Option<(Vec<String>, usize)>,
    /// What other rooms look like.
    pub(crate) views: BTreeMap<Room, Arc<RoomView>>,
}

impl Host {
    /// A machine on which nothing was started yet.
    fn new(name: &str, code: &str) -> Self {
        Self {
            name: NodeName::new(name).expect("a name"),
            region: Region::new(code).expect("a code"),
            node: None,
            life: 0,
            skew_ms: 0,
            frozen_until: 0,
            waiting: Vec::new(),
            disk: BTreeMap::new(),
            unsynced: Vec::new(),
            unanswered: Vec::new(),
            diskless: false,
            users_per_set: 10_000,
            named_max: 32,
            beat_bytes: 0,
            beat_at: 0,
            addresses: Vec::new(),
            regions: Vec::new(),
            incarnation: 0,
            links: BTreeMap::new(),
            dials: BTreeMap::new(),
            draining: false,
            emptied: false,
            started: 0,
            view: None,
            mesh: None,
            tabs: BTreeMap::new(),
            members: BTreeSet::new(),
            passages: Vec::new(),
            delivered: Vec::new(),
            history: Vec::new(),
            complete: None,
            dismissed: Vec::new(),
            found: None,
            found_for: 0,
            watched: None,
            views: BTreeMap::new(),
        }
    }

    /// A user who joins was not there, and one who leaves was.
    fn passed(&mut self, room: &Room, user: UserId, info: &[u8], arrived: bool) {
        if *room == World::room() {
            let right = if arrived { self.members.insert(user) } else { self.members.remove(&user) };
            assert!(right, "{user:?} came twice, or left twice");
        }
        self.passages.push((room.to_string(), user.0[0], String::from_utf8_lossy(info).into_owned(), arrived));
    }
}

enum Event {
    Tick {
        host: usize,
        life: u64,
    },
    Deliver {
        host: usize,
        life: u64,
        input: Input,
    },
    /// Something that `reader` would get over its link to `from`, if the path is whole then.
    Arrive {
        reader: usize,
        life: u64,
        link: LinkId,
        from: usize,
        bytes: Vec<u8>,
    },
    Dialled {
        host: usize,
        life: u64,
        address: String,
        dial: u64,
        result: Result<(Linked, Wire), DialError>,
    },
    Ask {
        asker: usize,
        asker_life: u64,
        link: LinkId,
        question: u64,
        to: usize,
        bytes: Vec<u8>,
    },
    Timeout {
        host: usize,
        life: u64,
        question: u64,
    },
}

pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) hosts: Vec<Host>,
    pub(crate) chance: Chance,
    pub(crate) weather: Weather,
    /// (reader, publisher) pairs between which nothing arrives at the reader.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    /// What is for several nodes of a region is delivered to all of the region.
    pub(crate) whole_regions: bool,
    /// How much later than the weather lets it everything arrives at the first of the pair from the second.
    pub(crate) slow: BTreeMap<(usize, usize), u64>,
    /// How long an order to draw takes.
    pub(crate) draw_ms: u64,
    /// Hosts that are too busy to tick; all else they take.
    pub(crate) stalled: BTreeSet<usize>,
    pub(crate) tabs: Tabs,
    pub(crate) seeds: Vec<usize>,
    pub(crate) notices: Vec<String>,
    /// Hosts that aborted, and why, where that is expected.
    pub(crate) aborts: Option<Vec<(usize, String)>>,
    events: BTreeMap<(u64, u64), Event>,
    order: u64,
    numbers: u64,
    /// Questions that reached a node: who asked.
    asked: BTreeMap<(usize, u64), (usize, u64, LinkId, u64)>,
    answered: BTreeSet<(usize, u64, u64)>,
    /// How many hellos were said, and how many messages relayed.
    pub(crate) asked_hello: u64,
    pub(crate) relayed: u64,
}

impl World {
    pub(crate) fn new(seed: u64, regions: &[&str]) -> Self {
        let host = |(index, code): (usize, &&str)| Host::new(&format!("{code}-{index}"), code);
        Self {
            now: 0,
            hosts: regions.iter().enumerate().map(host).collect(),
            chance: Chance::new(seed),
            weather: CALM,
            cut: BTreeSet::new(),
            whole_regions: false,
            slow: BTreeMap::new(),
            draw_ms: 0,
            stalled: BTreeSet::new(),
            tabs: Tabs::default(),
            seeds: vec![0],
            notices: Vec::new(),
            aborts: None,
            events: BTreeMap::new(),
            order: 0,
            numbers: 0,
            asked: BTreeMap::new(),
            answered: BTreeSet::new(),
            asked_hello: 0,
            relayed: 0,
        }
    }

    pub(crate) fn room() -> Room {
        Room::new("demo").expect("a name")
    }

    fn clock(&self, host: usize) -> Now {
        let skewed = WALL_MS.saturating_add(self.now).saturating_add_signed(self.hosts[host].skew_ms);
        Now { mono: Mono(1_000_000 + self.now), wall: Wall(skewed) }
    }

    pub(crate) fn up(&self, host: usize) -> bool {
        self.hosts[host].node.is_some()
    }

    pub(crate) fn frozen(&self, host: usize) -> bool {
        self.hosts[host].frozen_until > self.now
    }

    pub(crate) fn deliver(&mut self, host: usize, input: Input) {
        let life = self.hosts[host].life;
        self.later(0, Event::Deliver { host, life, input });
    }

    fn later(&mut self, ms: u64, event: Event) {
        self.order += 1;
        self.events.insert((self.now + ms, self.order), event);
    }

    /// Runs until then.
    pub(crate) fn run_until(&mut self, end: u64) {
        while let Some((&(at, order), _)) = self.events.first_key_value() {
            if at > end {
                break;
            }
            let event = self.events.remove(&(at, order)).expect("it was first");
            self.now = self.now.max(at);
            self.happen(event);
            self.tabs_act();
        }
        self.now = end;
        self.tabs_act();
    }
}

fn address(host: usize) -> String {
    format!("host-{host}")
}
