//! What the pages of each site use, counted since the start of the node.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::error::RoomRefusal;
use super::{EmbedSite, RoomError, Sites};

/// Sites that are counted one by one. What further ones use is added up under one name.
const SITES_MAX: usize = 1_000;
/// The name of the further ones. A site is an origin or `*`.
const OTHERS: &str = "others";

/// The counters of all sites.
#[derive(Debug, Default)]
pub(super) struct SiteStats(Mutex<HashMap<Arc<str>, Arc<SiteCounters>>>);

/// What the pages of one site have used of this node since its start.
#[derive(Debug, Default)]
pub(crate) struct SiteCounters {
    joins: AtomicU64,
    messages: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    refusals: [AtomicU64; RoomRefusal::ALL.len()],
    connections: Mutex<ConnectionTimes>,
}

/// How long connections are open, in sums: there may be very many of them.
#[derive(Debug)]
struct ConnectionTimes {
    /// Times are counted from here.
    origin: Instant,
    open: u32,
    /// When the open ones began, added up.
    began: Duration,
    /// How long those took that have ended.
    ended: Duration,
}

/// A socket or stream of a site's page; dropped when it ends.
#[derive(Debug)]
pub(crate) struct SiteConnection {
    counters: Arc<SiteCounters>,
    began: Instant,
}

impl SiteStats {
    fn of(&self, site: &Arc<str>) -> Arc<SiteCounters> {
        let mut all = self.0.lock();
        if let Some(known) = all.get(site) {
            return Arc::clone(known);
        }
        let name = if all.len() < SITES_MAX { Arc::clone(site) } else { OTHERS.into() };
        Arc::clone(all.entry(name).or_default())
    }

    pub(super) fn joined(&self, site: &EmbedSite) {
        self.of(&site.quota).joins.fetch_add(1, Relaxed);
    }

    pub(super) fn refused(&self, quota: &Arc<str>, error: &RoomError) {
        self.of(quota).refusals[error.refusal() as usize].fetch_add(1, Relaxed);
    }
}

impl Sites {
    /// Counts a socket or stream of a site's page until it is dropped.
    pub(crate) fn connected(&self, site: &EmbedSite) -> SiteConnection {
        let counters = self.stats.of(&site.quota);
        let began = Instant::now();
        counters.connections.lock().begin(began);
        SiteConnection { counters, began }
    }

    /// Each site with what it has used, in the order of their names.
    pub(crate) fn stats(&self) -> Vec<(Arc<str>, Arc<SiteCounters>)> {
        let mut all: Vec<_> =
            self.stats.0.lock().iter().map(|(site, used)| (Arc::clone(site), Arc::clone(used))).collect();
        all.sort_by(|one, other| one.0.cmp(&other.0));
        all
    }
}

impl SiteCounters {
    pub(crate) fn joins(&self) -> u64 {
        self.joins.load(Relaxed)
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Relaxed)
    }

    /// Bytes of messages from pages, and to those whose sockets have ended.
    pub(crate) fn bytes(&self) -> [(&'static str, u64); 2] {
        [("received", self.received_bytes.load(Relaxed)), ("sent", self.sent_bytes.load(Relaxed))]
    }

    /// How often a page may not be in a room, or was not counted there, by reason.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (&'static str, u64)> {
        RoomRefusal::ALL.iter().map(|reason| (reason.as_str(), self.refusals[*reason as usize].load(Relaxed)))
    }

    /// Sockets and streams that are open.
    pub(crate) fn open(&self) -> u32 {
        self.connections.lock().open
    }

    /// How long all sockets and streams have been open, added up.
    pub(crate) fn connection_time(&self) -> Duration {
        self.connections.lock().sum(Instant::now())
    }
}

impl Default for ConnectionTimes {
    fn default() -> Self {
        Self { origin: Instant::now(), open: 0, began: Duration::ZERO, ended: Duration::ZERO }
    }
}

impl ConnectionTimes {
    fn begin(&mut self, now: Instant) {
        self.open += 1;
        self.began += now.saturating_duration_since(self.origin);
    }

    fn end(&mut self, began: Instant, now: Instant) {
        self.open -= 1;
        self.began -= began.saturating_duration_since(self.origin);
        self.ended += now.saturating_duration_since(began);
    }

    fn sum(&self, now: Instant) -> Duration {
        let all = now.saturating_duration_since(self.origin).saturating_mul(self.open);
        self.ended.saturating_add(all.saturating_sub(self.began))
    }
}

impl SiteConnection {
    /// Counts a message from the page.
    pub(crate) fn received(&self, bytes: usize) {
        self.counters.messages.fetch_add(1, Relaxed);
        self.counters.received_bytes.fetch_add(bytes as u64, Relaxed);
    }

    /// Counts what was sent to the page.
    pub(crate) fn sent(&self, bytes: u64) {
        self.counters.sent_bytes.fetch_add(bytes, Relaxed);
    }
}

impl Drop for SiteConnection {
    fn drop(&mut self) {
        self.counters.connections.lock().end(self.began, Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_and_ended_connections_are_both_in_the_sum() {
        let mut times = ConnectionTimes::default();
        let origin = times.origin;
        let at = |seconds| origin + Duration::from_secs(seconds);
        times.begin(at(1));
        times.begin(at(5));
        assert_eq!(times.sum(at(11)), Duration::from_secs(16));
        times.end(at(1), at(11));
        assert_eq!((times.sum(at(12)), times.open), (Duration::from_secs(17), 1));
    }

    #[test]
    fn sites_beyond_the_limit_are_counted_together() {
        let stats = SiteStats::default();
        for number in 0..SITES_MAX + 50 {
            stats.refused(&format!("https://{number}.example").into(), &RoomError::TokenMissing);
        }
        let all = stats.0.lock();
        assert_eq!(all.len(), SITES_MAX + 1);
        let tokens = |site: &str| all[site].refusals().find(|(reason, _)| *reason == "token").map(|(_, count)| count);
        assert_eq!((tokens(OTHERS), tokens("https://0.example")), (Some(50), Some(1)));
    }
}
