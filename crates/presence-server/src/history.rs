//! The messages that were published lately, by stream, for browsers that reconnect.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use parking_lot::{Mutex, MutexGuard};
use presence_cable::HistoryRequest;
use presence_core::{Message, StreamName};

/// Messages that are kept of one stream.
const MESSAGES_MAX: usize = 100;
/// How long a message is kept.
const KEPT_MS: u64 = 300_000;
/// Streams are spread over this many locks.
const SHARDS: usize = 16;
/// The size of all messages of one shard, 64 MiB in all shards together. The oldest messages are dropped first.
const SHARD_BYTES_MAX: usize = 4 * 1_024 * 1_024;
/// The size of a message besides its name and body, so that empty messages are limited too.
const MESSAGE_BYTES: usize = 256;
/// Clocks differ, and a message reaches some regions earlier than others: a browser that comes from another node is sent
/// messages from this much before the time it asks for.
const SLACK_MS: u64 = 2_000;

/// The history of every stream, in the order in which messages arrived at this node.
pub(crate) struct History {
    epoch: String,
    arrived: AtomicU64,
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

/// A message and its offset in the order of all messages of this node.
#[derive(Clone, Debug)]
pub(crate) struct StoredMessage {
    pub(crate) offset: u64,
    at_ms: u64,
    pub(crate) message: Arc<Message>,
}

#[derive(Debug, Default)]
struct Shard {
    streams: HashMap<StreamName, StreamHistory>,
    /// Streams by the offset of their oldest message.
    oldest: BTreeMap<u64, StreamName>,
    bytes: usize,
    /// The greatest offset of all streams that were removed.
    removed_upto: u64,
}

#[derive(Debug)]
struct StreamHistory {
    messages: VecDeque<StoredMessage>,
    /// The greatest offset that was dropped.
    dropped_upto: u64,
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
            arrived: AtomicU64::new(0),
            shards: Default::default(),
            hasher: RandomState::new(),
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

    /// Locks one stream's history, so that a reader can subscribe before the next message is stored.
    pub(crate) fn lock<'a>(&'a self, stream: &'a StreamName) -> LockedHistory<'a> {
        let shard = &self.shards[self.hasher.hash_one(stream) as usize % SHARDS];
        LockedHistory { history: self, stream, shard: shard.lock() }
    }
}

impl LockedHistory<'_> {
    /// Stores a message and returns its offset.
    pub(crate) fn store(&mut self, message: &Arc<Message>, now_ms: u64) -> u64 {
        let offset = self.history.arrived.fetch_add(1, Relaxed) + 1;
        self.shard.expire(now_ms);
        let shard = &mut *self.shard;
        let entry = shard.streams.entry(self.stream.clone());
        let dropped_upto = shard.removed_upto;
        let past = entry.or_insert_with(|| StreamHistory { messages: VecDeque::new(), dropped_upto });
        if past.messages.is_empty() {
            shard.oldest.insert(offset, self.stream.clone());
        }
        past.messages.push_back(StoredMessage { offset, at_ms: now_ms, message: Arc::clone(message) });
        let over = (past.messages.len() > MESSAGES_MAX).then(|| past.messages[0].offset);
        shard.bytes += bytes(message);
        if let Some(oldest) = over {
            shard.drop_first(oldest);
        }
        while shard.bytes > SHARD_BYTES_MAX
            && let Some((&oldest, _)) = shard.oldest.first_key_value()
        {
            shard.drop_first(oldest);
        }
        offset
    }

