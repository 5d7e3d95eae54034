//! One node alone, which hears what others said before: so that millions of rows need the memory of one node, not of all.

use std::collections::{BTreeMap, VecDeque};

use presence_core::{Input, Output};

use crate::host::{Host, at_address};
use crate::mesh::{DELAY_MS, Watch, kind};
use crate::scenario::Scenario;
use crate::visitors::END_MS;

/// Inputs by their moment.
pub type Source = Box<dyn Iterator<Item = (u64, Input)>>;
/// How others answer: by who is asked, and of what kind the question is.
pub type Answers = BTreeMap<(usize, u8), Vec<u8>>;

/// A node that hears recordings.
pub struct Replay {
    scenario: Scenario,
    host: Host,
    index: usize,
    sources: Vec<std::iter::Peekable<Source>>,
    answers: Answers,
    /// What comes back for what it asked or dialled.
    back: VecDeque<(u64, Input)>,
}

impl Replay {
    /// A node of the scenario, just started.
    #[must_use]
    pub fn new(scenario: &Scenario, index: usize, sources: Vec<Source>, answers: Answers) -> Self {
        let sources = sources.into_iter().map(Iterator::peekable).collect();
        let host = Host::start(scenario, index);
        Self { scenario: *scenario, host, index, sources, answers, back: VecDeque::new() }
    }

    /// Runs it to the end.
    pub fn run(mut self, watch: &mut impl Watch) {
        let addresses = if self.index == 0 { Vec::new() } else { vec![crate::host::address(0)] };
        self.give(Input::Resolved { addresses }, Host::starts_ms(&self.scenario, self.index), watch);
        loop {
            let back_ms = self.back.front().map_or(u64::MAX, |(at_ms, _)| *at_ms);
            let heads = self.sources.iter_mut().map(|source| source.peek().map_or(u64::MAX, |(at_ms, _)| *at_ms));
            let (source_ms, source) =
                heads.enumerate().map(|(source, at_ms)| (at_ms, source)).min().unwrap_or((u64::MAX, 0));
            let wake_ms = self.host.wakes_ms();
            let next_ms = back_ms.min(source_ms).min(wake_ms);
            if next_ms > END_MS {
                return;
            }
            if wake_ms == next_ms {
                self.give(Input::Ticked, wake_ms, watch);
            } else if back_ms == next_ms
                && let Some((at_ms, input)) = self.back.pop_front()
            {
                self.give(input, at_ms, watch);
            } else if let Some((at_ms, input)) = self.sources[source].next() {
                self.give(input, at_ms, watch);
            }
        }
    }

    fn give(&mut self, input: Input, at_ms: u64, watch: &mut impl Watch) {
        watch.takes(self.index, at_ms, &input);
        let began = crate::cpu::nanos();
        let outputs = self.host.take(input, at_ms);
        let nanos = crate::cpu::nanos() - began;
        watch.took(self.index, at_ms, nanos, &outputs);
        for output in outputs {
            match output {
                Output::Dial { address } => {
                    let started = |to: &usize| Host::starts_ms(&self.scenario, *to) <= at_ms;
                    let result = crate::host::dialled(at_address(&address).filter(started));
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
