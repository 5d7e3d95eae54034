//! Makes what the observed node will hear: an empty mesh, then each peer with its visitors, one after another.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use presence_core::{Input, Output};

use crate::frames::{Frames, Reading};
use crate::host::link;
use crate::mesh::{DELAY_MS, Mesh, SILENT, Watch};
use crate::replay::{Answers, Replay, Source};
use crate::scenario::Scenario;
use crate::visitors::{self, SILENT_MS};

/// In a log, who spoke is the tag; this one asked.
const ASKED: u8 = 255;

/// Records all that node 0 of the scenario hears.
///
/// # Errors
///
/// Where a file can't be written.
pub fn record(scenario: &Scenario, folder: &Path) -> io::Result<()> {
    let mut empty = Empty::new(scenario.nodes, folder)?;
    Mesh::new(*scenario).run(false, &mut empty);
    empty.close()?;
    for peer in 1..scenario.nodes {
        let sources = vec![heard_by(folder, peer, true)?, acted(scenario, peer)];
        let mut said = Said { frames: Frames::create(&folder.join(format!("said-{peer}")))?, failed: None };
        Replay::new(scenario, peer, sources, answers_to(folder, peer)?).run(&mut said);
        said.failed.map_or(Ok(()), Err)?;
        said.frames.close()?;
    }
    Ok(())
}

/// Node 0, with its visitors, hearing the recorded peers.
///
/// # Errors
///
/// Where a recording can't be read.
pub fn observed(scenario: &Scenario, folder: &Path) -> io::Result<Replay> {
    let mut sources = vec![heard_by(folder, 0, false)?, acted(scenario, 0)];
    for peer in 1..scenario.nodes {
        let reading = Reading::open(&folder.join(format!("said-{peer}")))?;
        let heard = reading
            .map(move |frame| (frame.at_ms + DELAY_MS, Input::Received { link: link(peer), bytes: frame.bytes }));
        sources.push(Box::new(heard.filter(move |(at_ms, _)| peer != SILENT || *at_ms < SILENT_MS + DELAY_MS)));
    }
    Ok(Replay::new(scenario, 0, sources, answers_to(folder, 0)?))
}

/// What a node of the empty mesh was asked and, if wanted, heard.
fn heard_by(folder: &Path, node: usize, messages: bool) -> io::Result<Source> {
    let log = Reading::open(&folder.join(format!("heard-{node}")))?;
    let inputs = log.enumerate().filter_map(move |(number, frame)| match frame.tag {
        ASKED => Some((frame.at_ms, Input::Asked { question: number as u64, bytes: frame.bytes })),
        from if messages => Some((frame.at_ms, Input::Received { link: link(usize::from(from)), bytes: frame.bytes })),
        _ => None,
    });
    Ok(Box::new(inputs))
}

fn acted(scenario: &Scenario, node: usize) -> Source {
    let scenario = *scenario;
    let acts = visitors::acts(&scenario, node, false);
    Box::new(acts.into_iter().map(move |(at_ms, act)| (at_ms, visitors::input(&scenario, act))))
}

fn answers_to(folder: &Path, node: usize) -> io::Result<Answers> {
    let answers = Reading::open(&folder.join(format!("answers-{node}")))?;
    Ok(answers.map(|frame| ((frame.at_ms as usize, frame.tag), frame.bytes)).collect())
}

/// Keeps what each node of the empty mesh heard, was asked, and was answered.
struct Empty {
    folder: PathBuf,
    heard: Vec<Frames>,
    answers: BTreeMap<(usize, usize, u8), Vec<u8>>,
    failed: Option<io::Error>,
}

impl Empty {
    fn new(nodes: usize, folder: &Path) -> io::Result<Self> {
        let heard = (0..nodes).map(|node| Frames::create(&folder.join(format!("heard-{node}"))));
        let heard = heard.collect::<io::Result<_>>()?;
        Ok(Self { folder: folder.to_owned(), heard, answers: BTreeMap::new(), failed: None })
    }

    fn close(self) -> io::Result<()> {
        self.failed.map_or(Ok(()), Err)?;
        for (node, heard) in self.heard.into_iter().enumerate() {
            heard.close()?;
            let mut answers = Frames::create(&self.folder.join(format!("answers-{node}")))?;
            for ((_, by, kind), bytes) in self.answers.iter().filter(|((asker, ..), _)| *asker == node) {
                answers.add(*by as u64, *kind, bytes)?;
            }
            answers.close()?;
        }
        Ok(())
    }
}

impl Watch for Empty {
    fn takes(&mut self, node: usize, at_ms: u64, input: &Input) {
        let kept = match input {
            Input::Received { link, bytes } => self.heard[node].add(at_ms, link.0 as u8, bytes),
            Input::Asked { bytes, .. } => self.heard[node].add(at_ms, ASKED, bytes),
            _ => Ok(()),
        };
        self.failed = self.failed.take().or(kept.err());
    }

    fn took(&mut self, _: usize, _: u64, _: u64, _: &[Output]) {}

    fn answered(&mut self, asker: usize, by: usize, kind: u8, answer: &[u8]) {
        // The first answer to hello: later ones know the asker already. Facts are compared again and again, and can't be
        // answered from memory.
        if kind <= 17 {
            self.answers.entry((asker, by, kind)).or_insert_with(|| answer.to_vec());
        }
    }
}

/// Keeps what a peer says.
struct Said {
    frames: Frames,
    failed: Option<io::Error>,
}

impl Watch for Said {
    fn takes(&mut self, _: usize, _: u64, _: &Input) {}

    fn took(&mut self, _: usize, at_ms: u64, _: u64, outputs: &[Output]) {
        for output in outputs {
            if let Output::Publish { to: None, bytes, .. } = output {
                let kept = self.frames.add(at_ms, 0, bytes);
                self.failed = self.failed.take().or(kept.err());
            }
        }
    }

    fn answered(&mut self, _: usize, _: usize, _: u8, _: &[u8]) {}
}
