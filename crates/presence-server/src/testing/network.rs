//! The nodes of a test's world, and the messages on their way between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use presence_core::{
    DialError, Drawing, FactSettings, Input, LinkId, Linked, Mono, Node, NodeHash, NodeName, Now, Outcome, Output,
    Place, Recipients, Region, Room, RoomView, Settings, UserId, Wall,
};

use crate::clock::millis;
use crate::identity::sha256;

/// How long a message is on its way.
const DELAY_MS: u64 = 50;
/// When a world begins: in January 2027.
const BEGIN: Now = Now { mono: Mono(1_000_000), wall: Wall(1_800_000_000_000) };

/// All nodes, one of each region.
pub(super) struct TestNetwork {
    nodes: Vec<TestNode>,
    now: Now,
    /// What arrives, by time and by a number that keeps the order.
    arriving: BTreeMap<(Mono, u64), Arriving>,
    /// Orders that are not carried out yet.
    ordered: Vec<(usize, Ordered)>,
    /// Which node asked a question, and its number there.
    questions: BTreeMap<u64, (usize, u64)>,
    cuts: BTreeSet<(usize, usize)>,
    numbers: u64,
}

struct TestNode {
    node: Node,
    code: Region,
    /// The nodes that it reads.
    links: BTreeMap<LinkId, usize>,
    views: BTreeMap<Room, Arc<RoomView>>,
    tabs: BTreeMap<(Room, UserId), u32>,
}

struct Arriving {
    from: usize,
    to: usize,
    input: Input,
}

/// What a node orders of the world.
pub(super) enum Ordered {
    /// Have the app draw this.
    Draw(Drawing),
    /// Answer a click.
    Answer(Outcome),
}

impl TestNetwork {
    pub(super) fn new(codes: &[&str]) -> Self {
        let codes =
            codes.iter().map(|code| Region::new(code).unwrap_or_else(|| panic!("{code:?} is no region's code")));
        let meshed = codes.len() > 1;
        let nodes = codes.enumerate().map(|(index, code)| TestNode {
            node: Node::new(settings(&code, index, meshed), &[], Vec::new(), BEGIN),
            code,
            links: BTreeMap::new(),
            views: BTreeMap::new(),
            tabs: BTreeMap::new(),
        });
        let mut network = Self {
            nodes: nodes.collect(),
            now: BEGIN,
            arriving: BTreeMap::new(),
            ordered: Vec::new(),
            questions: BTreeMap::new(),
            cuts: BTreeSet::new(),
            numbers: 0,
        };
        for index in 0..network.nodes.len() {
            let others = network.nodes.iter().enumerate().filter(|(other, _)| *other != index);
            let addresses = others.map(|(_, other)| other.code.to_string()).collect();
            network.handle(index, Input::Resolved { addresses });
        }
        network
    }

    /// The node of this region.
    pub(super) fn region(&self, code: &str) -> usize {
        let found = self.nodes.iter().position(|node| node.code.as_str() == code);
        found.unwrap_or_else(|| panic!("this world has no region {code:?}"))
    }

    pub(super) fn code(&self, index: usize) -> &Region {
        &self.nodes[index].code
    }

    /// The time in ms since 1970.
    pub(super) fn now_ms(&self) -> u64 {
        self.now.wall.0
    }

    /// The moment after this time.
    pub(super) fn end(&self, time: Duration) -> Mono {
        self.now.mono + millis(time)
    }

    /// A room as a node sees it.
    pub(super) fn view(&self, index: usize, room: &Room) -> Arc<RoomView> {
        let empty = || RoomView::empty(room.clone(), self.code(index).clone());
        self.known_view(index, room).unwrap_or_else(|| Arc::new(RoomView { as_of_ms: self.now_ms(), ..empty() }))
    }

    /// A room as a node sees it; `None` if it is empty and has no facts.
    pub(super) fn known_view(&self, index: usize, room: &Room) -> Option<Arc<RoomView>> {
        self.nodes[index].views.get(room).cloned()
    }

    /// How many tabs a user has in a room.
    pub(super) fn tabs(&self, index: usize, room: &Room, user: UserId) -> u32 {
        self.nodes[index].tabs.get(&(room.clone(), user)).copied().unwrap_or(0)
    }

    pub(super) fn cut(&mut self, one: &str, other: &str) {
        let (one, other) = (self.region(one), self.region(other));
        self.cuts.extend([(one, other), (other, one)]);
    }

    pub(super) fn join(&mut self, one: &str, other: &str) {
        let (one, other) = (self.region(one), self.region(other));
        self.cuts.retain(|cut| *cut != (one, other) && *cut != (other, one));
    }

    /// Gives a node an input now. Returns what it orders of the world, after what others have ordered before.
    pub(super) fn give(&mut self, index: usize, input: Input) -> Vec<(usize, Ordered)> {
        self.handle(index, input);
        std::mem::take(&mut self.ordered)
    }

