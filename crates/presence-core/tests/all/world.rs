//! A world of nodes: a queue of events in virtual time, a network that loses, repeats, delays and cuts, and disks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use presence_core::{
    ConnectionId, DialError, Found, Input, LinkId, Linked, MeshView, Node, NodeHash, NodeName, Now, Output, Place,
    Region, Room, RoomView, Settings, Stream, SubscriptionId, UserId,
};

use crate::app::{Bulb, sha256};
use crate::chance::Chance;
use crate::tabs::Tabs;

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
    addresses: Vec<String>,
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
    pub(crate) dismissed: Vec<(ConnectionId, SubscriptionId)>,
    pub(crate) found: Option<Found>,
    /// What was drawn for the demo room, and how often its counts were due, since somebody watches.
    watched: Option<(Vec<String>, usize)>,
    /// What other rooms look like.
    pub(crate) views: BTreeMap<Room, Arc<RoomView>>,
}

impl Host {
    /// Who comes was not there, and who leaves was.
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
    /// How much later than the weather lets it everything arrives at the first of the pair from the second.
    pub(crate) slow: BTreeMap<(usize, usize), u64>,
    /// Hosts that are too busy to tick; all else they take.
    pub(crate) stalled: BTreeSet<usize>,
    pub(crate) tabs: Tabs,
    pub(crate) seeds: Vec<usize>,
    pub(crate) notices: Vec<String>,
    events: BTreeMap<(u64, u64), Event>,
    order: u64,
    numbers: u64,
    /// Questions that reached a node: who asked.
    asked: BTreeMap<(usize, u64), (usize, u64, LinkId, u64)>,
    answered: BTreeSet<(usize, u64, u64)>,
}

impl World {
    pub(crate) fn new(seed: u64, regions: &[&str]) -> Self {
        let host = |(index, code): (usize, &&str)| Host {
            name: NodeName::new(&format!("{code}-{index}")).expect("a name"),
            region: Region::new(code).expect("a code"),
            node: None,
            life: 0,
            skew_ms: 0,
            frozen_until: 0,
            waiting: Vec::new(),
            disk: BTreeMap::new(),
            unsynced: Vec::new(),
            addresses: Vec::new(),
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
            dismissed: Vec::new(),
            found: None,
            watched: None,
            views: BTreeMap::new(),
        };
        Self {
            now: 0,
            hosts: regions.iter().enumerate().map(host).collect(),
            chance: Chance::new(seed),
            weather: CALM,
            cut: BTreeSet::new(),
            slow: BTreeMap::new(),
            stalled: BTreeSet::new(),
            tabs: Tabs::default(),
            seeds: vec![0],
            notices: Vec::new(),
            events: BTreeMap::new(),
            order: 0,
            numbers: 0,
            asked: BTreeMap::new(),
            answered: BTreeSet::new(),
        }
    }

    pub(crate) fn room() -> Room {
        Room::new("demo").expect("a name")
    }

    fn clock(&self, host: usize) -> Now {
        let skewed = WALL_MS.saturating_add(self.now).saturating_add_signed(self.hosts[host].skew_ms);
        Now { mono_ms: 1_000_000 + self.now, wall_ms: skewed }
    }

    pub(crate) fn up(&self, host: usize) -> bool {
        self.hosts[host].node.is_some()
    }

    pub(crate) fn frozen(&self, host: usize) -> bool {
        self.hosts[host].frozen_until > self.now
    }

    /// Starts the process of a host.
    pub(crate) fn start(&mut self, index: usize) {
        let now = self.clock(index);
        let host = &mut self.hosts[index];
        host.life += 1;
        host.incarnation = now.wall_ms.max(host.incarnation + 1);
        let settings = Settings {
            region: host.region.clone(),
            place: Place { name: host.region.as_str().to_owned(), location: None },
            name: host.name.clone(),
            incarnation: host.incarnation,
            birth: self.chance.next(),
            advertised: vec![address(index)],
            meshed: self.seeds.len() < usize::MAX,
            digest: sha256,
        };
        let records: Vec<Vec<u8>> = host.disk.values().cloned().collect();
        host.node = Some(Node::new(settings, Arc::new(Bulb), &records, host.addresses.clone(), now));
        (host.draining, host.emptied) = (false, false);
        (host.started, host.frozen_until) = (self.now, 0);
        (host.view, host.mesh) = (None, None);
        host.tabs.clear();
        host.members.clear();
        let addresses = self.seeds.iter().filter(|seed| **seed != index).map(|seed| address(*seed)).collect();
        let life = host.life;
        self.deliver(index, Input::Resolved { addresses });
        self.later(0, Event::Tick { host: index, life });
    }

