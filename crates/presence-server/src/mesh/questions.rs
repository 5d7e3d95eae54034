//! Questions from other nodes that wait for core's answer: without a bound, a node that only asks would fill our memory.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use zenoh::query::Query;

/// Who asked has given up by then.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// 256 nodes with four pages each in flight; what comes on top goes unanswered.
const OPEN_MAX: usize = 1_024;

/// Open questions by number, the oldest first.
#[derive(Default)]
pub(super) struct Questions {
    next: AtomicU64,
    // A std lock: held for a look-up, in callbacks of the engine, which are no tasks.
    open: Mutex<BTreeMap<u64, (Instant, Query)>>,
}

impl Questions {
    /// Keeps it; `None` where too many are open.
    pub(super) fn keep(&self, query: Query) -> Option<u64> {
        let now = Instant::now();
        let mut open = self.open.lock().expect("nothing panics under this lock");
        while open.first_key_value().is_some_and(|(_, (at, _))| now - *at > ANSWER_WITHIN) {
            open.pop_first();
        }
        if open.len() >= OPEN_MAX {
            return None;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        open.insert(number, (now, query));
        Some(number)
    }

    /// Takes it for its answer, where it is still open.
    pub(super) fn take(&self, number: u64) -> Option<Query> {
        self.open.lock().expect("nothing panics under this lock").remove(&number).map(|(_, query)| query)
    }
}
