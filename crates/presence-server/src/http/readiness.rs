//! Whether a proxy should send visitors to this node.

mod untrusted_proxy;

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use presence_core::MeshView;
use tokio::sync::watch;

use self::untrusted_proxy::UntrustedProxy;
use crate::memory::MemoryUse;
use crate::nats::NatsHealth;
use crate::store::StoreWatch;
use crate::supervision::DriverTurns;

/// A node is ready after this time even if no peer answers, since a region that is cut off must go on.
const PEERS_WAITED_FOR: Duration = Duration::from_secs(3);

const LINKS_DISTURBED: &str = "Links to other nodes are disturbed. With the API key, this answer says which.";
const DISK_FAILS: &str = "Facts can't be written to disk now. With the API key, this answer says why.";
const PROXY_UNTRUSTED: &str =
    "An address that has at least half of the sockets allowed for one sends X-Forwarded-For and is not a trusted proxy";

/// The driver takes at least five turns a second. After this long without one it hangs.
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
    untrusted_proxy: UntrustedProxy,
    /// Whether the disk answers at all.
    store: OnceLock<StoreWatch>,
    /// What is wrong between this node and NATS.
    nats: OnceLock<Arc<NatsHealth>>,
    memory: MemoryUse,
    driver_turns: DriverTurns,
    /// The part of the node that has ended.
    failed: Mutex<Option<String>>,
}

/// Who reads a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ReportReader {
    /// The holder of the API key, who is told all.
    Key,
    /// Anybody, who is told what is wrong but no path, address or name.
    Anybody,
}

#[derive(serde::Serialize)]
pub(super) struct ReadinessReport {
    pub(super) ready: bool,
    degraded: Vec<Cow<'static, str>>,
}

