//! What a node is told once, at its start.

use crate::app::region::Place;
use crate::id::{Digest, NodeName, Region};
use crate::io::node_key::NodeKey;

/// A region of other nodes that was known when this node last ran.
#[derive(Clone, PartialEq, Debug)]
pub struct KnownRegion {
    /// Its code.
    pub region: Region,
    /// Its name and location, as its nodes announced them.
    pub place: Place,
}

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
    /// Signs what others relay for this node. Without one a node that is heard only through another is not believed.
    pub key: Option<NodeKey>,
    /// What apps may write, and where it is kept.
    pub facts: FactSettings,
}

/// How many facts the apps of this node may write, and where they are kept. Facts of other nodes are taken also where these
/// allow more.
///
/// ```
/// let settings = presence_core::FactSettings { keys_per_room: 64, ..Default::default() };
/// assert_eq!(settings.users_per_set, 10_000);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FactSettings {
    /// Whether what this node orders to be kept goes to a disk.
    pub has_disk: bool,
    /// Registers, logs, counters, sets and entries of maps in one room, together.
    pub keys_per_room: usize,
    /// Users in one set.
    pub users_per_set: usize,
}

impl Default for FactSettings {
    fn default() -> Self {
        Self { has_disk: true, keys_per_room: 1_024, users_per_set: 10_000 }
    }
}