    /// Ends the process of a host without a word.
    pub(crate) fn crash(&mut self, index: usize) {
        self.sync(index);
        let host = &mut self.hosts[index];
        host.node = None;
        host.links.clear();
        host.dials.clear();
        host.unsynced.clear();
        host.waiting.clear();
        host.draining = false;
        self.tabs.lost(index, self.now, &mut self.chance);
    }

    pub(crate) fn drain(&mut self, index: usize) {
        if self.up(index) && !self.hosts[index].draining {
            self.hosts[index].draining = true;
            self.deliver(index, Input::Drained);
            self.tabs.drained(index, self.now, &mut self.chance);
        }
    }

    pub(crate) fn freeze(&mut self, index: usize, ms: u64) {
        self.hosts[index].frozen_until = self.now + ms;
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

    fn tabs_act(&mut self) {
        let up: Vec<usize> =
            (0..self.hosts.len()).filter(|host| self.up(*host) && !self.hosts[*host].draining).collect();
        for (host, input) in self.tabs.act(self.now, &up, &mut self.chance) {
            self.deliver(host, input);
        }
        for index in 0..self.hosts.len() {
            if self.hosts[index].draining && !self.hosts[index].emptied && self.tabs.emptied(index) {
                self.hosts[index].emptied = true;
                self.deliver(index, Input::Emptied);
            }
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Tick { host, life } if self.hosts[host].life == life && self.up(host) => {
                self.sync(host);
                self.lose_links(host);
                if !self.stalled.contains(&host) {
                    self.take(host, Input::Ticked);
                }
                if let Some(node) = &self.hosts[host].node {
                    let wake = node.wake_at_ms().saturating_sub(1_000_000 + self.now).clamp(1, 200);
                    let wake = if self.frozen(host) { 100 } else { wake };
                    self.later(wake, Event::Tick { host, life });
                }
            }
            Event::Deliver { host, life, input } if self.hosts[host].life == life && self.up(host) => {
                self.take(host, input);
            }
            Event::Arrive { reader, life, link, from, bytes } => {
                let linked = self.hosts[reader].links.contains_key(&link) && self.hosts[reader].life == life;
                if linked && self.up(reader) && !self.cut.contains(&(reader, from)) {
                    self.take(reader, Input::Received { link, bytes });
                }
            }
            Event::Ask { asker, asker_life, link, question, to, bytes } => {
                let life = self.hosts[to].life;
                let linked = self.hosts[asker].links.get(&link).is_some_and(|wire| wire.life == life);
                if linked && self.up(to) && !self.frozen(to) && !self.cut.contains(&(asker, to)) {
                    self.numbers += 1;
                    self.asked.insert((to, self.numbers), (asker, asker_life, link, question));
                    self.take(to, Input::Asked { question: self.numbers, bytes });
                }
            }
            Event::Timeout { host, life, question } => {
                let fresh = !self.answered.remove(&(host, life, question));
                if fresh && self.hosts[host].life == life && self.up(host) {
                    self.take(host, Input::Answered { question, bytes: None });
                }
            }
            Event::Dialled { host, life, address, dial, result } => {
                let ours = self.hosts[host].life == life && self.up(host);
                if ours && self.hosts[host].dials.get(&address) == Some(&dial) {
                    self.hosts[host].dials.remove(&address);
                    let result = result.map(|(linked, wire)| {
                        self.hosts[host].links.insert(linked.link, wire);
                        linked
                    });
                    self.take(host, Input::Dialled { address, result });
                }
            }
            Event::Tick { .. } | Event::Deliver { .. } => {}
        }
    }

    fn take(&mut self, index: usize, input: Input) {
        if self.frozen(index) {
            if !matches!(input, Input::Ticked) {
                self.hosts[index].waiting.push(input);
            }
            return;
        }
        let mut inputs = std::mem::take(&mut self.hosts[index].waiting);
        inputs.push(input);
        for input in inputs {
            let now = self.clock(index);
            let Some(node) = &mut self.hosts[index].node else { return };
            let outputs = node.handle(input, now);
            for output in outputs {
                self.carry_out(index, output);
            }
        }
    }

    fn carry_out(&mut self, index: usize, output: Output) {
        match output {
            Output::Publish { to, bytes, .. } => self.publish(index, to, &bytes),
            Output::Ask { link, question, bytes, .. } => self.ask(index, link, question, bytes),
            Output::Reply { question, bytes, .. } => self.reply(index, question, bytes),
            Output::Dial { address } => self.dial(index, address),
            Output::HangUp { link } => {
                self.hosts[index].links.remove(&link);
            }
            Output::Keep { key, record } => {
                let at = self.now + SYNC_MS;
                self.hosts[index].unsynced.push((at, key, record));
            }
            Output::Remember { addresses, incarnation } => {
                self.hosts[index].addresses = addresses;
                self.hosts[index].incarnation = incarnation;
            }
            Output::View(view) if view.room == Self::room() => self.hosts[index].view = Some(view),
            Output::View(view) => drop(self.hosts[index].views.insert(view.room.clone(), view)),
            Output::Mesh(mesh) => self.hosts[index].mesh = Some(mesh),
            Output::Forget(room) if room == Self::room() => self.hosts[index].view = None,
            Output::Forget(room) => drop(self.hosts[index].views.remove(&room)),
            Output::Tabs { user, tabs: 0, .. } => {
                self.hosts[index].tabs.remove(&user);
            }
            Output::Tabs { user, tabs, .. } => {
                self.hosts[index].tabs.insert(user, tabs);
            }
            Output::Finish => self.crash(index),
            Output::Counts(_) => {
                if let Some((_, counted)) = &mut self.hosts[index].watched {
                    *counted += 1;
                }
            }
            Output::Abort(why) => panic!("{} aborts: {why}", self.hosts[index].name),
            Output::Tell(notice) => {
                self.notices.push(format!("{:>7} {}: {}", self.now, self.hosts[index].name, notice.message));
            }
            Output::Arrived { room, user, info, .. } => self.hosts[index].passed(&room, user, &info, true),
            Output::Left { room, user, info, .. } => self.hosts[index].passed(&room, user, &info, false),
            Output::Deliver { message } => {
                let body = String::from_utf8_lossy(&message.body).into_owned();
                self.hosts[index].delivered.push(format!("{} {body}", message.stream));
            }
            Output::Dismiss { connection, subscription } => {
                self.hosts[index].dismissed.push((connection, subscription));
            }
            Output::Found { found, .. } => self.hosts[index].found = Some(found),
            Output::Broadcast { stream: Stream::Room(_), fragments } if self.hosts[index].watched.is_some() => {
                if let Some((drawn, _)) = &mut self.hosts[index].watched {
                    drawn.extend(fragments.iter().map(|fragment| fragment.html.clone()));
                }
            }
            shown @ (Output::Broadcast { .. } | Output::Show { .. } | Output::Answer { .. }) => {
                self.tabs.draw(index, &shown);
            }
        }
    }

    /// Begins to note what is drawn on a host.
    pub(crate) fn watch(&mut self, host: usize) {
        self.hosts[host].watched = Some(Default::default());
    }

    /// What was drawn on the host that is watched, and how often its counts were due.
    pub(crate) fn watched(&mut self) -> (Vec<String>, usize) {
        self.hosts.iter_mut().find_map(|host| host.watched.take()).expect("a host is watched")
    }

    fn lost(&mut self) -> bool {
        let percent = self.weather.loss_percent;
        self.chance.percent(percent)
    }

    fn delay(&mut self, reader: usize, from: usize) -> u64 {
        let (least, most) = self.weather.delay_ms;
        self.chance.between(least, most) + self.slow.get(&(reader, from)).copied().unwrap_or(0)
    }

    /// Tells a host which of its links its carrier has given up.
    fn lose_links(&mut self, reader: usize) {
        let (now, asleep) = (self.now, self.frozen(reader));
        let mut links = std::mem::take(&mut self.hosts[reader].links);
        let mut lost = Vec::new();
        links.retain(|link, wire| {
            let ended = !self.up(wire.to) || self.hosts[wire.to].life != wire.life;
            let quiet = asleep || self.frozen(wire.to) || self.cut.contains(&(reader, wire.to));
            if !ended && !quiet {
                wire.dead_since = None;
                return true;
            }
            let since = *wire.dead_since.get_or_insert(now);
            let kept = now - since < wire.unnoticed_ms.saturating_add(if ended { 0 } else { IDLE_MS });
            if !kept {
                lost.push(*link);
            }
            kept
        });
        self.hosts[reader].links = links;
        for link in lost {
            self.take(reader, Input::LinkLost { link });
        }
    }

    fn publish(&mut self, from: usize, to: Option<NodeHash>, bytes: &[u8]) {
        for reader in 0..self.hosts.len() {
            let addressed = to.is_none_or(|hash| hash == NodeHash::of(&self.hosts[reader].name, sha256));
            let from_life = self.hosts[from].life;
            let mut links = self.hosts[reader].links.iter();
            let open = links.find(|(_, wire)| wire.to == from && wire.life == from_life);
            let Some((&link, _)) = open.filter(|_| addressed) else { continue };
            let life = self.hosts[reader].life;
            let repeat = self.weather.repeat_percent;
            let copies = 1 + u32::from(self.chance.percent(repeat));
            for _ in 0..copies {
                if self.lost() || self.cut.contains(&(reader, from)) {
                    continue;
                }
                let delay = self.delay(reader, from);
                self.later(delay, Event::Arrive { reader, life, link, from, bytes: bytes.to_vec() });
            }
        }
    }

    fn ask(&mut self, asker: usize, link: LinkId, question: u64, bytes: Vec<u8>) {
        let life = self.hosts[asker].life;
        self.later(ASK_MS, Event::Timeout { host: asker, life, question });
        let Some(to) = self.hosts[asker].links.get(&link).map(|wire| wire.to) else { return };
        if !self.lost() {
            let delay = self.delay(to, asker);
            self.later(delay, Event::Ask { asker, asker_life: life, link, question, to, bytes });
        }
    }

    fn reply(&mut self, from: usize, question: u64, bytes: Vec<u8>) {
        let Some((asker, life, _, question)) = self.asked.remove(&(from, question)) else { return };
        if self.lost() || self.cut.contains(&(asker, from)) || !self.answered.insert((asker, life, question)) {
            return;
        }
        let delay = self.delay(asker, from);
        let input = Input::Answered { question, bytes: Some(bytes) };
        self.later(delay, Event::Deliver { host: asker, life, input });
    }

    fn dial(&mut self, index: usize, address: String) {
        let to: usize = address.strip_prefix("host-").and_then(|n| n.parse().ok()).expect("an address of this world");
        let life = self.hosts[index].life;
        let reachable = self.up(to) && !self.frozen(to) && !self.cut.contains(&(index, to));
        self.numbers += 1;
        let dial = self.numbers;
        let (delay, result) = if reachable {
            let unnoticed_ms = if self.chance.one_in(6) { u64::MAX } else { self.chance.between(0, IDLE_MS) };
            let wire = Wire { to, life: self.hosts[to].life, dead_since: None, unnoticed_ms };
            let node = NodeHash::of(&self.hosts[to].name, sha256);
            (self.delay(index, to), Ok((Linked { link: LinkId(dial), node }, wire)))
        } else {
            (DIAL_MS, Err(DialError::NoAnswer))
        };
        // A dial of the same address that is under way is started again: only this one's end is told.
        self.hosts[index].dials.insert(address.clone(), dial);
        self.later(delay, Event::Dialled { host: index, life, address, dial, result });
    }

    fn sync(&mut self, index: usize) {
        let now = self.now;
        let host = &mut self.hosts[index];
        let (synced, waiting) = std::mem::take(&mut host.unsynced).into_iter().partition(|(at, _, _)| *at <= now);
        host.unsynced = waiting;
        for (_, key, record) in Vec::from_iter::<Vec<(u64, Vec<u8>, Option<Vec<u8>>)>>(synced) {
            match record {
                Some(record) => host.disk.insert(key, record),
                None => host.disk.remove(&key),
            };
        }
    }
}

fn address(host: usize) -> String {
    format!("host-{host}")
}