impl Readiness {
    pub(crate) fn new(meshed: bool, memory: MemoryUse) -> Self {
        let started = Instant::now();
        Self {
            started,
            meshed,
            draining: watch::Sender::new(false),
            disk: Mutex::default(),
            untrusted_proxy: UntrustedProxy::default(),
            store: OnceLock::new(),
            nats: OnceLock::new(),
            memory,
            driver_turns: DriverTurns::since(started),
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

    /// Begins to watch the connections to NATS.
    pub(crate) fn watch_nats(&self, nats: Arc<NatsHealth>) {
        drop(self.nats.set(nats));
    }

    fn nats_faults(&self) -> Vec<String> {
        self.nats.get().map(|nats| nats.faults()).unwrap_or_default()
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
    pub(crate) fn driver_turns(&self) -> DriverTurns {
        self.driver_turns.clone()
    }

    pub(crate) fn memory(&self) -> &MemoryUse {
        &self.memory
    }

    /// A part of the node has ended: health checks fail from now on.
    pub(crate) fn fail(&self, end: String) {
        *self.failed.lock() = Some(end);
    }

    /// Why the process does not work, in a sentence. A driver that has just been woken gets a second to take a turn.
    pub(crate) async fn failure(&self) -> Option<String> {
        let next_turn = self.driver_turns.next();
        if self.failed.lock().is_none() && self.is_stalled() {
            // Whether it came is seen from its age.
            drop(tokio::time::timeout(WOKEN_WITHIN, next_turn).await);
        }
        let stalled =
            || self.is_stalled().then(|| format!("the driver has not taken a turn for {} s", STALLED_AFTER.as_secs()));
        self.failed.lock().clone().or_else(stalled)
    }

    fn is_stalled(&self) -> bool {
        self.driver_turns.age() >= STALLED_AFTER
    }

    /// An address with many sockets sends addresses of visitors: most likely it is a proxy, and has to be trusted before it
    /// is at its limit.
    pub(super) fn suspect_proxy(&self, address: IpAddr) {
        if self.untrusted_proxy.suspect(address, Instant::now()) {
            tracing::warn!(%address, "{PROXY_UNTRUSTED}: start the node with --trusted-proxy {address} if it is yours");
        }
    }

    /// A visitor came from this address, which sends addresses of visitors: if it is suspected, that lasts.
    pub(super) fn proxy_used(&self, address: IpAddr) {
        self.untrusted_proxy.used(address, Instant::now());
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

    /// What can be wrong with the node, a code each, and whether it is.
    pub(super) fn faults(&self, mesh: &MeshView) -> [(&'static str, bool); 8] {
        [
            ("links", !mesh.degraded.is_empty()),
            ("clock", mesh.clock_fault.is_some()),
            ("nats", !self.nats_faults().is_empty()),
            ("disk", self.disk_fault().is_some()),
            ("memory", self.memory.is_full()),
            ("proxy_untrusted", self.untrusted_proxy.address(Instant::now()).is_some()),
            ("driver_stalled", self.is_stalled()),
            ("part_ended", self.failed.lock().is_some()),
        ]
    }

    /// Whether the node is ready, and what is wrong with it.
    pub(super) fn report(&self, mesh: &MeshView, reader: ReportReader) -> ReadinessReport {
        let knows = !self.meshed || mesh.exchanged || self.started.elapsed() >= PEERS_WAITED_FOR;
        let failed = self.failed.lock().clone();
        let ready = knows && !self.is_draining() && !self.is_stalled() && failed.is_none();
        let told = |detail: Option<String>, public: &'static str| match reader {
            ReportReader::Key => detail.map(Cow::Owned),
            ReportReader::Anybody => detail.map(|_| Cow::Borrowed(public)),
        };
        let links: Vec<String> = self.nats_faults().into_iter().chain(mesh.degraded.iter().cloned()).collect();
        let links: Vec<Cow<'static, str>> = match reader {
            ReportReader::Key => links.into_iter().map(Cow::Owned).collect(),
            ReportReader::Anybody => links.first().map(|_| Cow::Borrowed(LINKS_DISTURBED)).into_iter().collect(),
        };
        let proxy =
            self.untrusted_proxy.address(Instant::now()).map(|address| format!("{PROXY_UNTRUSTED}: {address}."));
        let rest = [
            mesh.clock_fault.clone().map(Cow::Owned),
            told(self.disk_fault(), DISK_FAILS),
            told(proxy, PROXY_UNTRUSTED),
            self.memory.fault().map(Cow::Owned),
            failed.map(Cow::Owned),
        ];
        ReadinessReport { ready, degraded: links.into_iter().chain(rest.into_iter().flatten()).collect() }
    }
}

impl ReadinessReport {
    /// What is wrong, in sentences.
    pub(super) fn degraded(&self) -> impl Iterator<Item = &str> {
        self.degraded.iter().map(|fault| &**fault)
    }

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
    fn only_the_holder_of_the_key_is_told_names_and_paths() {
        let readiness = Readiness::new(true, MemoryUse::new(Some(1 << 40)));
        let mesh = (*Views::new(Region::new("ams").unwrap(), Place::default(), 7).mesh()).clone();
        let quiet = readiness.report(&mesh, ReportReader::Anybody);
        assert!(quiet.degraded.is_empty());
        readiness.set_disk(Some("/var/lib/presence/facts.redb can't be written: no space.".to_owned()));
        readiness.suspect_proxy([192, 0, 2, 1].into());
        readiness.suspect_proxy([192, 0, 2, 2].into());
        let mesh = MeshView { degraded: vec!["Node ams-1 in ams is silent.".to_owned(); 2], ..mesh };
        let public = readiness.report(&mesh, ReportReader::Anybody).json();
        let keyed = readiness.report(&mesh, ReportReader::Key).json();
        for secret in ["/var/lib", "ams-1", "192.0.2.1"] {
            assert!(!public.contains(secret) && keyed.contains(secret), "{secret}: {public} {keyed}");
        }
        for word in ["written", "Links", "X-Forwarded-For"] {
            assert!(public.contains(word), "{word}: {public}");
        }
        assert!(!keyed.contains("192.0.2.2"), "the first one is told");
    }

    #[test]
    fn a_full_disk_is_reported_without_changing_the_status() {
        let views = Views::new(Region::new("ams").unwrap(), Place::default(), 0);
        let readiness = Readiness::new(false, MemoryUse::new(Some(1 << 40)));
        readiness.set_disk(Some("the disk is full".to_owned()));
        let report = readiness.report(&views.mesh(), ReportReader::Key);
        assert!(report.ready);
        assert_eq!(report.degraded, ["the disk is full"]);
    }

    #[tokio::test]
    async fn health_fails_while_the_driver_hangs_and_after_a_part_has_ended() {
        let mut readiness = Readiness::new(false, MemoryUse::new(Some(1 << 40)));
        readiness.driver_turns = DriverTurns::since(Instant::now() - STALLED_AFTER);
        let failure = readiness.failure().await;
        assert!(failure.is_some_and(|failure| failure.contains("driver")));
        let driver = readiness.driver_turns();
        let (failure, ()) = tokio::join!(readiness.failure(), async { driver.turned() });
        assert_eq!(failure, None, "it was only woken late");
        readiness.fail("a part has ended".to_owned());
        assert_eq!(readiness.failure().await.as_deref(), Some("a part has ended"));
    }
}
