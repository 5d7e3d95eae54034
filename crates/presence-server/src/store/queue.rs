//! What waits for the disk: the newest record of every key. It holds at most as many as there are facts, however long the
//! disk takes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use presence_core::DiskRecord;

/// How long a group is gathered; with the time of a sync it stays far below 50 ms.
const GATHER: Duration = Duration::from_millis(10);

/// What is called when a group is on disk, or when the disk did not take it.
pub(super) type Continuation = Box<dyn FnOnce(OnDisk) + Send>;

/// Most calls that wait for a disk that hangs. Further ones are told at once that it has not taken what they are about.
const CONTINUATIONS_MAX: usize = 4_096;

/// Whether the disk has it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnDisk {
    Yes,
    NotYet,
}

/// What is written in one transaction.
#[derive(Default)]
pub(super) struct WriteBatch {
    pub(super) records: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pub(super) meta: BTreeMap<&'static str, Vec<u8>>,
    continuations: Vec<Continuation>,
}

#[derive(Default)]
struct QueueState {
    waiting: WriteBatch,
    /// Keys that are on disk: others need not be removed.
    on_disk: BTreeSet<Vec<u8>>,
    closing: bool,
    /// Since when the oldest record that waits has waited.
    oldest: Option<Instant>,
    /// The same of the group that is being written.
    writing_oldest: Option<Instant>,
    /// Since when the disk has had the group that is being written.
    busy_since: Option<Instant>,
    commits: u64,
    took: Duration,
    failures: u64,
}

/// How far the disk is behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WriteProgress {
    /// Records that wait, besides those that are being written.
    pub(crate) pending: usize,
    /// How long the oldest record that is not on disk has waited; zero if all are.
    pub(crate) oldest: Duration,
    /// Groups that were written.
    pub(crate) commits: u64,
    /// How long the disk took for these.
    pub(crate) took: Duration,
    /// Groups that could not be written and were put back.
    pub(crate) failures: u64,
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

    pub(super) fn put(&self, records: Vec<DiskRecord>) {
        let mut state = self.state.lock();
        state.oldest.get_or_insert_with(Instant::now);
        state.waiting.records.extend(records);
        drop(state);
        self.changed.notify_all();
    }

    pub(super) fn then(&self, call: Continuation) {
        let mut state = self.state.lock();
        if state.waiting.continuations.len() >= CONTINUATIONS_MAX {
            drop(state);
            return call(OnDisk::NotYet);
        }
        state.waiting.continuations.push(call);
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
        state.writing_oldest = state.oldest.take();
        Some(std::mem::take(&mut state.waiting))
    }

    /// How long the disk has had the group that is being written.
    pub(super) fn busy_for(&self) -> Option<Duration> {
        self.state.lock().busy_since.map(|since| since.elapsed())
    }

    /// How far the disk is behind.
    pub(super) fn progress(&self) -> WriteProgress {
        let state = self.state.lock();
        let oldest = state.writing_oldest.or(state.oldest);
        WriteProgress {
            pending: state.waiting.records.len(),
            oldest: oldest.map_or(Duration::ZERO, |since| since.elapsed()),
            commits: state.commits,
            took: state.took,
            failures: state.failures,
        }
    }

    /// Notes that the group is on disk, and calls what waits for that.
    pub(super) fn written(&self, batch: WriteBatch) {
        let mut state = self.state.lock();
        let took = state.busy_since.take().map_or(Duration::ZERO, |since| since.elapsed());
        state.writing_oldest = None;
        (state.commits, state.took) = (state.commits + 1, state.took + took);
        for (key, record) in batch.records {
            if record.is_some() {
                state.on_disk.insert(key);
            } else {
                state.on_disk.remove(&key);
            }
        }
        drop(state);
        batch.continuations.into_iter().for_each(|call| call(OnDisk::Yes));
    }

    /// Puts back a group that the disk did not take, unless there are newer records, and waits for this long. Returns whether
    /// the queue is closed and the group will not be tried again.
    pub(super) fn put_back(&self, mut batch: WriteBatch, retry: Duration) -> bool {
        std::mem::take(&mut batch.continuations).into_iter().for_each(|call| call(OnDisk::NotYet));
        let mut state = self.state.lock();
        state.busy_since = None;
        state.oldest = state.writing_oldest.take().or(state.oldest);
        state.failures += 1;
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
        self.writes_nothing() && self.continuations.is_empty()
    }

    /// Whether only calls wait, for what is on disk already.
    pub(super) fn writes_nothing(&self) -> bool {
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
