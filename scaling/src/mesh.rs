//! Nodes that all run at once and all hear each other: empty ones whose heartbeats and facts the single runs hear, or
//! full ones, to see that a single run tells the truth.

use std::collections::BTreeMap;

use presence_core::{Input, NodeHash, Output};

use crate::app::sha256;
use crate::host::{Host, at_address, link};
use crate::scenario::Scenario;
use crate::visitors::{self, Act, END_MS, SILENT_MS};

/// How long a message is on its way.
pub const DELAY_MS: u64 = 20;
/// Who falls silent in the end.
pub const SILENT: usize = 1;

/// What a message between nodes is: the byte after the magic and the version.
#[must_use]
pub fn kind(bytes: &[u8]) -> u8 {
    bytes.get(3).copied().unwrap_or(0)
}

/// Somebody who is told everything.
pub trait Watch {
    /// A node takes an input.
    fn takes(&mut self, node: usize, at_ms: u64, input: &Input);
    /// It has taken it, within so many nanoseconds, and orders this.
    fn took(&mut self, node: usize, at_ms: u64, nanos: u64, outputs: &[Output]);
    /// A question of one node was answered by another.
    fn answered(&mut self, asker: usize, by: usize, kind: u8, answer: &[u8]);
}

enum Event {
    Give { node: usize, input: Input },
    Ask { asker: usize, question: u64, to: usize, bytes: Vec<u8> },
}

/// All nodes of a scenario.
pub struct Mesh {
    scenario: Scenario,
    hosts: Vec<Option<Host>>,
    events: BTreeMap<(u64, u64), Event>,
    order: u64,
    /// Questions on their way: who asked which, and of what kind.
    asked: BTreeMap<u64, (usize, u64, u8)>,
    hashes: BTreeMap<NodeHash, usize>,
}

impl Mesh {
    /// Nodes that are not started yet.
    #[must_use]
    pub fn new(scenario: Scenario) -> Self {
        let name = crate::host::name;
        let hashes = (0..scenario.nodes).map(|index| (NodeHash::of(&name(index), sha256), index)).collect();
        let hosts = (0..scenario.nodes).map(|_| None).collect();
        Self { scenario, hosts, events: BTreeMap::new(), order: 0, asked: BTreeMap::new(), hashes }
    }

    /// Runs all of it; `full` with visitors, else with clicks only.
    pub fn run(&mut self, full: bool, watch: &mut impl Watch) {
        for node in 0..self.scenario.nodes {
            for (at_ms, act) in visitors::acts(&self.scenario, node, !full) {
                self.later(at_ms, Event::Give { node, input: visitors::input(&self.scenario, act) });
                debug_assert!(full || matches!(act, Act::Click(_)));
            }
        }
        let scenario = self.scenario;
        let mut starting = (0..scenario.nodes).map(|node| (Host::starts_ms(&scenario, node), node)).peekable();
        loop {
            let event_ms = self.events.first_key_value().map_or(u64::MAX, |((at_ms, _), _)| *at_ms);
            let awake = (0..self.hosts.len()).filter_map(|node| Some((self.hosts[node].as_ref()?.wakes_ms(), node)));
            let (wake_ms, node) = awake.min().unwrap_or((u64::MAX, 0));
            let start_ms = starting.peek().map_or(u64::MAX, |(at_ms, _)| *at_ms);
            if start_ms <= event_ms.min(wake_ms)
                && let Some((at_ms, node)) = starting.next()
            {
                self.hosts[node] = Some(Host::start(&self.scenario, node));
                let addresses = if node == 0 { Vec::new() } else { vec![crate::host::address(0)] };
                self.give(node, Input::Resolved { addresses }, at_ms, watch);
            } else if event_ms.min(wake_ms) > END_MS {
                return;
            } else if wake_ms <= event_ms {
                self.give(node, Input::Ticked, wake_ms, watch);
            } else if let Some(((at_ms, _), event)) = self.events.pop_first() {
                self.happen(event, at_ms, watch);
            }
        }
    }

    fn later(&mut self, at_ms: u64, event: Event) {
        self.order += 1;
        self.events.insert((at_ms, self.order), event);
    }

    fn happen(&mut self, event: Event, at_ms: u64, watch: &mut impl Watch) {
        match event {
            Event::Give { node, input } => self.give(node, input, at_ms, watch),
            Event::Ask { asker, question, to, bytes } => {
                self.order += 1;
                let asked = self.order;
                self.asked.insert(asked, (asker, question, kind(&bytes)));
                self.give(to, Input::Asked { question: asked, bytes }, at_ms, watch);
            }
        }
    }

    fn give(&mut self, node: usize, input: Input, at_ms: u64, watch: &mut impl Watch) {
        let Some(host) = &mut self.hosts[node] else { return };
        if node == SILENT && at_ms >= SILENT_MS {
            self.hosts[node] = None;
            return;
        }
        watch.takes(node, at_ms, &input);
        let began = crate::cpu::nanos();
        let outputs = host.take(input, at_ms);
        let nanos = crate::cpu::nanos() - began;
        watch.took(node, at_ms, nanos, &outputs);
        for output in outputs {
            self.carry_out(node, output, at_ms + DELAY_MS, watch);
        }
    }

    fn carry_out(&mut self, node: usize, output: Output, at_ms: u64, watch: &mut impl Watch) {
        match output {
            Output::Publish { to, bytes, .. } => {
                let reader = to.and_then(|to| self.hashes.get(&to)).copied();
                for other in (0..self.hosts.len()).filter(|other| *other != node) {
                    if self.hosts[other].is_some() && reader.is_none_or(|reader| reader == other) {
                        let input = Input::Received { link: link(node), bytes: bytes.clone() };
                        self.later(at_ms, Event::Give { node: other, input });
                    }
                }
            }
            Output::Dial { address } => {
                let to = at_address(&address).filter(|to| self.hosts.get(*to).is_some_and(Option::is_some));
                let result = crate::host::dialled(to);
                self.later(at_ms, Event::Give { node, input: Input::Dialled { address, result } });
            }
            Output::Ask { link, question, bytes, .. } => {
                self.later(at_ms, Event::Ask { asker: node, question, to: link.0 as usize, bytes });
            }
            Output::Reply { question, bytes, .. } => {
                let Some((asker, question, kind)) = self.asked.remove(&question) else { return };
                watch.answered(asker, node, kind, &bytes);
                self.later(at_ms, Event::Give { node: asker, input: Input::Answered { question, bytes: Some(bytes) } });
            }
            _ => {}
        }
    }
}
