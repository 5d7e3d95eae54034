//! The messages that were published lately, by stream, for browsers that reconnect.

mod shard;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use parking_lot::{Mutex, MutexGuard};
use presence_cable::HistoryRequest;
use presence_core::{Message, MessageId, PastMessage, StreamName};

use self::shard::{Shard, StreamHistory};
use crate::clock::{millis, wall_ms};

/// How long a message is kept.
const KEPT_MS: u64 = 300_000;
/// Streams are spread over this many locks.
const SHARDS: usize = 16;
/// Offsets of messages that arrived at this node begin here. Those below are of messages that were fetched from other nodes:
/// they come before all that arrived here.
const ARRIVED_FROM: u64 = 1 << 32;
/// Clocks differ, and a message reaches some regions earlier than others: a browser that comes from another node is sent
/// messages from this much before the time it asks for.
const SLACK_MS: u64 = 2_000;
/// Two clocks in whole milliseconds do not change at the same moment: what was stored in the one that a client names may seem to
/// be older by this.
const ROUNDED_MS: u64 = 1;
/// No moment: something may be missing now.
const INCOMPLETE: u64 = u64::MAX;

/// The history of every stream, in the order in which messages arrived at this node.
pub(crate) struct History {
    epoch: String,
    arrived: AtomicU64,
    fetched: AtomicU64,
    /// Since when every message has been received here.
    complete_since_ms: AtomicU64,
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    clock: HistoryClock,
}

/// A clock that starts with the machine's and never jumps.
#[derive(Debug)]
struct HistoryClock {
    began: Instant,
    began_ms: u64,
}

/// A moment for the history.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HistoryTime {
    /// Never jumps: messages are stored by it.
    ms: u64,
    /// By the machine's clock: requests name times of it.
    wall_ms: u64,
}

impl HistoryTime {
    /// When that was, in seconds of the machine's clock.
    fn at(self, seconds: f64) -> u64 {
        // The cast saturates: a negative time is 0.
        let asked_ms = (seconds * 1_000.0) as u64;
        match self.wall_ms.checked_sub(asked_ms) {
            Some(age_ms) => self.ms.saturating_sub(age_ms),
            None => self.ms.saturating_add(asked_ms - self.wall_ms),
        }
    }
}

/// A message and its offset in the order of all messages of this node.
#[derive(Clone, Debug)]
pub(crate) struct StoredMessage {
    pub(crate) offset: u64,
    at_ms: u64,
    id: MessageId,
    pub(crate) message: Arc<Message>,
}

/// How far back a client wants to know everything, and by what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) request: &'a HistoryRequest,
    /// Whether the client was connected to another node, or to an earlier start of this one.
    pub(crate) from_elsewhere: bool,
    /// Everything since then has been fetched for it.
    pub(crate) fetched_since_ms: Option<u64>,
}

/// What a client missed.
#[derive(Clone, Debug)]
pub(crate) enum Missed {
    /// These messages, and no others.
    All(Vec<StoredMessage>),
    /// Some are no longer kept by any node.
    Dropped,
    /// This node has not received everything since then: others may have it.
    Incomplete { since_ms: u64 },
}

/// One stream's history under its lock: nothing is published to the stream meanwhile.
pub(crate) struct LockedHistory<'a> {
    history: &'a History,
    stream: &'a StreamName,
    shard: MutexGuard<'a, Shard>,
}

impl History {
    /// An empty history. The epoch distinguishes this node's offsets from those of other nodes.
    pub(crate) fn new(epoch: u64) -> Self {
        Self {
            epoch: epoch.to_string(),
            arrived: AtomicU64::new(ARRIVED_FROM),
            fetched: AtomicU64::new(ARRIVED_FROM),
            complete_since_ms: AtomicU64::new(INCOMPLETE),
            shards: Default::default(),
            hasher: RandomState::new(),
            clock: HistoryClock { began: Instant::now(), began_ms: wall_ms() },
        }
    }

    /// The offset of the newest message of any stream.
    pub(crate) fn head(&self) -> u64 {
        self.arrived.load(Relaxed)
    }

    /// The epoch of this node's offsets.
    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    pub(crate) fn now(&self) -> HistoryTime {
        let ms = self.clock.began_ms.saturating_add(millis(self.clock.began.elapsed()));
        HistoryTime { ms, wall_ms: wall_ms() }
    }

    /// For how long every message has been received here; `None`: something may be missing now.
    pub(crate) fn set_complete(&self, complete_ms: Option<u64>) {
        let since_ms = complete_ms.map_or(INCOMPLETE, |complete_ms| self.now().ms.saturating_sub(complete_ms));
        self.complete_since_ms.store(since_ms, Relaxed);
    }

    /// Locks one stream's history, so that a reader can subscribe before the next message is stored.
    pub(crate) fn lock<'a>(&'a self, stream: &'a StreamName) -> LockedHistory<'a> {
        let shard = &self.shards[self.hasher.hash_one(stream) as usize % SHARDS];
        LockedHistory { history: self, stream, shard: shard.lock() }
    }
}

