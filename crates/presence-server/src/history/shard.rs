//! The streams under one lock.

use std::collections::{BTreeMap, HashMap, VecDeque};

use presence_core::{Message, PastMessage, StreamName};

use super::{KEPT_MS, StoredMessage};
use crate::lru::Lru;

/// Messages that are kept of one stream.
const MESSAGES_MAX: usize = PastMessage::COUNT_MAX;
/// The size of all messages of one shard, 64 MiB in all shards together. The oldest messages are dropped first.
pub(super) const SHARD_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// The size of a message besides its name and body, so that empty messages are limited too.
const MESSAGE_BYTES: usize = 256;
/// Streams of one shard of which it is remembered that they were fetched.
const FETCHED_MAX: usize = 1_024;

#[derive(Debug)]
pub(super) struct Shard {
    streams: HashMap<StreamName, StreamHistory>,
    /// Streams by the offset of their oldest message.
    oldest: BTreeMap<u64, StreamName>,
    pub(super) bytes: usize,
    /// Of all streams that were removed.
    removed: Dropped,
    fetched: Lru<StreamName, Fetched>,
}

/// What was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Dropped {
    /// The greatest offset.
    pub(super) upto: u64,
    /// The latest time; `None`: nothing.
    pub(super) at_ms: Option<u64>,
}

/// What was fetched of a stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fetched {
    pub(super) since_ms: u64,
    pub(super) at_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct StreamHistory {
    messages: VecDeque<StoredMessage>,
    dropped: Dropped,
}

impl StreamHistory {
    pub(super) fn messages(&self) -> impl Iterator<Item = &StoredMessage> + Clone {
        self.messages.iter()
    }
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            streams: HashMap::new(),
            oldest: BTreeMap::new(),
            bytes: 0,
            removed: Dropped::default(),
            fetched: Lru::new(FETCHED_MAX),
        }
    }
}

impl Dropped {
    fn note(&mut self, offset: u64, at_ms: u64) {
        self.upto = self.upto.max(offset);
        self.at_ms = self.at_ms.max(Some(at_ms));
    }
}

impl Shard {
    pub(super) fn stream(&self, stream: &StreamName) -> Option<&StreamHistory> {
        self.streams.get(stream)
    }

    /// What was dropped of a stream, or may have been.
    pub(super) fn dropped(&self, stream: &StreamName) -> Dropped {
        self.streams.get(stream).map_or(self.removed, |past| past.dropped)
    }

    pub(super) fn fetched(&self, stream: &StreamName) -> Option<Fetched> {
        self.fetched.peek(stream).copied()
    }

    pub(super) fn note_fetched(&mut self, stream: &StreamName, since_ms: u64, at_ms: u64) {
        self.fetched.insert(stream.clone(), Fetched { since_ms, at_ms });
    }

    fn past(&mut self, stream: &StreamName) -> &mut StreamHistory {
        let dropped = self.removed;
        let new = || StreamHistory { messages: VecDeque::new(), dropped };
        self.streams.entry(stream.clone()).or_insert_with(new)
    }

    /// Adds the newest message of a stream.
    pub(super) fn add(&mut self, stream: &StreamName, stored: StoredMessage) {
        self.bytes += bytes(&stored.message);
        let past = self.past(stream);
        past.messages.push_back(stored);
        let first = past.messages[0].offset;
        if past.messages.len() == 1 {
            self.oldest.insert(first, stream.clone());
        }
        self.drop_excess(stream);
    }

    /// Adds a message that comes before all others of its stream.
    pub(super) fn add_before(&mut self, stream: &StreamName, stored: StoredMessage) {
        self.bytes += bytes(&stored.message);
        let offset = stored.offset;
        let past = self.past(stream);
        let first = past.messages.front().map(|first| first.offset);
        past.messages.push_front(stored);
        first.map(|first| self.oldest.remove(&first));
        self.oldest.insert(offset, stream.clone());
        self.drop_excess(stream);
    }

    fn drop_excess(&mut self, stream: &StreamName) {
        let past = self.streams.get(stream).filter(|past| past.messages.len() > MESSAGES_MAX);
        if let Some(oldest) = past.map(|past| past.messages[0].offset) {
            self.drop_first(oldest);
        }
        while self.bytes > SHARD_BYTES_MAX
            && let Some((&oldest, _)) = self.oldest.first_key_value()
        {
            self.drop_first(oldest);
        }
    }

    pub(super) fn expire(&mut self, now_ms: u64) {
        while let Some((&oldest, stream)) = self.oldest.first_key_value() {
            let at_ms = self.streams[stream].messages[0].at_ms;
            if at_ms.saturating_add(KEPT_MS) > now_ms {
                return;
            }
            self.drop_first(oldest);
        }
    }

    /// Drops the oldest message of the stream whose oldest has this offset.
    fn drop_first(&mut self, oldest: u64) {
        let Some(stream) = self.oldest.remove(&oldest) else { return };
        let Some(past) = self.streams.get_mut(&stream) else { return };
        let Some(first) = past.messages.pop_front() else { return };
        past.dropped.note(first.offset, first.at_ms);
        self.bytes -= bytes(&first.message);
        match past.messages.front() {
            Some(next) => drop(self.oldest.insert(next.offset, stream)),
            None => {
                self.streams.remove(&stream);
                self.removed.note(first.offset, first.at_ms);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }
}

fn bytes(message: &Message) -> usize {
    message.body.len() + message.stream.as_str().len() + MESSAGE_BYTES
}