    /// The messages that a request asks for; `None` if some of them were dropped. A position counts before a time, unless it
    /// belongs to another node.
    pub(crate) fn missed(&mut self, request: &HistoryRequest, now_ms: u64) -> Option<Vec<StoredMessage>> {
        self.shard.expire(now_ms);
        let past = self.shard.streams.get(self.stream);
        let stored = |wanted: &dyn Fn(&StoredMessage) -> bool| -> Vec<StoredMessage> {
            past.into_iter().flat_map(|past| &past.messages).filter(|stored| wanted(stored)).cloned().collect()
        };
        let position = request.streams.get(self.stream.as_str());
        if let Some(position) = position.filter(|position| position.epoch == self.history.epoch) {
            let dropped_upto = past.map_or(self.shard.removed_upto, |past| past.dropped_upto);
            let known = (dropped_upto..=self.history.arrived.load(Relaxed)).contains(&position.offset);
            return known.then(|| stored(&|message| message.offset > position.offset));
        }
        let Some(since) = request.since.filter(|since| since.is_finite()) else { return Some(Vec::new()) };
        // The cast saturates: a negative time is 0.
        let since_ms = (since * 1_000.0) as u64;
        let since_ms = if position.is_some() { since_ms.saturating_sub(SLACK_MS) } else { since_ms };
        Some(stored(&|message| message.at_ms >= since_ms))
    }
}

impl Shard {
    fn expire(&mut self, now_ms: u64) {
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
        past.dropped_upto = first.offset;
        self.bytes -= bytes(&first.message);
        match past.messages.front() {
            Some(next) => drop(self.oldest.insert(next.offset, stream)),
            None => {
                self.streams.remove(&stream);
                self.removed_upto = self.removed_upto.max(first.offset);
            }
        }
    }
}

fn bytes(message: &Message) -> usize {
    message.body.len() + message.stream.as_str().len() + MESSAGE_BYTES
}

#[cfg(test)]
mod tests {
    use presence_cable::Position;

    use super::*;

    const NOW_MS: u64 = 1_795_496_780_000;

    fn stream(name: &str) -> StreamName {
        StreamName::new(name).unwrap()
    }

    fn message(name: &str, body: &str) -> Arc<Message> {
        Arc::new(Message {
            stream: stream(name),
            body: body.as_bytes().to_vec(),
            kept: true,
            whispered: false,
            from: None,
        })
    }

    fn keep(history: &History, name: &str, body: &str, now_ms: u64) -> u64 {
        history.lock(&stream(name)).store(&message(name, body), now_ms)
    }

    fn since_ms(since_ms: u64) -> HistoryRequest {
        HistoryRequest { since: Some(since_ms as f64 / 1_000.0), ..HistoryRequest::default() }
    }

    fn after(name: &str, epoch: &str, offset: u64) -> HistoryRequest {
        let position = Position { epoch: epoch.to_owned(), offset };
        HistoryRequest { since: Some(NOW_MS as f64 / 1_000.0), streams: [(name.to_owned(), position)].into() }
    }

    /// The bodies of the missed messages.
    fn missed(history: &History, name: &str, request: &HistoryRequest, now_ms: u64) -> Option<Vec<String>> {
        let missed = history.lock(&stream(name)).missed(request, now_ms)?;
        Some(missed.iter().map(|kept| String::from_utf8(kept.message.body.clone()).unwrap()).collect())
    }

    fn some(bodies: &[&str]) -> Option<Vec<String>> {
        Some(bodies.iter().map(|body| (*body).to_owned()).collect())
    }

    #[test]
    fn missed_messages_are_found_by_time_or_by_position() {
        let history = History::new(7);
        let first = keep(&history, "a", "1", NOW_MS);
        keep(&history, "b", "other", NOW_MS + 500);
        let second = keep(&history, "a", "2", NOW_MS + 1_000);
        assert!(first < second);
        let told = |request: &HistoryRequest| missed(&history, "a", request, NOW_MS + 2_000);
        assert_eq!(told(&since_ms(NOW_MS)), some(&["1", "2"]));
        assert_eq!(told(&since_ms(NOW_MS + 1_000)), some(&["2"]));
        assert_eq!(told(&since_ms(NOW_MS + 60_000)), some(&[]));
        assert_eq!(told(&HistoryRequest::default()), some(&[]));
        for odd in [f64::NAN, f64::INFINITY, -1.0, f64::MAX] {
            assert!(told(&HistoryRequest { since: Some(odd), ..HistoryRequest::default() }).is_some());
        }
        assert_eq!(told(&after("a", "7", first)), some(&["2"]));
        assert_eq!(told(&after("a", "7", second)), some(&[]));
        assert_eq!(told(&after("a", "7", second + 1)), None, "no message has that offset yet");
        assert_eq!(told(&after("b", "7", 1)), some(&["1", "2"]), "a position in another stream does not count");
    }