impl LockedHistory<'_> {
    /// Stores a message and returns its offset.
    pub(crate) fn store(&mut self, message: &Arc<Message>, id: MessageId, now: HistoryTime) -> u64 {
        let offset = self.history.arrived.fetch_add(1, Relaxed) + 1;
        let message = Arc::clone(message);
        self.shard.expire(now.ms);
        self.shard.add(self.stream, StoredMessage { offset, at_ms: now.ms, id, message });
        offset
    }

    /// What a client missed. A position counts before a time, unless it belongs to another node.
    pub(crate) fn missed(&mut self, asked: Asked<'_>, now: HistoryTime) -> Missed {
        self.shard.expire(now.ms);
        let request = asked.request;
        let since = request.since.filter(|since| since.is_finite()).map(|since| now.at(since));
        match request.streams.get(self.stream.as_str()) {
            Some(position) if position.epoch == self.history.epoch => self.missed_after(position.offset, since, asked),
            position => {
                let slack_ms = if position.is_some() || asked.from_elsewhere { SLACK_MS } else { 0 };
                match since {
                    Some(since_ms) => self.missed_since(since_ms.saturating_sub(slack_ms), asked),
                    None if position.is_some() => Missed::Dropped,
                    None => Missed::All(Vec::new()),
                }
            }
        }
    }

    fn missed_after(&self, offset: u64, since: Option<u64>, asked: Asked<'_>) -> Missed {
        let dropped = self.shard.dropped(self.stream);
        if !(dropped.upto..=self.history.head()).contains(&offset) {
            return Missed::Dropped;
        }
        // The client had everything when that message came; of a session without one it is known when it was cut off.
        let fetched = |stored: &StoredMessage| stored.offset <= ARRIVED_FROM;
        let before = |stored: &&StoredMessage| stored.offset <= offset && fetched(stored) == (offset <= ARRIVED_FROM);
        let known = self.past().filter(before).max_by_key(|stored| stored.offset).map(|stored| stored.at_ms);
        let known = known.or(dropped.at_ms.filter(|_| dropped.upto == offset)).or(since);
        let Some(since_ms) = known else { return Missed::Dropped };
        if !self.is_complete(since_ms, asked) {
            return Missed::Incomplete { since_ms };
        }
        // What was lost on its way here, and fetched since, has an earlier offset.
        let after = |stored: &&StoredMessage| stored.offset > offset || (fetched(stored) && stored.at_ms > since_ms);
        Missed::All(self.past().filter(after).cloned().collect())
    }

    fn missed_since(&self, since_ms: u64, asked: Asked<'_>) -> Missed {
        if self.shard.dropped(self.stream).at_ms.is_some_and(|at_ms| at_ms >= since_ms) {
            return Missed::Dropped;
        }
        if !self.is_complete(since_ms, asked) {
            return Missed::Incomplete { since_ms };
        }
        let from_ms = since_ms.saturating_sub(ROUNDED_MS);
        Missed::All(self.past().filter(|stored| stored.at_ms >= from_ms).cloned().collect())
    }

    /// What arrived here after this offset.
    pub(crate) fn arrived_after(&self, offset: u64) -> Vec<StoredMessage> {
        self.past().filter(|stored| stored.offset > offset.max(ARRIVED_FROM)).cloned().collect()
    }

    fn past(&self) -> impl Iterator<Item = &StoredMessage> + Clone {
        self.shard.stream(self.stream).into_iter().flat_map(StreamHistory::messages)
    }

    fn is_complete(&self, since_ms: u64, asked: Asked<'_>) -> bool {
        let complete_ms = self.history.complete_since_ms.load(Relaxed);
        let fetched = self.shard.fetched(self.stream);
        // What was fetched counts until something is lost again.
        let stays = fetched.is_some_and(|fetched| fetched.since_ms <= since_ms && complete_ms <= fetched.at_ms);
        complete_ms <= since_ms || stays || asked.fetched_since_ms.is_some_and(|fetched_ms| fetched_ms <= since_ms)
    }

    /// Takes what another node has of this stream since then: with it everything is here.
    pub(crate) fn merge(&mut self, past: Vec<PastMessage>, since_ms: u64, now: HistoryTime) {
        self.shard.expire(now.ms);
        let known: Vec<MessageId> = self.past().map(|stored| stored.id).collect();
        let mut new: Vec<PastMessage> =
            past.into_iter().filter(|past| past.age_ms < KEPT_MS && !known.contains(&past.id)).collect();
        new.retain(|past| std::str::from_utf8(&past.body).is_ok());
        new.sort_by_key(|past| past.age_ms);
        for PastMessage { id, age_ms, body } in new {
            let stream = self.stream.clone();
            let message = Arc::new(Message { stream, body, kept: true, whispered: false, from: None });
            let offset = self.history.fetched.fetch_sub(1, Relaxed);
            let at_ms = now.ms.saturating_sub(age_ms);
            self.shard.add_before(self.stream, StoredMessage { offset, at_ms, id, message });
        }
        self.shard.note_fetched(self.stream, since_ms, now.ms);
    }

    /// All that was published in the last ms, for another node; `None` if some of it was dropped, or it is too large.
    pub(crate) fn read(&mut self, age_ms: u64, now: HistoryTime) -> Option<Vec<PastMessage>> {
        self.shard.expire(now.ms);
        let since_ms = now.ms.saturating_sub(age_ms);
        if self.shard.dropped(self.stream).at_ms.is_some_and(|at_ms| at_ms >= since_ms) {
            return None;
        }
        let wanted = self.past().filter(|stored| stored.at_ms >= since_ms);
        let bytes: usize = wanted.clone().map(|stored| stored.message.body.len()).sum();
        (bytes <= PastMessage::BYTES_MAX).then(|| {
            let past = |stored: &StoredMessage| {
                let age_ms = now.ms.saturating_sub(stored.at_ms);
                PastMessage { id: stored.id, age_ms, body: stored.message.body.clone() }
            };
            wanted.map(past).collect()
        })
    }
}

/// How long before now that was.
pub(crate) fn age_ms(since_ms: u64, now: HistoryTime) -> u64 {
    now.ms.saturating_sub(since_ms)
}
