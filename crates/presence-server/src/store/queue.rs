//! What waits for the disk: the newest record of every key. It holds no more than there are facts, however long the disk
//! takes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a group is gathered; with the time of a sync it stays far below 50 ms.
const GATHER: Duration = Duration::from_millis(10);

/// What is written in one transaction.
#[derive(Clone, Default)]
pub(super) struct WriteBatch {
    pub(super) records: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pub(super) meta: BTreeMap<&'static str, Vec<u8>>,
}

#[derive(Default)]
struct QueueState {
    waiting: WriteBatch,
    /// Keys that are on disk: what is not need not be taken off.
    on_disk: BTreeSet<Vec<u8>>,
    closing: bool,
}

/// Filled by the driver, emptied by the writing thread.
pub(super) struct Queue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

impl Queue {
    pub(super) fn new(on_disk: BTreeSet<Vec<u8>>) -> Self {
        Self { state: Mutex::new(QueueState { on_disk, ..QueueState::default() }), changed: Condvar::new() }
    }

    // A thread that panics while it holds the lock leaves whole maps behind.
    fn state(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn put(&self, key: Vec<u8>, record: Option<Vec<u8>>) {
        self.state().waiting.records.insert(key, record);
        self.changed.notify_all();
    }

    pub(super) fn put_meta(&self, name: &'static str, value: Vec<u8>) {
        self.state().waiting.meta.insert(name, value);
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.state().closing = true;
        self.changed.notify_all();
    }

    /// The next group, once there is one; `None` when the queue is closed and empty.
    pub(super) fn take(&self) -> Option<WriteBatch> {
        let mut state = self.state();
        while state.waiting.is_empty() {
            if state.closing {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if !state.closing {
            drop(state);
            std::thread::sleep(GATHER);
            state = self.state();
        }
        Some(std::mem::take(&mut state.waiting))
    }

    /// The group is on disk.
    pub(super) fn written(&self, batch: &WriteBatch) {
        let mut state = self.state();
        for (key, record) in &batch.records {
            if record.is_some() {
                state.on_disk.insert(key.clone());
            } else {
                state.on_disk.remove(key);
            }
        }
    }

    /// The disk did not take the group: it waits again, behind what is newer, for this long. True: the queue is closed
    /// and nobody will try again.
    pub(super) fn put_back(&self, batch: WriteBatch, retry: Duration) -> bool {
        let mut state = self.state();
        for (key, record) in batch.records {
            state.waiting.records.entry(key).or_insert(record);
        }
        for (name, value) in batch.meta {
            state.waiting.meta.entry(name).or_insert(value);
        }
        let QueueState { waiting, on_disk, .. } = &mut *state;
        waiting.records.retain(|key, record| record.is_some() || on_disk.contains(key));
        if state.closing {
            return true;
        }
        let waited = self.changed.wait_timeout_while(state, retry, |state| !state.closing);
        drop(waited);
        false
    }
}

impl WriteBatch {
    fn is_empty(&self) -> bool {
        self.records.is_empty() && self.meta.is_empty()
    }
}

#[cfg(test)]
impl Queue {
    /// Nothing waits, and this key is on disk.
    pub(super) fn is_written(&self, key: &[u8]) -> bool {
        let state = self.state();
        state.waiting.is_empty() && state.on_disk.contains(key)
    }
}