    #[test]
    fn instead_of_another_nodes_position_the_time_counts_with_some_slack() {
        let history = History::new(7);
        keep(&history, "a", "long ago", NOW_MS - 3_000);
        keep(&history, "a", "just before", NOW_MS - 1_000);
        keep(&history, "a", "after", NOW_MS + 1_000);
        let told = missed(&history, "a", &after("a", "8", 4_000), NOW_MS + 2_000);
        assert_eq!(told, some(&["just before", "after"]));
        assert_eq!(missed(&history, "quiet", &after("quiet", "8", 4_000), NOW_MS), some(&[]));
    }

    #[test]
    fn a_stream_keeps_100_messages_for_300_s_and_reports_when_more_were_missed() {
        let history = History::new(7);
        let offsets: Vec<u64> = (0..103).map(|n| keep(&history, "a", &n.to_string(), NOW_MS + n)).collect();
        let told = |offset: u64, now_ms: u64| missed(&history, "a", &after("a", "7", offset), now_ms);
        assert_eq!(told(offsets[1], NOW_MS), None, "one of those was dropped");
        assert_eq!(told(offsets[2], NOW_MS).unwrap().len(), 100);
        assert_eq!(told(offsets[2], NOW_MS + 3 + KEPT_MS), None, "one of those is too old");
        assert_eq!(told(offsets[100], NOW_MS + 101 + KEPT_MS - 1), some(&["101", "102"]));
        assert_eq!(told(offsets[102], NOW_MS + 103 + KEPT_MS), some(&[]), "nothing was missed");
        assert_eq!(told(offsets[101], NOW_MS + 103 + KEPT_MS), None, "a message was missed");
        // The stream starts again and remembers that messages were dropped.
        let offset = keep(&history, "a", "again", NOW_MS + 2 * KEPT_MS);
        assert!(offset > offsets[102]);
        assert_eq!(told(offsets[101], NOW_MS + 2 * KEPT_MS), None);
        assert_eq!(told(offsets[102], NOW_MS + 2 * KEPT_MS), some(&["again"]));
    }

    #[test]
    fn all_streams_together_are_bounded_and_the_oldest_message_is_dropped_first() {
        let history = History::new(7);
        let body = "x".repeat(60_000);
        for n in 0..2_000 {
            keep(&history, &format!("stream/{n}"), &body, NOW_MS + n);
        }
        let kept: Vec<u64> = (0..2_000)
            .filter(|n| {
                let name = format!("stream/{n}");
                !missed(&history, &name, &since_ms(NOW_MS), NOW_MS + 2_000).unwrap().is_empty()
            })
            .collect();
        let shards = history.shards.iter().map(|shard| shard.lock().bytes).sum::<usize>();
        assert!(shards <= SHARDS * SHARD_BYTES_MAX && kept.len() * body.len() <= shards);
        assert!(kept.len() > 500 && kept.contains(&1_999) && !kept.contains(&0), "{} kept", kept.len());
        let of_empty_ones = (0..400_000_u64).filter(|n| {
            let name = stream(&n.to_string());
            history.lock(&name).store(&message(name.as_str(), ""), NOW_MS + 2_000);
            n % 100_000 == 0
        });
        assert_eq!(of_empty_ones.count(), 4);
        let streams: usize = history.shards.iter().map(|shard| shard.lock().streams.len()).sum();
        assert!(streams < 270_000, "{streams}");
    }
}
