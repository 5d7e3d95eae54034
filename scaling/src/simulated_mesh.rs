//! Nodes that run at the same time and receive each other's messages: without visitors, to write traces of their heartbeats
//! and facts, or with visitors, to check a node that runs on traces.

use std::collections::BTreeMap;

use presence_core::{Input, NodeHash, Output};

use crate::app::sha256;
use crate::scenario::Scenario;
use crate::simulated_node::{SimulatedNode, at_address, link, name};
use crate::visitors::{self, END_MS, SILENT_MS};

/// Time that a message takes.
pub(crate) const DELAY_MS: u64 = 20;
/// The node that falls silent in the end.
pub(crate) const SILENT: usize = 1;

/// Reads the kind of a message between nodes: the byte after the magic and the version.
pub(crate) fn kind(bytes: &[u8]) -> u8 {
    bytes.get(3).copied().unwrap_or(0)
}

/// The visitors of a simulated mesh.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Visitors join, leave and click.
    Visitors,
    /// Visitors only click.
    Clicks,
}

/// Is called for everything that happens to the nodes.
pub(crate) trait Observer {
    /// A node is about to handle an input.
    fn before_input(&mut self, _node: usize, _at_ms: u64, _input: &Input) {}
    /// A node has handled it in this many nanoseconds of CPU time.
    fn after_input(&mut self, _node: usize, _at_ms: u64, _nanos: u64, _outputs: &[Output]) {}
    /// One node has answered another.
    fn on_answer(&mut self, _asker: usize, _by: usize, _kind: u8, _answer: &[u8]) {}
}

enum MeshEvent {
    Give { node: usize, input: Input },
    Ask { asker: usize, question: u64, to: usize, bytes: Vec<u8> },
}

/// All nodes of a scenario.
pub(crate) struct SimulatedMesh {
    scenario: Scenario,
    nodes: Vec<Option<SimulatedNode>>,
    events: BTreeMap<(u64, u64), MeshEvent>,
    order: u64,
    /// Open questions: the asking node, its number for the question, and the kind.
    asked: BTreeMap<u64, (usize, u64, u8)>,
    hashes: Vec<NodeHash>,
}

impl SimulatedMesh {
    pub(crate) fn new(scenario: Scenario) -> Self {
        let name = crate::simulated_node::name;
        let hashes = (0..scenario.nodes).map(|index| NodeHash::of(&name(index), sha256)).collect();
        let nodes = (0..scenario.nodes).map(|_| None).collect();
        Self { scenario, nodes, events: BTreeMap::new(), order: 0, asked: BTreeMap::new(), hashes }
    }

    /// Runs the scenario to its end.
    pub(crate) fn run(&mut self, load: Workload, observer: &mut impl Observer) {
        self.run_until(END_MS, load, observer);
    }

    /// Runs the scenario to that time.
    pub(crate) fn run_until(&mut self, end_ms: u64, load: Workload, observer: &mut impl Observer) {
        for node in 0..self.scenario.nodes {
            for (at_ms, action) in visitors::actions(&self.scenario, node, load) {
                self.later(at_ms, MeshEvent::Give { node, input: visitors::input(&self.scenario, action) });
            }
        }
        let scenario = self.scenario;
        let mut starting = (0..scenario.nodes).map(|node| (SimulatedNode::starts_ms(&scenario, node), node)).peekable();
        loop {
            let event_ms = self.events.first_key_value().map_or(u64::MAX, |((at_ms, _), _)| *at_ms);
            let awake = (0..self.nodes.len()).filter_map(|node| Some((self.nodes[node].as_ref()?.wakes_ms(), node)));
            let (wake_ms, node) = awake.min().unwrap_or((u64::MAX, 0));
            let start_ms = starting.peek().map_or(u64::MAX, |(at_ms, _)| *at_ms);
            if start_ms <= event_ms.min(wake_ms)
                && let Some((at_ms, node)) = starting.next()
            {
                self.nodes[node] = Some(SimulatedNode::start(&self.scenario, node));
                let addresses = if node == 0 { Vec::new() } else { vec![crate::simulated_node::address(0)] };
                self.give(node, Input::Resolved { addresses }, at_ms, observer);
            } else if event_ms.min(wake_ms) > end_ms {
                return;
            } else if wake_ms <= event_ms {
                self.give(node, Input::Ticked, wake_ms, observer);
            } else if let Some(((at_ms, _), event)) = self.events.pop_first() {
                self.happen(event, at_ms, observer);
            }
        }
    }

    fn later(&mut self, at_ms: u64, event: MeshEvent) {
        self.order += 1;
        self.events.insert((at_ms, self.order), event);
    }

    fn happen(&mut self, event: MeshEvent, at_ms: u64, observer: &mut impl Observer) {
        match event {
            MeshEvent::Give { node, input } => self.give(node, input, at_ms, observer),
            MeshEvent::Ask { asker, question, to, bytes } => {
                self.order += 1;
                let asked = self.order;
                self.asked.insert(asked, (asker, question, kind(&bytes)));
                let from = NodeHash::of(&name(asker), sha256);
                self.give(to, Input::Asked { question: asked, from, bytes }, at_ms, observer);
            }
        }
    }

    fn give(&mut self, node: usize, input: Input, at_ms: u64, observer: &mut impl Observer) {
        let Some(simulated) = &mut self.nodes[node] else { return };
        if node == SILENT && at_ms >= SILENT_MS {
            self.nodes[node] = None;
            return;
        }
        observer.before_input(node, at_ms, &input);
        let began = crate::cpu::nanos();
        let outputs = simulated.handle(input, at_ms);
        let nanos = crate::cpu::nanos() - began;
        observer.after_input(node, at_ms, nanos, &outputs);
        for output in outputs {
            self.carry_out(node, output, at_ms + DELAY_MS, observer);
        }
    }

    fn carry_out(&mut self, node: usize, output: Output, at_ms: u64, observer: &mut impl Observer) {
        match output {
            Output::Publish { to, bytes, .. } => {
                for other in (0..self.nodes.len()).filter(|other| *other != node) {
                    if self.nodes[other].is_some() && to.includes(self.hashes[other]) {
                        let input = Input::Received { link: link(node), bytes: bytes.clone() };
                        self.later(at_ms, MeshEvent::Give { node: other, input });
                    }
                }
            }
            Output::Dial { address } => {
                let to = at_address(&address).filter(|to| self.nodes.get(*to).is_some_and(Option::is_some));
                let result = crate::simulated_node::dialled(to);
                self.later(at_ms, MeshEvent::Give { node, input: Input::Dialled { address, result } });
            }
            Output::Ask { link, question, bytes, .. } => {
                self.later(at_ms, MeshEvent::Ask { asker: node, question, to: link.0 as usize, bytes });
            }
            Output::Reply { question, bytes, .. } => {
                let Some((asker, question, kind)) = self.asked.remove(&question) else { return };
                observer.on_answer(asker, node, kind, &bytes);
                self.later(
                    at_ms,
                    MeshEvent::Give { node: asker, input: Input::Answered { question, bytes: Some(bytes) } },
                );
            }
            _ => {}
        }
    }
}
