//! One node that receives traces of the others, so that millions of rows need the memory of one node only.

use std::collections::{BTreeMap, VecDeque};

use presence_core::{Input, Output};

use crate::scenario::Scenario;
use crate::simulated_mesh::{DELAY_MS, Observer, kind};
use crate::simulated_node::{SimulatedNode, at_address};
use crate::visitors::END_MS;

/// Inputs with their times.
pub(crate) type InputSource = Box<dyn Iterator<Item = (u64, Input)>>;
/// Answers of other nodes, by the answering node and the kind of question.
pub(crate) type RecordedResponses = BTreeMap<(usize, u8), Vec<u8>>;

/// A node that runs on traces.
pub(crate) struct Replay {
    scenario: Scenario,
    node: SimulatedNode,
    index: usize,
    sources: Vec<std::iter::Peekable<InputSource>>,
    answers: RecordedResponses,
    /// Answers and results of dials, which arrive later.
    back: VecDeque<(u64, Input)>,
}

impl Replay {
    /// Starts a node of the scenario.
    pub(crate) fn new(
        scenario: &Scenario,
        index: usize,
        sources: Vec<InputSource>,
        answers: RecordedResponses,
    ) -> Self {
        let sources = sources.into_iter().map(Iterator::peekable).collect();
        let node = SimulatedNode::start(scenario, index);
        Self { scenario: *scenario, node, index, sources, answers, back: VecDeque::new() }
    }

    /// Runs the node to the end of the scenario.
    pub(crate) fn run(mut self, observer: &mut impl Observer) {
        let addresses = if self.index == 0 { Vec::new() } else { vec![crate::simulated_node::address(0)] };
        self.give(Input::Resolved { addresses }, SimulatedNode::starts_ms(&self.scenario, self.index), observer);
        loop {
            let back_ms = self.back.front().map_or(u64::MAX, |(at_ms, _)| *at_ms);
            let heads = self.sources.iter_mut().map(|source| source.peek().map_or(u64::MAX, |(at_ms, _)| *at_ms));
            let (source_ms, source) =
                heads.enumerate().map(|(source, at_ms)| (at_ms, source)).min().unwrap_or((u64::MAX, 0));
            let wake_ms = self.node.wakes_ms();
            let next_ms = back_ms.min(source_ms).min(wake_ms);
            if next_ms > END_MS {
                return;
            }
            if wake_ms == next_ms {
                self.give(Input::Ticked, wake_ms, observer);
            } else if back_ms == next_ms
                && let Some((at_ms, input)) = self.back.pop_front()
            {
                self.give(input, at_ms, observer);
            } else if let Some((at_ms, input)) = self.sources[source].next() {
                self.give(input, at_ms, observer);
            }
        }
    }

    fn give(&mut self, input: Input, at_ms: u64, observer: &mut impl Observer) {
        observer.before_input(self.index, at_ms, &input);
        let began = crate::cpu::nanos();
        let outputs = self.node.handle(input, at_ms);
        let nanos = crate::cpu::nanos() - began;
        observer.after_input(self.index, at_ms, nanos, &outputs);
        for output in outputs {
            match output {
                Output::Dial { address } => {
                    let started = |to: &usize| SimulatedNode::starts_ms(&self.scenario, *to) <= at_ms;
                    let result = crate::simulated_node::dialled(at_address(&address).filter(started));
                    self.back.push_back((at_ms + DELAY_MS, Input::Dialled { address, result }));
                }
                Output::Ask { link, question, bytes, .. } => {
                    let bytes = self.answers.get(&(link.0 as usize, kind(&bytes))).cloned();
                    self.back.push_back((at_ms + 2 * DELAY_MS, Input::Answered { question, bytes }));
                }
                _ => {}
            }
        }
    }
}
