//! What waits for the disk: the newest record of every key. It holds at most as many as there are facts, however long the
//! disk takes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

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
    /// Keys that are on disk: others need not be removed.
    on_disk: BTreeSet<Vec<u8>>,
    closing: bool,
    /// Since when the disk has had the group that is being written.
    busy_since: Option<Instant>,
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

    pub(super) fn put(&self, key: Vec<u8>, record: Option<Vec<u8>>) {
        self.state.lock().waiting.records.insert(key, record);
        self.changed.notify_all();
    }

    pub(super) fn put_meta(&self, name: &'static str, value: Vec<u8>) {
        self.state.lock().waiting.meta.insert(name, value);
        self.changed.notify_all();
    }

    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.changed.notify_all();
    }

    /// Waits for the next group; `None` when the queue is closed and empty.
    pub(super) fn take(&self) -> Option<WriteBatch> {
        let mut state = self.state.lock();
        while state.waiting.is_empty() {
            if state.closing {
                return None;
            }
            self.changed.wait(&mut state);
        }
        if !state.closing {
            drop(state);
            std::thread::sleep(GATHER);
            state = self.state.lock();
        }
        state.busy_since = Some(Instant::now());
        Some(std::mem::take(&mut state.waiting))
    }

    /// How long the disk has had the group that is being written.
    pub(super) fn busy_for(&self) -> Option<Duration> {
        self.state.lock().busy_since.map(|since| since.elapsed())
    }

    /// Notes that the group is on disk.
    pub(super) fn written(&self, batch: &WriteBatch) {
        let mut state = self.state.lock();
        state.busy_since = None;
        for (key, record) in &batch.records {
            if record.is_some() {
                state.on_disk.insert(key.clone());
            } else {
                state.on_disk.remove(key);
            }
        }
    }

    /// Puts back a group that the disk did not take, unless there are newer records, and waits for this long. Returns whether
    /// the queue is closed and the group will not be tried again.
    pub(super) fn put_back(&self, batch: WriteBatch, retry: Duration) -> bool {
        let mut state = self.state.lock();
        state.busy_since = None;
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
        let _timed_out = self.changed.wait_while_for(&mut state, |state| !state.closing, retry);
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
    /// Whether nothing waits and this key is on disk.
    pub(super) fn is_written(&self, key: &[u8]) -> bool {
        let state = self.state.lock();
        state.waiting.is_empty() && state.on_disk.contains(key)
    }
}
