//! Questions from other nodes that wait for core's answer: without a bound, a node that only asks would fill our memory.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::ANSWER_WITHIN;
use super::connection::Answer;

/// 256 nodes with four pages each in flight; what comes on top is told at once that there is no answer.
const OPEN_MAX: usize = 1_024;

/// Open questions by number, the oldest first, each with the way back to whoever asked.
#[derive(Default)]
// A std lock: held for a look-up.
pub(super) struct Questions(Mutex<Open>);

#[derive(Default)]
struct Open {
    next: u64,
    by_number: BTreeMap<u64, (Instant, Answer)>,
}

impl Questions {
    /// Keeps it; `None` where too many are open.
    pub(super) fn keep(&self, answer: Answer) -> Option<u64> {
        let now = Instant::now();
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while open.by_number.first_key_value().is_some_and(|(_, (at, _))| now - *at > ANSWER_WITHIN) {
            open.by_number.pop_first();
        }
        if open.by_number.len() >= OPEN_MAX {
            return None;
        }
        open.next += 1;
        let number = open.next;
        open.by_number.insert(number, (now, answer));
        Some(number)
    }

    /// Takes it for its answer, where it is still open.
    pub(super) fn take(&self, number: u64) -> Option<Answer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_number.remove(&number).map(|(_, answer)| answer)
    }
}
