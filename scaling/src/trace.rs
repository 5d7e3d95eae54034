//! Writes the traces that the observed node receives: of a mesh without visitors, then of each peer with its visitors.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use presence_core::{Input, NodeHash, Output, Recipients};

use crate::replay::{InputSource, RecordedResponses, Replay};
use crate::scenario::Scenario;
use crate::simulated_mesh::{DELAY_MS, Observer, SILENT, SimulatedMesh, Workload};
use crate::simulated_node::link;
use crate::trace_file::{TraceReader, TraceWriter};
use crate::visitors::{self, SILENT_MS};

/// The tag of an entry is the node that sent the message; this tag is that of a question.
const QUESTION: u8 = 255;

/// Writes the traces of all that node 0 of the scenario receives.
pub(crate) fn write(scenario: &Scenario, folder: &Path) -> io::Result<()> {
    let mut empty_mesh = EmptyMeshTrace::new(scenario.nodes, folder)?;
    SimulatedMesh::new(*scenario).run(Workload::Clicks, &mut empty_mesh);
    empty_mesh.close()?;
    for peer in 1..scenario.nodes {
        let sources = vec![inputs_of(folder, peer, TraceInputs::QuestionsAndMessages)?, visitor_inputs(scenario, peer)];
        let mut peer_trace =
            PeerTrace { writer: TraceWriter::create(&folder.join(format!("said-{peer}")))?, failed: None };
        Replay::new(scenario, peer, sources, answers_to(folder, peer)?).run(&mut peer_trace);
        peer_trace.failed.map_or(Ok(()), Err)?;
        peer_trace.writer.close()?;
    }
    Ok(())
}

/// Returns node 0 with its visitors, on the traces of its peers.
pub(crate) fn observed(scenario: &Scenario, folder: &Path) -> io::Result<Replay> {
    let mut sources = vec![inputs_of(folder, 0, TraceInputs::Questions)?, visitor_inputs(scenario, 0)];
    for peer in 1..scenario.nodes {
        let reading = TraceReader::open(&folder.join(format!("said-{peer}")))?;
        let heard = reading
            .map(move |entry| (entry.at_ms + DELAY_MS, Input::Received { link: link(peer), bytes: entry.bytes }));
        sources.push(Box::new(heard.filter(move |(at_ms, _)| peer != SILENT || *at_ms < SILENT_MS + DELAY_MS)));
    }
    Ok(Replay::new(scenario, 0, sources, answers_to(folder, 0)?))
}

/// What a node receives from a trace of the empty mesh.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TraceInputs {
    Questions,
    QuestionsAndMessages,
}

/// Returns the inputs of a node of the empty mesh.
fn inputs_of(folder: &Path, node: usize, with: TraceInputs) -> io::Result<InputSource> {
    let trace = TraceReader::open(&folder.join(format!("heard-{node}")))?;
    let inputs = trace.enumerate().filter_map(move |(number, entry)| match entry.tag {
        QUESTION => Some((entry.at_ms, question(number as u64, &entry.bytes)?)),
        from if with == TraceInputs::QuestionsAndMessages => {
            Some((entry.at_ms, Input::Received { link: link(usize::from(from)), bytes: entry.bytes }))
        }
        _ => None,
    });
    Ok(Box::new(inputs))
}

/// A question as it was written: who asks, then what.
fn question(question: u64, entry: &[u8]) -> Option<Input> {
    let (from, bytes) = entry.split_first_chunk()?;
    Some(Input::Asked { question, from: NodeHash(u64::from_be_bytes(*from)), bytes: bytes.to_vec() })
}

fn visitor_inputs(scenario: &Scenario, node: usize) -> InputSource {
    let scenario = *scenario;
    let actions = visitors::actions(&scenario, node, Workload::Visitors);
    Box::new(actions.into_iter().map(move |(at_ms, action)| (at_ms, visitors::input(&scenario, action))))
}

fn answers_to(folder: &Path, node: usize) -> io::Result<RecordedResponses> {
    let answers = TraceReader::open(&folder.join(format!("answers-{node}")))?;
    Ok(answers.map(|entry| ((entry.at_ms as usize, entry.tag), entry.bytes)).collect())
}

/// Writes what each node of the empty mesh received, with questions and answers.
struct EmptyMeshTrace {
    folder: PathBuf,
    heard: Vec<TraceWriter>,
    answers: BTreeMap<(usize, usize, u8), Vec<u8>>,
    failed: Option<io::Error>,
}

impl EmptyMeshTrace {
    fn new(nodes: usize, folder: &Path) -> io::Result<Self> {
        let heard = (0..nodes).map(|node| TraceWriter::create(&folder.join(format!("heard-{node}"))));
        let heard = heard.collect::<io::Result<_>>()?;
        Ok(Self { folder: folder.to_owned(), heard, answers: BTreeMap::new(), failed: None })
    }

    fn close(self) -> io::Result<()> {
        self.failed.map_or(Ok(()), Err)?;
        for (node, heard) in self.heard.into_iter().enumerate() {
            heard.close()?;
            let mut answers = TraceWriter::create(&self.folder.join(format!("answers-{node}")))?;
            for ((_, by, kind), bytes) in self.answers.iter().filter(|((asker, ..), _)| *asker == node) {
                answers.add(*by as u64, *kind, bytes)?;
            }
            answers.close()?;
        }
        Ok(())
    }
}

impl Observer for EmptyMeshTrace {
    fn before_input(&mut self, node: usize, at_ms: u64, input: &Input) {
        let kept = match input {
            Input::Received { link, bytes } => self.heard[node].add(at_ms, link.0 as u8, bytes),
            Input::Asked { from, bytes, .. } => {
                self.heard[node].add(at_ms, QUESTION, &[&from.0.to_be_bytes(), &bytes[..]].concat())
            }
            _ => Ok(()),
        };
        self.failed = self.failed.take().or(kept.err());
    }

    fn on_answer(&mut self, asker: usize, by: usize, kind: u8, answer: &[u8]) {
        // The first answer to a hello, as later ones know the asking node. Questions about facts differ each time and can't be
        // answered from a trace.
        if kind <= 17 {
            self.answers.entry((asker, by, kind)).or_insert_with(|| answer.to_vec());
        }
    }
}

/// Writes the messages of a peer.
struct PeerTrace {
    writer: TraceWriter,
    failed: Option<io::Error>,
}

impl Observer for PeerTrace {
    fn after_input(&mut self, _: usize, at_ms: u64, _: u64, outputs: &[Output]) {
        for output in outputs {
            if let Output::Publish { to: Recipients::All, bytes, .. } = output {
                let kept = self.writer.add(at_ms, 0, bytes);
                self.failed = self.failed.take().or(kept.err());
            }
        }
    }
}
