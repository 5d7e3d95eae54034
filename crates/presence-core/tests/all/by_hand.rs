//! A node by hand: its time and all that it hears are the test's, and what it orders is looked at one by one.

use std::sync::Arc;

use presence_core::{
    ConnectionId, Input, LinkId, Linked, MeshView, Mono, Node, NodeHash, NodeName, Now, Output, RoomView, Settings,
    SubscriptionId, Tab, UserId, Wall, kind_name,
};

use crate::digest::{settings, sha256};
use crate::keys::node_key;
use crate::world::World;

const TICK_MS: u64 = 100;

pub(crate) struct ByHand {
    node: Node,
    pub(crate) now: Now,
    pub(crate) mesh: Option<Arc<MeshView>>,
    view: Option<Arc<RoomView>>,
}

pub(crate) fn hash(name: &str) -> NodeHash {
    NodeHash::of(&NodeName::new(name).expect("a name"), sha256)
}

impl ByHand {
    /// A node that is reached at an address like its name.
    pub(crate) fn start(name: &str) -> Self {
        Self::start_at(name, vec![name.to_owned()])
    }

    /// A node that signs with another key.
    pub(crate) fn start_signed(name: &str, key: &str) -> Self {
        Self::begin(name, vec![name.to_owned()], key)
    }

    pub(crate) fn start_at(name: &str, advertised: Vec<String>) -> Self {
        Self::begin(name, advertised, name)
    }

    fn begin(name: &str, advertised: Vec<String>, key: &str) -> Self {
        let now = Now { mono: Mono(1_000_000), wall: Wall(1_800_000_000_000) };
        let settings = Settings {
            birth: hash(name).0,
            advertised,
            meshed: true,
            key: Some(node_key(key)),
            ..settings("ams", name, 5)
        };
        let node = Node::new(settings, &[], Vec::new(), now);
        Self { node, now, mesh: None, view: None }
    }

    pub(crate) fn give(&mut self, input: Input) -> Vec<Output> {
        let outputs = self.node.handle(input, self.now);
        let mut meshes = outputs.iter().filter_map(|output| match output {
            Output::Mesh(mesh) => Some(mesh.clone()),
            _ => None,
        });
        self.mesh = meshes.next_back().or(self.mesh.take());
        let mut views = outputs.iter().filter_map(|output| match output {
            Output::View(view) if view.room == World::room() => Some(view.clone()),
            _ => None,
        });
        self.view = views.next_back().or(self.view.take());
        outputs
    }

    /// In how many ms it wants to be called again.
    pub(crate) fn wakes_in(&self) -> u64 {
        self.node.wake_at().since(self.now.mono)
    }

    /// Lets time pass; what is ordered meanwhile.
    pub(crate) fn pass(&mut self, ms: u64) -> Vec<Output> {
        let mut outputs = Vec::new();
        for _ in 0..ms / TICK_MS {
            self.now.mono += TICK_MS;
            self.now.wall += TICK_MS;
            outputs.extend(self.give(Input::Ticked));
        }
        outputs
    }

    /// Lets time pass while the node is frozen.
    pub(crate) fn freeze(&mut self, ms: u64) {
        self.now.mono += ms;
        self.now.wall += ms;
    }

    pub(crate) fn resolve(&mut self, addresses: &[&str]) -> Vec<Output> {
        let addresses = addresses.iter().map(|address| (*address).to_owned()).collect();
        self.give(Input::Resolved { addresses });
        self.give(Input::Ticked)
    }

    /// A dial of that address made a link to the node of that name.
    pub(crate) fn dialled(&mut self, address: &str, link: u64, node: &str) -> Vec<Output> {
        let result = Ok(Linked { link: LinkId(link), node: hash(node) });
        self.give(Input::Dialled { address: address.to_owned(), result })
    }

    pub(crate) fn receive(&mut self, link: u64, bytes: &[u8]) -> Vec<Output> {
        self.give(Input::Received { link: LinkId(link), bytes: bytes.to_vec() })
    }

    /// A node of that name asks.
    pub(crate) fn ask(&mut self, from: &str, bytes: &[u8]) -> Vec<Output> {
        self.give(Input::Asked { question: 9, from: hash(from), bytes: bytes.to_vec() })
    }

    /// What this node would say as hello to a node at that address.
    pub(crate) fn hello(&mut self, address: &str, link: u64, node: &str) -> Vec<u8> {
        self.resolve(&[address]);
        asked(&self.dialled(address, link, node)).expect("a new link begins with hello")
    }

    /// Its next heartbeat.
    pub(crate) fn heartbeat(&mut self) -> Vec<u8> {
        let mut outputs = Vec::new();
        while heartbeats(&outputs).is_empty() {
            outputs = self.pass(TICK_MS);
        }
        heartbeats(&outputs).pop().expect("one")
    }

    pub(crate) fn join(&mut self, user: u8) -> Vec<Output> {
        let (connection, subscription) = (ConnectionId(u64::from(user)), SubscriptionId(1));
        let user = UserId([user; 32]);
        self.give(Input::Joined { connection, subscription, room: World::room(), user, tab: Tab::page() })
    }

    /// The users and tabs of the demo room, as its view shows them.
    pub(crate) fn users_and_tabs(&self) -> (u32, u32) {
        self.view.as_ref().map_or((0, 0), |view| (view.users, view.tabs))
    }

    /// When each fact was stamped, and when it ends.
    pub(crate) fn fact_times(&self) -> Vec<(u64, u64)> {
        self.node.fact_times()
    }

    pub(crate) fn rejected(&self) -> u64 {
        self.node.rejected()
    }

    pub(crate) fn counts_are_right(&self) -> bool {
        self.node.counts_are_right()
    }

    pub(crate) fn degraded(&self) -> Vec<String> {
        self.mesh.iter().flat_map(|mesh| mesh.degraded.iter().chain(&mesh.clock_fault)).cloned().collect()
    }
}

/// What is published, in order.
pub(crate) fn published(outputs: &[Output]) -> Vec<Vec<u8>> {
    let published = outputs.iter().filter_map(|output| match output {
        Output::Publish { bytes, .. } => Some(bytes.clone()),
        _ => None,
    });
    published.collect()
}

pub(crate) fn heartbeats(outputs: &[Output]) -> Vec<Vec<u8>> {
    published(outputs).into_iter().filter(|bytes| kind_name(bytes) == Some("Heartbeat")).collect()
}

pub(crate) fn asked(outputs: &[Output]) -> Option<Vec<u8>> {
    outputs.iter().find_map(|output| match output {
        Output::Ask { bytes, .. } => Some(bytes.clone()),
        _ => None,
    })
}

pub(crate) fn dials(outputs: &[Output]) -> Vec<String> {
    let dials = outputs.iter().filter_map(|output| match output {
        Output::Dial { address } => Some(address.clone()),
        _ => None,
    });
    dials.collect()
}

pub(crate) fn hung_up(outputs: &[Output]) -> Vec<u64> {
    let closed = outputs.iter().filter_map(|output| match output {
        Output::HangUp { link } => Some(link.0),
        _ => None,
    });
    closed.collect()
}
