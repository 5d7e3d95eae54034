//! Whether a proxy should send visitors to this node.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use presence_core::MeshView;
use tokio::sync::watch;

/// A node is ready after this time even if no peer answers, since a region that is cut off must go on.
const PEERS_WAITED_FOR: Duration = Duration::from_secs(3);

const LINKS_DISTURBED: &str = "Links to other nodes are disturbed. With the API key, this answer says which.";
const DISK_FAILS: &str = "Facts can't be written to disk now. With the API key, this answer says why.";
const PROXY_UNTRUSTED: &str = "An address at its limit of sockets sends X-Forwarded-For and is no trusted proxy";

/// Follows a node from its start to its drain.
pub(crate) struct Readiness {
    started: Instant,
    meshed: bool,
    draining: watch::Sender<bool>,
    /// What is wrong with the disk, in a sentence.
    disk: Mutex<Option<String>>,
    /// A proxy that sends visitors' addresses and is not trusted.
    untrusted_proxy: OnceLock<IpAddr>,
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
    pub(crate) fn new(meshed: bool) -> Self {
        Self {
            started: Instant::now(),
            meshed,
            draining: watch::Sender::new(false),
            disk: Mutex::default(),
            untrusted_proxy: OnceLock::new(),
        }
    }

    /// Sets what is wrong with the disk; `None`: nothing.
    pub(crate) fn set_disk(&self, fault: Option<String>) {
        *self.disk.lock() = fault;
    }

    /// An address at its limit of sockets sends addresses of visitors: most likely it is a proxy, and has to be trusted.
    pub(super) fn suspect_proxy(&self, address: IpAddr) {
        if self.untrusted_proxy.set(address).is_ok() {
            tracing::warn!(%address, "{PROXY_UNTRUSTED}: start the node with --trusted-proxy {address} if it is yours");
        }
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
    pub(super) fn report(&self, mesh: &MeshView, reader: ReportReader) -> ReadinessReport {
        let knows = !self.meshed || mesh.exchanged || self.started.elapsed() >= PEERS_WAITED_FOR;
        let ready = knows && !self.is_draining();
        let told = |detail: Option<String>, public: &'static str| match reader {
            ReportReader::Key => detail.map(Cow::Owned),
            ReportReader::Anybody => detail.map(|_| Cow::Borrowed(public)),
        };
        let links: Vec<Cow<'static, str>> = match reader {
            ReportReader::Key => mesh.degraded.iter().cloned().map(Cow::Owned).collect(),
            ReportReader::Anybody => {
                mesh.degraded.first().map(|_| Cow::Borrowed(LINKS_DISTURBED)).into_iter().collect()
            }
        };
        let proxy = self.untrusted_proxy.get().map(|address| format!("{PROXY_UNTRUSTED}: {address}."));
        let rest = [told(self.disk.lock().clone(), DISK_FAILS), told(proxy, PROXY_UNTRUSTED)];
        ReadinessReport { ready, degraded: links.into_iter().chain(rest.into_iter().flatten()).collect() }
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
    fn only_the_holder_of_the_key_is_told_names_and_paths() {
        let readiness = Readiness::new(true);
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
}
