//! The end of all sockets of a node that stops.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use super::Hub;
use crate::close_reason::CloseReason;

impl Hub {
    /// Closes all sockets over this time, in random order, so that their clients don't come back all at once. Clicks on
    /// those that are still open are handled. Returns when all are gone, or 2 s after the last was closed.
    pub(crate) async fn close_all(&self, over: Duration) {
        let begun = Instant::now();
        let mut open = self.all();
        // The hasher's key is random, so this order is, too.
        let hasher = RandomState::new();
        open.sort_by_cached_key(|connection| hasher.hash_one(connection.id));
        let each = over / u32::try_from(open.len().max(1)).unwrap_or(u32::MAX);
        for (index, connection) in (1_u32..).zip(open) {
            tokio::time::sleep_until(begun + each * index).await;
            connection.close(CloseReason::Drained, self.now_ms());
        }
        // Those that connected meanwhile.
        self.all().iter().for_each(|connection| connection.close(CloseReason::Drained, self.now_ms()));
        let gone = async {
            loop {
                let empty = self.empty.notified();
                if self.sockets() == 0 {
                    return;
                }
                empty.await;
            }
        };
        // Those that have not gone by then never will.
        drop(tokio::time::timeout(Duration::from_secs(2), gone).await);
    }
}