    /// The next order of a node, up to this moment; `None`: the moment has come.
    pub(super) fn next(&mut self, end: Mono) -> Option<(usize, Ordered)> {
        loop {
            if !self.ordered.is_empty() {
                return Some(self.ordered.remove(0));
            }
            let arrives = self.arriving.first_key_value().map(|((at, _), _)| *at);
            let wakes = self.nodes.iter().map(|node| node.node.wake_at().max(self.now.mono + 1)).min();
            let at = arrives.into_iter().chain(wakes).min().filter(|at| *at <= end);
            self.advance(at.unwrap_or(end));
            let ((_, _), Arriving { from, to, input }) = match self.arriving.first_entry() {
                Some(first) if first.key().0 <= self.now.mono => first.remove_entry(),
                _ if at.is_some() => {
                    self.tick();
                    continue;
                }
                _ => return None,
            };
            if self.cuts.contains(&(from, to)) {
                self.lose(to, input);
            } else {
                self.handle(to, input);
            }
        }
    }

    fn advance(&mut self, to: Mono) {
        self.now.wall += to.since(self.now.mono);
        self.now.mono = self.now.mono.max(to);
    }

    fn tick(&mut self) {
        for index in 0..self.nodes.len() {
            if self.nodes[index].node.wake_at() <= self.now.mono {
                self.handle(index, Input::Ticked);
            }
        }
    }

    fn handle(&mut self, index: usize, input: Input) {
        for output in self.nodes[index].node.handle(input, self.now) {
            self.carry_out(index, output);
        }
    }

    fn send(&mut self, from: usize, to: usize, input: Input) {
        self.numbers += 1;
        self.arriving.insert((self.now.mono + DELAY_MS, self.numbers), Arriving { from, to, input });
    }

    /// Tells those who wait for what was lost that it does not come.
    fn lose(&mut self, to: usize, input: Input) {
        match input {
            Input::Asked { question, .. } => {
                if let Some((asker, question)) = self.questions.remove(&question) {
                    self.send(asker, asker, Input::Answered { question, bytes: None });
                }
            }
            Input::Answered { question, .. } => self.send(to, to, Input::Answered { question, bytes: None }),
            Input::Dialled { address, result } => {
                self.nodes[to].links.retain(|link, _| !result.is_ok_and(|linked| linked.link == *link));
                self.send(to, to, Input::Dialled { address, result: Err(DialError::NoAnswer) });
            }
            _ => {}
        }
    }

    fn carry_out(&mut self, index: usize, output: Output) {
        match output {
            Output::Draw(drawing) => self.ordered.push((index, Ordered::Draw(drawing))),
            Output::Answer { outcome, .. } => self.ordered.push((index, Ordered::Answer(outcome))),
            Output::View(view) => drop(self.nodes[index].views.insert(view.room.clone(), view)),
            Output::Forget(room) => drop(self.nodes[index].views.remove(&room)),
            Output::Tabs { room, user, tabs } => drop(self.nodes[index].tabs.insert((room, user), tabs)),
            Output::Dial { address } => self.dial(index, address),
            Output::HangUp { link } => drop(self.nodes[index].links.remove(&link)),
            Output::Publish { to, bytes, .. } => self.publish(index, &to, &bytes),
            Output::Ask { link, question, bytes, .. } => {
                if let Some(to) = self.nodes[index].links.get(&link).copied() {
                    self.numbers += 1;
                    self.questions.insert(self.numbers, (index, question));
                    let (question, from) = (self.numbers, self.hash(index));
                    self.send(index, to, Input::Asked { question, from, bytes });
                }
            }
            Output::Reply { question, bytes, .. } => {
                if let Some((asker, question)) = self.questions.remove(&question) {
                    self.send(index, asker, Input::Answered { question, bytes: Some(bytes) });
                }
            }
            Output::ReadMessages { question, .. } => {
                self.send(index, index, Input::MessagesRead { question, messages: Some(Vec::new()) });
            }
            // No one keeps, counts or is told anything else here.
            _ => {}
        }
    }

    fn dial(&mut self, index: usize, address: String) {
        let to = self.region(&address);
        self.numbers += 1;
        let link = LinkId(self.numbers);
        self.nodes[index].links.insert(link, to);
        let node = self.hash(to);
        self.send(to, index, Input::Dialled { address, result: Ok(Linked { link, node }) });
    }

    fn publish(&mut self, from: usize, to: &Recipients, bytes: &[u8]) {
        for reader in 0..self.nodes.len() {
            let meant = to.includes(self.hash(reader));
            let links = self.nodes[reader].links.iter();
            let link = links.filter(|(_, read)| **read == from).map(|(link, _)| *link).next_back();
            if let Some(link) = link.filter(|_| meant) {
                self.send(from, reader, Input::Received { link, bytes: bytes.to_vec() });
            }
        }
    }

    fn hash(&self, index: usize) -> NodeHash {
        NodeHash::of(&name(&self.nodes[index].code), sha256)
    }
}

fn name(code: &Region) -> NodeName {
    NodeName::new(code.as_str()).expect("a region's code is a node's name")
}

fn settings(code: &Region, index: usize, meshed: bool) -> Settings {
    Settings {
        region: code.clone(),
        place: Place { name: code.to_string(), location: None },
        name: name(code),
        incarnation: 1,
        birth: index as u64,
        advertised: vec![code.to_string()],
        meshed,
        digest: sha256,
        key: None,
        facts: FactSettings::default(),
    }
}
