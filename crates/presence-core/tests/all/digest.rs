//! What the nodes of tests are told at their start, and its digest.

use presence_core::{FactSettings, NodeName, Place, Region, Settings};
use sha2::{Digest as _, Sha256};

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// The settings of a node without a mesh; a test with one writes the other fields.
pub(crate) fn settings(region: &str, name: &str, incarnation: u64) -> Settings {
    Settings {
        region: Region::new(region).expect("a code"),
        place: Place::default(),
        name: NodeName::new(name).expect("a name"),
        incarnation,
        birth: incarnation,
        advertised: Vec::new(),
        meshed: false,
        digest: sha256,
        key: None,
        facts: FactSettings::default(),
    }
}
