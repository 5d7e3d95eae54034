//! Whether a proxy should send visitors to this node.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use presence_core::MeshView;
use tokio::sync::watch;

use crate::memory::MemoryUse;
use crate::store::StoreWatch;
use crate::supervision::LastTurn;

/// A node is ready after this time even if no peer answers, since a region that is cut off must go on.
const PEERS_WAITED_FOR: Duration = Duration::from_secs(3);

/// The driver turns five times a second at least. One that has not for this long hangs.
const STALLED_AFTER: Duration = Duration::from_secs(5);
/// How long a driver may take for its first turn after the process was suspended.
const WOKEN_WITHIN: Duration = Duration::from_secs(1);

/// Follows a node from its start to its drain.
pub(crate) struct Readiness {
    started: Instant,
    meshed: bool,
    draining: watch::Sender<bool>,
    /// What is wrong with the disk, in a sentence.
    disk: Mutex<Option<String>>,
    /// Whether the disk answers at all.
    store: OnceLock<StoreWatch>,
    memory: MemoryUse,
    last_turn: LastTurn,
    /// The part of the node that has ended.
    failed: Mutex<Option<String>>,
}

#[derive(serde::Serialize)]
pub(super) struct ReadinessReport {
    pub(super) ready: bool,
    degraded: Vec<String>,
}

impl Readiness {
    pub(crate) fn new(meshed: bool, memory: MemoryUse) -> Self {
        let started = Instant::now();
        Self {
            started,
            meshed,
            draining: watch::Sender::new(false),
            disk: Mutex::default(),
            store: OnceLock::new(),
            memory,
            last_turn: LastTurn::since(started),
            failed: Mutex::default(),
        }
    }

    /// Sets what is wrong with the disk; `None`: nothing.
    pub(crate) fn set_disk(&self, fault: Option<String>) {
        *self.disk.lock() = fault;
    }

    /// Begins to watch whether the disk answers.
    pub(crate) fn watch_store(&self, store: StoreWatch) {
        drop(self.store.set(store));
    }

    /// That the disk does not answer, in a sentence.
    pub(crate) fn disk_hangs(&self) -> Option<String> {
        self.store.get().and_then(StoreWatch::fault)
    }

    /// What is wrong with the disk.
    fn disk_fault(&self) -> Option<String> {
        self.disk_hangs().or_else(|| self.disk.lock().clone())
    }

    /// For the driver, which notes each of its turns.
    pub(crate) fn last_turn(&self) -> LastTurn {
        self.last_turn.clone()
    }

    pub(crate) fn memory(&self) -> &MemoryUse {
        &self.memory
    }

    /// A part of the node has ended: health checks fail from now on.
    pub(crate) fn fail(&self, end: String) {
        *self.failed.lock() = Some(end);
    }

    /// Why the process does not work, in a sentence. A driver that has just been woken gets a second to take a turn.
    pub(super) async fn failure(&self) -> Option<String> {
        let deadline = Instant::now() + WOKEN_WITHIN;
        while self.failed.lock().is_none() && self.is_stalled() && Instant::now() < deadline {
            tokio::time::sleep(WOKEN_WITHIN / 20).await;
        }
        let stalled =
            || self.is_stalled().then(|| format!("the driver has not turned for {} s", STALLED_AFTER.as_secs()));
        self.failed.lock().clone().or_else(stalled)
    }

    fn is_stalled(&self) -> bool {
        self.last_turn.age() >= STALLED_AFTER
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
        let failed = self.failed.lock().clone();
        let ready = knows && !self.is_draining() && !self.is_stalled() && failed.is_none();
        let disk = self.disk_fault();
        ReadinessReport {
            ready,
            degraded: mesh.degraded.iter().cloned().chain(disk).chain(self.memory.fault()).chain(failed).collect(),
        }
    }
}

impl ReadinessReport {
    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).expect("a boolean and texts are always JSON")
    }
}

#[cfg(test)]
mod tests {
    use presence_core::{Place, Region};

    use super::*;
    use crate::views::Views;

    #[test]
    fn a_full_disk_is_reported_without_changing_the_status() {
        let views = Views::new(Region::new("ams").unwrap(), Place::default(), 0);
        let readiness = Readiness::new(false, MemoryUse::new(Some(1 << 40)));
        readiness.set_disk(Some("the disk is full".to_owned()));
        let report = readiness.report(&views.mesh());
        assert!(report.ready);
        assert_eq!(report.degraded, ["the disk is full"]);
    }

    #[tokio::test]
    async fn health_fails_while_the_driver_hangs_and_after_a_part_has_ended() {
        let mut readiness = Readiness::new(false, MemoryUse::new(Some(1 << 40)));
        readiness.last_turn = LastTurn::since(Instant::now() - STALLED_AFTER);
        let failure = readiness.failure().await;
        assert!(failure.is_some_and(|failure| failure.contains("driver")));
        let driver = readiness.last_turn();
        let (failure, ()) = tokio::join!(readiness.failure(), async { driver.turned() });
        assert_eq!(failure, None, "it was only woken late");
        readiness.fail("a part has ended".to_owned());
        assert_eq!(readiness.failure().await.as_deref(), Some("a part has ended"));
    }
}
