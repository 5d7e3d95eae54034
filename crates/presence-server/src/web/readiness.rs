//! Whether visitors should be sent here; without it a proxy would send them to a node that knows nothing yet, or is going.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use presence_core::MeshView;
use tokio::sync::watch;

/// After this long a node serves, whatever its peers do: a region that is cut off must go on.
const PEERS_WAITED_FOR: Duration = Duration::from_secs(3);

/// Follows a node from its start to its drain.
pub(crate) struct Readiness {
    started: Instant,
    meshed: bool,
    draining: watch::Sender<bool>,
    /// What is wrong with the disk, a sentence.
    disk: Mutex<Option<String>>,
}

#[derive(serde::Serialize)]
struct Report<'a> {
    ready: bool,
    degraded: Vec<&'a str>,
}

impl Readiness {
    pub(crate) fn new(meshed: bool) -> Self {
        Self { started: Instant::now(), meshed, draining: watch::Sender::new(false), disk: Mutex::default() }
    }

    /// What is wrong with the disk from now on; `None`: nothing.
    pub(crate) fn set_disk(&self, words: Option<String>) {
        *self.disk.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    pub(crate) fn drain(&self) {
        self.draining.send_replace(true);
    }

    pub(crate) fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// True once the node drains, for whoever must end then.
    pub(crate) fn draining(&self) -> watch::Receiver<bool> {
        self.draining.subscribe()
    }

    /// Whether the node is ready, and the body that says so and what is wrong all the same.
    pub(crate) fn report(&self, mesh: &MeshView) -> (bool, String) {
        let knows = !self.meshed || mesh.exchanged || self.started.elapsed() >= PEERS_WAITED_FOR;
        let ready = knows && !self.is_draining();
        let disk = self.disk.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let degraded = mesh.degraded.iter().chain(&disk).map(String::as_str).collect();
        let report = Report { ready, degraded };
        (ready, serde_json::to_string(&report).expect("a truth value and texts are always JSON"))
    }
}
