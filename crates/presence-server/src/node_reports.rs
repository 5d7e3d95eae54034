//! What each node says of itself for `/status`: to all nodes, every few seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use presence_core::NodeName;
use serde::{Deserialize, Serialize};

use crate::lru::Lru;

/// Nodes whose reports are kept.
const NODES_MAX: usize = 256;
/// Regions in one report.
const REGIONS_MAX: usize = 64;
/// An older report says nothing of now.
const FRESH: Duration = Duration::from_secs(30);

/// What a node says of itself.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct NodeReport {
    pub(crate) node: String,
    pub(crate) region: String,
    pub(crate) version: String,
    pub(crate) ready: bool,
    /// Codes, as the metric `presence_degraded` has them.
    pub(crate) faults: Vec<String>,
    pub(crate) connections: usize,
    pub(crate) connections_max: usize,
    /// Inputs that wait for the driver.
    pub(crate) queued: usize,
    /// Each other region, as this node hears it.
    pub(crate) regions: Vec<HeardRegion>,
}

/// A region as another one hears it: the worst of its nodes, but for the round trip, which is the shortest.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct HeardRegion {
    pub(crate) region: String,
    /// Whether it is live.
    pub(crate) heard: bool,
    pub(crate) round_trip_ms: Option<u32>,
    /// Changes that are missing.
    pub(crate) behind: u64,
    /// Whether it counts the reporting node's visitors.
    pub(crate) counts_us: bool,
}

/// The newest report of each node.
pub(crate) struct NodeReports(Mutex<Lru<String, (Arc<NodeReport>, Instant)>>);

impl Default for NodeReports {
    fn default() -> Self {
        Self(Mutex::new(Lru::new(NODES_MAX)))
    }
}

impl NodeReport {
    /// What other nodes are told.
    pub(crate) fn body(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are always JSON")
    }
}

impl NodeReports {
    /// Takes what a node says of itself. What this version can't read is left out.
    pub(crate) fn take(&self, node: &NodeName, body: &[u8]) {
        let Ok(mut report) = serde_json::from_slice::<NodeReport>(body) else { return };
        report.regions.truncate(REGIONS_MAX);
        // A node speaks for itself only, whatever name is in its report.
        report.node = node.to_string();
        self.0.lock().insert(node.to_string(), (Arc::new(report), Instant::now()));
    }

    /// The report of a node; `None` if there is none of the last half minute.
    pub(crate) fn of(&self, node: &str) -> Option<Arc<NodeReport>> {
        let reports = self.0.lock();
        let (report, at) = reports.peek(&node.to_owned())?;
        (at.elapsed() < FRESH).then(|| Arc::clone(report))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_arrives_as_it_was_sent_and_is_of_its_sender() {
        let report = NodeReport {
            node: "ams-1".to_owned(),
            region: "ams".to_owned(),
            version: "0.1.0".to_owned(),
            ready: true,
            faults: vec!["disk".to_owned()],
            connections: 7,
            connections_max: 100,
            queued: 0,
            regions: Vec::new(),
        };
        let reports = NodeReports::default();
        let name = |name| NodeName::new(name).unwrap();
        reports.take(&name("ams-1"), &report.body());
        assert_eq!(reports.of("ams-1").as_deref(), Some(&report));
        reports.take(&name("ams-1"), b"{}");
        assert!(reports.of("ams-1").is_some(), "what a later version says is left out");
        reports.take(&name("iad-1"), &report.body());
        assert_eq!(reports.of("iad-1").map(|report| report.node.clone()).as_deref(), Some("iad-1"));
        assert_eq!(reports.of("yyz-1"), None);
    }
}
