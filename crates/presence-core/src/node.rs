//! Input in, outputs out: where presence, facts, peers and the app meet.

use std::sync::Arc;

use crate::app::App;
use crate::id::{Digest, NodeName, Region};
use crate::input::{Input, Now, Output};
use crate::room::Place;

/// What a node is told once, at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its region.
    pub region: Region,
    /// The region's name and place, announced to the others.
    pub place: Place,
    /// Its name, unique in the mesh.
    pub name: NodeName,
    /// Greater than at any start before.
    pub incarnation: u64,
    /// A random number drawn at this start: two nodes with one name differ in it.
    pub birth: u64,
    /// Its addresses as others reach them.
    pub advertised: Vec<String>,
    /// Whether there is a mesh at all; a node alone publishes nothing.
    pub meshed: bool,
    /// SHA-256.
    pub digest: Digest,
}

/// One running node. The driver owns it, alone.
pub struct Node {
    settings: Settings,
    app: Arc<dyn App>,
}

impl Node {
    /// A node at its start, with what it kept on disk: the records of [`Output::Keep`]. A record that can't be read is
    /// skipped. Outputs of the start (views, first dials) come with the first [`Input::Ticked`].
    pub fn new(settings: Settings, app: Arc<dyn App>, records: Vec<Vec<u8>>, now: Now) -> Self {
        let _ = (records, now);
        Self { settings, app }
    }

    /// Takes one input and says what is to be done.
    pub fn handle(&mut self, input: Input, now: Now) -> Vec<Output> {
        let _ = (input, now, &self.settings, &self.app);
        Vec::new()
    }

    /// The `mono_ms` at which [`Input::Ticked`] is due next, at the latest 200 ms after the last one.
    pub fn wake_at_ms(&self) -> u64 {
        0
    }
}
