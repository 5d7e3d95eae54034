//! Published messages that wait for a stream's listeners: never folded, since each says something of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use presence_cable::{Encoder, Position, PresenceEvent};
use presence_core::{ConnectionId, Message};

use super::audience::FlushQueue;
use super::flush::{Delivery, Flush};

/// What may wait in one audience in bytes, and how many messages: far more than a moment's worth.
const BYTES_MAX: usize = 8 * 1_024 * 1_024;
const WAITING_MAX: usize = 4_096;
/// What leaves in one write at most: as much as a socket takes at once, and little beside what may wait for it.
const FLUSH_BYTES_MAX: usize = 16 * 1_024;
/// How many presence events may wait, and what they may take in bytes. They share no limit with messages: a crowd that
/// joins must cost no one a message.
const PRESENCE_MAX: usize = 1_024;
const PRESENCE_BYTES_MAX: usize = 1_024 * 1_024;
/// Whispers find room only while fewer messages wait: they are the first to be left out.
const WHISPERS_MAX: usize = 256;

/// A message for the listeners of a stream.
#[derive(Clone, Debug)]
pub(super) enum QueuedMessage {
    /// A message of a server, or a whisper of a browser, which may be left out where too much waits.
    Message { message: Arc<Message>, position: Option<Position> },
    /// A user joined or left.
    Presence(Arc<PresenceEvent>),
}

impl QueuedMessage {
    /// The connection that sent it and does not hear it.
    fn except(&self) -> Option<ConnectionId> {
        match self {
            Self::Message { message, .. } => message.from,
            Self::Presence(_) => None,
        }
    }

    fn is_whisper(&self) -> bool {
        matches!(self, Self::Message { message, .. } if message.whispered)
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Message { message, .. } => message.body.len(),
            Self::Presence(event) => match &**event {
                PresenceEvent::Joined(record) => record.id.len() + record.info.len(),
                PresenceEvent::Left(id) => id.len(),
                PresenceEvent::Members { records, .. } => {
                    records.iter().map(|record| record.id.len() + record.info.len()).sum()
                }
            },
        }
    }
}

/// Messages, in order.
#[derive(Debug, Default)]
pub(super) struct MessageQueue {
    waiting: VecDeque<QueuedMessage>,
    /// What messages take.
    bytes: usize,
    /// How many of those that wait are presence events, and what they take.
    presence: usize,
    presence_bytes: usize,
    /// Whether messages found no room.
    lost: bool,
    /// How many presence events there were.
    pub(super) presence_events: u64,
}

impl FlushQueue for MessageQueue {
    type Item = QueuedMessage;
    /// Messages that leave in one write; none where some were lost.
    type Batch = Vec<QueuedMessage>;

    fn push(&mut self, message: QueuedMessage) {
        if let QueuedMessage::Presence(_) = message {
            if self.has_room_for(&message) {
                self.presence += 1;
                self.presence_bytes += message.bytes();
                self.waiting.push_back(message);
            }
            return;
        }
        let messages = self.waiting.len() - self.presence;
        let full = messages >= WAITING_MAX || self.bytes + message.bytes() > BYTES_MAX;
        if message.is_whisper() && (full || messages >= WHISPERS_MAX) {
            return;
        }
        if full {
            *self = Self { lost: true, presence_events: self.presence_events, ..Self::default() };
            return;
        }
        self.bytes += message.bytes();
        self.waiting.push_back(message);
    }

    /// Where some were lost, everyone who should have had them is closed: clients come back and ask for what they missed.
    fn take(&mut self) -> Option<Flush<Self::Batch>> {
        if std::mem::take(&mut self.lost) {
            return Some(Flush { batch: Vec::new(), except: None, delivery: Delivery::Close, messages: 0, folded: 0 });
        }
        let first = self.pop()?;
        let (except, mut bytes, mut batch) = (first.except(), first.bytes(), vec![first]);
        // Under load what waits leaves together. A message that does not go to everyone leaves alone.
        while let Some(next) = self.waiting.front().filter(|next| next.except().is_none() && except.is_none())
            && bytes + next.bytes() <= FLUSH_BYTES_MAX
        {
            bytes += next.bytes();
            batch.extend(self.pop());
        }
        let messages = batch.len();
        Some(Flush { batch, except, delivery: Delivery::Always, messages, folded: 0 })
    }

    fn encode(batch: &Self::Batch, encoder: &dyn Encoder) -> Vec<Bytes> {
        let body = |message: &QueuedMessage| match message {
            QueuedMessage::Message { message, position } => encoder.message(message, position.as_ref()),
            QueuedMessage::Presence(event) => encoder.presence(event),
        };
        batch.iter().filter_map(body).map(Bytes::from).collect()
    }
}

impl MessageQueue {
    fn pop(&mut self) -> Option<QueuedMessage> {
        let message = self.waiting.pop_front()?;
        match message {
            QueuedMessage::Message { .. } => self.bytes -= message.bytes(),
            QueuedMessage::Presence(_) => {
                self.presence -= 1;
                self.presence_bytes -= message.bytes();
            }
        }
        Some(message)
    }

