//! What a node is told once, at its start.

use crate::app::view::Place;
use crate::id::{Digest, NodeName, Region};
use crate::io::node_key::NodeKey;

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
}
