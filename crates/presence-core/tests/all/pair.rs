//! Two nodes by hand, without any delay between them: for tests that count what something costs.

use presence_core::{
    ConnectionId, Input, LinkId, Linked, Mono, Node, NodeHash, Now, Output, Room, Settings, SubscriptionId, Tab,
    UserId, Wall,
};
use std::collections::VecDeque;

use crate::digest::{self, sha256};

const LINK: LinkId = LinkId(1);
/// Whose visitors are counted, and who hears of them.
pub(crate) const AUTHOR: usize = 0;
pub(crate) const READER: usize = 1;

pub(crate) struct Pair {
    nodes: [Option<Node>; 2],
    pub(crate) now: Now,
    /// What nodes ordered besides talking to each other, since it was last taken.
    pub(crate) outputs: [Vec<Output>; 2],
    /// Everything that the author has published and answered: how many bytes each.
    pub(crate) published: Vec<usize>,
    pub(crate) answered: Vec<usize>,
}

/// A user like any other: ids are hashes.
pub(crate) fn user(number: u64) -> UserId {
    UserId(sha256(&number.to_be_bytes()))
}

pub(crate) fn room(name: &str) -> Room {
    Room::new(name).expect("a name")
}

const NAMES: [&str; 2] = ["author", "reader"];

fn settings(index: usize) -> Settings {
    let birth = u64::try_from(index).expect("small");
    let alone = digest::settings(["yyz", "maa"][index], NAMES[index], 1);
    Settings { birth, advertised: vec![NAMES[index].to_owned()], meshed: true, ..alone }
}

impl Pair {
    /// Only the author has started yet.
    pub(crate) fn author() -> Self {
        let now = Now { mono: Mono(1_000_000), wall: Wall(1_800_000_000_000) };
        let author = Node::new(settings(AUTHOR), &[], Vec::new(), now);
        let (published, answered) = (Vec::new(), Vec::new());
        let mut pair =
            Self { nodes: [Some(author), None], now, outputs: [Vec::new(), Vec::new()], published, answered };
        // Long enough that no user is taken for one that comes back from elsewhere.
        pair.pass(6_000);
        pair
    }

    /// Starts the reader, linked to the author.
    pub(crate) fn start_reader(&mut self) {
        self.nodes[READER] = Some(Node::new(settings(READER), &[], Vec::new(), self.now));
        self.handle(READER, Input::Resolved { addresses: vec!["author".to_owned()] });
        self.handle(READER, Input::Ticked);
    }

    /// Gives a node an input, and each what the other says because of it.
    pub(crate) fn handle(&mut self, index: usize, input: Input) {
        let mut waiting = VecDeque::from([(index, input)]);
        while let Some((index, input)) = waiting.pop_front() {
            let Some(node) = &mut self.nodes[index] else { continue };
            let other = 1 - index;
            for output in node.handle(input, self.now) {
                match output {
                    Output::Dial { address } => {
                        let node = NodeHash::of(&settings(other).name, sha256);
                        let result = Ok(Linked { link: LINK, node });
                        waiting.push_back((index, Input::Dialled { address, result }));
                    }
                    Output::Ask { question, bytes, .. } => {
                        let from = NodeHash::of(&settings(index).name, sha256);
                        waiting.push_back((other, Input::Asked { question, from, bytes }));
                    }
                    Output::Reply { question, bytes, .. } => {
                        if index == AUTHOR {
                            self.answered.push(bytes.len());
                        }
                        waiting.push_back((other, Input::Answered { question, bytes: Some(bytes) }));
                    }
                    Output::Publish { bytes, .. } => {
                        if index == AUTHOR {
                            self.published.push(bytes.len());
                        }
                        waiting.push_back((other, Input::Received { link: LINK, bytes }));
                    }
                    output => self.outputs[index].push(output),
                }
            }
        }
    }

    /// Lets time pass as the driver does.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end_ms = self.now.mono + ms;
        while self.now.mono < end_ms {
            let due_ms = self.nodes.iter().flatten().map(Node::wake_at).min().expect("the author is there");
            let next_ms = due_ms.clamp(self.now.mono + 1, end_ms);
            self.now.wall += next_ms.since(self.now.mono);
            self.now.mono = next_ms;
            self.handle(AUTHOR, Input::Ticked);
            self.handle(READER, Input::Ticked);
        }
    }

    /// A user joins on the author's node; the page is not drawn, or it is.
    pub(crate) fn join(&mut self, number: u64, room: &Room, draws: bool) {
        let (connection, subscription, room) = (ConnectionId(number), SubscriptionId(1), room.clone());
        let tab = Tab { draws, ..Tab::page() };
        self.handle(AUTHOR, Input::Joined { connection, subscription, room, user: user(number), tab });
    }

    /// Forgets what was ordered and said so far.
    pub(crate) fn forget(&mut self) {
        self.outputs = [Vec::new(), Vec::new()];
        (self.published, self.answered) = (Vec::new(), Vec::new());
    }
}
