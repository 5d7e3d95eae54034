//! Certificates of an operator's authority that are renewed while the node runs: new links use them, open links stay.

use std::sync::Arc;

use parking_lot::RwLock;
use presence_core::NodeHash;

use super::Authority;
use super::tls::{SharedTrust, Trust};
use crate::watched_files::WatchedFiles;

/// The certificates of the node of that name. Files are read again when they change, for as long as something uses them.
pub(crate) fn begin(authority: &Authority, name: &str, node: NodeHash) -> anyhow::Result<SharedTrust> {
    let Authority::Files { ca, certificate, key } = authority else {
        return Ok(Arc::new(RwLock::new(Trust::new(authority, name, node)?)));
    };
    let files = WatchedFiles::new("the certificates of the mesh", [ca.clone(), certificate.clone(), key.clone()]);
    let trust = Arc::new(RwLock::new(Trust::new(authority, name, node)?));
    let (weak, authority, name) = (Arc::downgrade(&trust), authority.clone(), name.to_owned());
    tokio::spawn(files.follow(move || {
        let trust = weak.upgrade()?;
        Some(Trust::new(&authority, &name, node).map(|renewed| *trust.write() = renewed))
    }));
    Ok(trust)
}