    /// Counts a presence event and finds room for it. Where there is none, those that wait are dropped: the listeners must
    /// be sent the members instead.
    pub(super) fn make_room(&mut self, event: &QueuedMessage) -> bool {
        self.presence_events += 1;
        let fits = self.has_room_for(event);
        if !fits {
            self.waiting.retain(|queued| matches!(queued, QueuedMessage::Message { .. }));
            (self.presence, self.presence_bytes) = (0, 0);
        }
        fits
    }

    fn has_room_for(&self, event: &QueuedMessage) -> bool {
        self.presence < PRESENCE_MAX && self.presence_bytes + event.bytes() <= PRESENCE_BYTES_MAX
    }
}

#[cfg(test)]
mod tests {
    use presence_core::StreamName;

    use super::*;

    fn published(body: &str) -> QueuedMessage {
        let (stream, body) = (StreamName::new("bench").unwrap(), body.as_bytes().to_vec());
        let message = Message { stream, body, kept: false, whispered: false, from: None };
        QueuedMessage::Message { message: Arc::new(message), position: None }
    }

    fn whispered(body: &str, from: Option<ConnectionId>) -> QueuedMessage {
        let QueuedMessage::Message { message, position } = published(body) else { panic!("a message") };
        let message = Message { whispered: true, from, ..Arc::unwrap_or_clone(message) };
        QueuedMessage::Message { message: Arc::new(message), position }
    }

    /// What was taken, flush by flush.
    fn flushes(messages: &mut MessageQueue) -> Vec<Vec<String>> {
        let body = |queued: QueuedMessage| match queued {
            QueuedMessage::Message { message, .. } => String::from_utf8_lossy(&message.body).into_owned(),
            QueuedMessage::Presence(event) => format!("{event:?}"),
        };
        let flushes = std::iter::from_fn(|| messages.take());
        flushes.map(|flush| flush.batch.into_iter().map(body).collect()).collect()
    }

    #[test]
    fn messages_keep_their_order_and_whispers_are_the_first_to_go() {
        let mut messages = MessageQueue::default();
        for n in 0..WHISPERS_MAX + 2 {
            let body = n.to_string();
            messages.push(if n % 2 == 0 { whispered(&body, None) } else { published(&body) });
        }
        let all = flushes(&mut messages).concat();
        assert_eq!(all.len(), WHISPERS_MAX + 1, "the last whisper found no room");
        assert_eq!(all.first().zip(all.last()), Some((&"0".to_owned(), &(WHISPERS_MAX + 1).to_string())));
        assert!(all.is_sorted_by_key(|body| body.parse::<u64>().unwrap()));
    }

    #[test]
    fn what_finds_no_room_is_not_lost_in_silence() {
        let mut messages = MessageQueue::default();
        let large = "x".repeat(1_024 * 1_024);
        (0..8).for_each(|_| messages.push(published(&large)));
        messages.push(whispered("one too many", None));
        assert!(!messages.lost);
        messages.push(published("one too many"));
        messages.push(published("after"));
        assert_eq!(flushes(&mut messages), [vec![], vec!["after".to_owned()]]);
        assert_eq!(messages.bytes, 0);
        (0..=WAITING_MAX).for_each(|_| messages.push(published("")));
        assert_eq!(flushes(&mut messages), [Vec::<String>::new()]);
    }

    #[test]
    fn presence_events_that_find_no_room_cost_no_message() {
        let left = |id: String| QueuedMessage::Presence(Arc::new(PresenceEvent::Left(id)));
        let mut messages = MessageQueue::default();
        (0..WAITING_MAX - 1).for_each(|_| messages.push(published("")));
        for number in 0..3 * WAITING_MAX {
            let event = left(format!("{number}{}", "x".repeat(1_000)));
            if messages.make_room(&event) {
                messages.push(event);
            }
        }
        messages.push(published("last"));
        assert!(!messages.lost);
        assert!(messages.presence <= PRESENCE_MAX && messages.presence_bytes <= PRESENCE_BYTES_MAX);
        assert_eq!(messages.presence_events, 3 * WAITING_MAX as u64);
        let all = flushes(&mut messages).concat();
        assert_eq!(all.iter().filter(|body| !body.starts_with("Left")).count(), WAITING_MAX);
        assert_eq!((messages.bytes, messages.presence, messages.presence_bytes), (0, 0, 0));
    }

    #[test]
    fn what_waits_leaves_together_as_far_as_it_goes_to_everyone_and_fits() {
        let mut messages = MessageQueue::default();
        let large = "x".repeat(FLUSH_BYTES_MAX);
        let except = whispered("not to one", Some(ConnectionId(1)));
        for message in [published("a"), published("b"), except, published("c"), published(&large)] {
            messages.push(message);
        }
        let flushes = flushes(&mut messages);
        assert_eq!(flushes.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1, 1]);
        assert_eq!(flushes[..3].concat(), ["a", "b", "not to one", "c"]);
    }
}
