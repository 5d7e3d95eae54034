//! What is wrong between this node and NATS, for the log and for `/readyz`.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// How long something that was noticed is told.
const TOLD_FOR: Duration = Duration::from_secs(600);
/// How often a log line of one kind is written at most.
const LOGGED_EVERY: Duration = Duration::from_secs(60);
/// The longest text of a server's error that is told.
const ERROR_CHARS_MAX: usize = 200;
/// What servers have to be set to, so that they drop what they can't deliver now.
const SETTINGS: &str =
    "set ping_interval: \"1s\", ping_max: 2 and write_deadline: \"2s\" on every NATS server (docs/operating/nats.md)";

/// What is wrong. Shared by the carrier, which notices it, and by what tells operators.
#[derive(Debug, Default)]
pub(crate) struct NatsHealth(Mutex<Noticed>);

#[derive(Debug, Default)]
struct Noticed {
    /// The connections that are missing, in words.
    missing: Option<&'static str>,
    /// Why there is no connection.
    unconnected: Option<String>,
    /// What the server refused.
    refused: Option<(Instant, String)>,
    payload: Option<String>,
    late: Option<(Instant, String)>,
    slow_at: Option<Instant>,
    strangers: LogLimit,
    lates: LogLimit,
    slows: LogLimit,
    unconnecteds: LogLimit,
    refusals: LogLimit,
}

/// At most one line in a while, with the number of those that it stands for.
#[derive(Debug, Default)]
struct LogLimit {
    logged_at: Option<Instant>,
    count: u64,
}

impl LogLimit {
    fn count(&mut self) -> Option<u64> {
        self.count += 1;
        let due = self.logged_at.is_none_or(|at| at.elapsed() >= LOGGED_EVERY);
        due.then(|| {
            self.logged_at = Some(Instant::now());
            std::mem::take(&mut self.count)
        })
    }
}

impl NatsHealth {
    /// Which connections are missing now; `None`: none.
    pub(super) fn set_missing(&self, missing: Option<&'static str>) {
        let mut noticed = self.0.lock();
        if missing.is_none() {
            noticed.unconnected = None;
        }
        noticed.missing = missing;
    }

    /// What is wrong with the size of messages that the server takes.
    pub(super) fn set_payload(&self, fault: Option<String>) {
        let mut noticed = self.0.lock();
        if let Some(fault) = fault.as_ref().filter(|fault| noticed.payload.as_ref() != Some(fault)) {
            tracing::warn!("{fault}");
        }
        noticed.payload = fault;
    }

    /// A server can't be connected to.
    pub(super) fn unconnected(&self, error: &str) {
        let mut noticed = self.0.lock();
        let error = shown(error);
        if let Some(count) = noticed.unconnecteds.count() {
            tracing::warn!(count, "could not connect to a NATS server: {error}");
        }
        noticed.unconnected = Some(error);
    }

    /// The server refuses something.
    pub(super) fn refused(&self, error: &str) {
        let mut noticed = self.0.lock();
        let error = shown(error);
        if let Some(count) = noticed.refusals.count() {
            tracing::warn!(count, "the NATS server reports an error: {error}");
        }
        noticed.refused = Some((Instant::now(), error));
    }

    /// A message was so late that it was dropped.
    pub(super) fn late(&self, from: &str, late_ms: u64) {
        let mut noticed = self.0.lock();
        let seconds = late_ms / 1_000;
        if let Some(count) = noticed.lates.count() {
            tracing::warn!(
                peer.name = from,
                count,
                "NATS delivered messages {seconds} s late; they were dropped: {SETTINGS}"
            );
        }
        let said = format!("NATS delivered messages of node {from} {seconds} s late; they were dropped: {SETTINGS}.");
        noticed.late = Some((Instant::now(), said));
    }

    /// This node reads more slowly than NATS delivers; what it has no room for is lost.
    pub(super) fn slow(&self) {
        let mut noticed = self.0.lock();
        noticed.slow_at = Some(Instant::now());
        if let Some(count) = noticed.slows.count() {
            tracing::warn!(count, "this node reads more slowly than NATS delivers, and messages were lost");
        }
    }

    /// Something on the mesh's subjects is not sealed with the mesh's secret.
    pub(super) fn stranger(&self) {
        if let Some(count) = self.0.lock().strangers.count() {
            tracing::warn!(
                count,
                "refused a message on this mesh's subjects that is not sealed with our GP_SECRET, which must be the same on every node"
            );
        }
    }

    /// What is wrong now, a sentence each.
    pub(crate) fn faults(&self) -> Vec<String> {
        let noticed = self.0.lock();
        let recent = |at: Instant| at.elapsed() < TOLD_FOR;
        let connection = noticed.missing.map(|missing| match &noticed.unconnected {
            Some(error) => format!("{missing}: {error}."),
            None => format!("{missing}."),
        });
        let refused = noticed.refused.as_ref().filter(|(at, _)| recent(*at));
        let refused = refused.map(|(_, error)| format!("The NATS server reports an error: {error}."));
        let late = noticed.late.as_ref().filter(|(at, _)| recent(*at)).map(|(_, said)| said.clone());
        let slow = noticed.slow_at.filter(|at| recent(*at)).map(|_| {
            "This node reads more slowly than NATS delivers, and messages were lost: it has too little CPU.".to_owned()
        });
        [connection, refused, noticed.payload.clone(), late, slow].into_iter().flatten().collect()
    }
}

/// Part of a text that a server may have written.
fn shown(error: &str) -> String {
    error.chars().filter(|c| !c.is_control()).take(ERROR_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_says_what_to_set() {
        let health = NatsHealth::default();
        assert!(health.faults().is_empty());
        health.late("ams-1", 12_345);
        health.slow();
        health.set_missing(Some("No connection to NATS"));
        health.unconnected("authorization\nviolation");
        let faults = health.faults();
        assert_eq!(faults[0], "No connection to NATS: authorizationviolation.");
        for words in ["ams-1 12 s late", "ping_interval", "ping_max", "write_deadline"] {
            assert!(faults[1].contains(words), "{faults:?}");
        }
        assert!(faults[2].contains("slowly"));
        health.set_missing(None);
        assert_eq!(health.faults().len(), 2, "an error is over with the connection that it prevented");
    }
}
