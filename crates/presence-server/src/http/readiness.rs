//! Whether a proxy should send visitors to this node.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use presence_core::MeshView;
use tokio::sync::watch;

/// A node is ready after this time even if no peer answers, since a region that is cut off must go on.
const PEERS_WAITED_FOR: Duration = Duration::from_secs(3);

/// Follows a node from its start to its drain.
pub(crate) struct Readiness {
    started: Instant,
    meshed: bool,
    draining: watch::Sender<bool>,
    /// What is wrong with the disk, in a sentence.
    disk: Mutex<Option<String>>,
}

#[derive(serde::Serialize)]
pub(super) struct ReadinessReport {
    pub(super) ready: bool,
    degraded: Vec<String>,
}

impl Readiness {
    pub(crate) fn new(meshed: bool) -> Self {
        Self { started: Instant::now(), meshed, draining: watch::Sender::new(false), disk: Mutex::default() }
    }

    /// Sets what is wrong with the disk; `None`: nothing.
    pub(crate) fn set_disk(&self, fault: Option<String>) {
        *self.disk.lock() = fault;
    }

    pub(crate) fn drain(&self) {
        self.draining.send_replace(true);
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// True once the node drains.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Whether the node is ready, and what is wrong with it.
    pub(super) fn report(&self, mesh: &MeshView) -> ReadinessReport {
        let knows = !self.meshed || mesh.exchanged || self.started.elapsed() >= PEERS_WAITED_FOR;
        let ready = knows && !self.is_draining();
        let disk = self.disk.lock().clone();
        ReadinessReport { ready, degraded: mesh.degraded.iter().cloned().chain(disk).collect() }
    }
}

impl ReadinessReport {
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("a boolean and texts are always JSON")
    }
}
