//! Published messages that wait for a stream's listeners: never folded, since each says something of its own.

use std::collections::VecDeque;

use bytes::Bytes;
use presence_core::ConnectionId;

use super::audience::{Delivery, Flush, FlushQueue};

/// What may wait in one audience in bytes, and how many: far more than a moment's worth.
const BYTES_MAX: usize = 8 * 1_024 * 1_024;
const WAITING_MAX: usize = 4_096;
/// What leaves in one write at most: as much as a socket takes at once, and little beside what may wait for it.
const FLUSH_BYTES_MAX: usize = 16 * 1_024;
/// Whispers find room only while fewer wait: they are the first to be left out.
const WHISPERS_MAX: usize = 256;

/// A message for an audience, encoded.
#[derive(Clone, Debug)]
pub(super) struct QueuedMessage {
    pub(super) body: Bytes,
    /// Not to this one, who sent it.
    pub(super) except: Option<ConnectionId>,
    pub(super) kind: MessageKind,
}

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum MessageKind {
    /// A server said it.
    Published,
    /// A browser said it: it may be left out where too much waits.
    Whispered,
    /// Somebody has come or gone.
    Presence,
}

/// MessageQueue, in order.
#[derive(Debug, Default)]
pub(super) struct MessageQueue {
    waiting: VecDeque<QueuedMessage>,
    bytes: usize,
    /// Some found no room.
    lost: bool,
    /// Delivery many comings and goings there were.
    pub(super) arrivals: u64,
}

impl FlushQueue for MessageQueue {
    type New = QueuedMessage;
    /// Those that leave in one write; none where some were lost.
    type Batch = Vec<QueuedMessage>;

    fn add(&mut self, told: QueuedMessage) {
        let full = self.waiting.len() >= WAITING_MAX || self.bytes + told.body.len() > BYTES_MAX;
        self.arrivals += u64::from(told.kind == MessageKind::Presence);
        if told.kind == MessageKind::Whispered && (full || self.waiting.len() >= WHISPERS_MAX) {
            return;
        }
        if full {
            *self = Self { lost: true, arrivals: self.arrivals, ..Self::default() };
            return;
        }
        self.bytes += told.body.len();
        self.waiting.push_back(told);
    }

    fn take(&mut self) -> Option<Self::Batch> {
        if std::mem::take(&mut self.lost) {
            return Some(Vec::new());
        }
        let mut batch = vec![self.pop()?];
        let mut bytes = batch[0].body.len();
        // Under load what waits leaves together. What goes to some only leaves alone.
        while let Some(next) = self.waiting.front().filter(|next| next.except.is_none() && batch[0].except.is_none())
            && bytes + next.body.len() <= FLUSH_BYTES_MAX
        {
            bytes += next.body.len();
            batch.extend(self.pop());
        }
        Some(batch)
    }

    /// Where some were lost, everybody who should have had them is closed: clients come back and ask for what they
    /// missed.
    fn encode(batch: Self::Batch) -> Flush {
        let (except, how) = batch.first().map_or((None, Delivery::Close), |told| (told.except, Delivery::Always));
        Flush { bodies: batch.into_iter().map(|told| told.body).collect(), except, how }
    }
}

impl MessageQueue {
    fn pop(&mut self) -> Option<QueuedMessage> {
        let told = self.waiting.pop_front()?;
        self.bytes -= told.body.len();
        Some(told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(body: &str, whispered: bool) -> QueuedMessage {
        let kind = if whispered { MessageKind::Whispered } else { MessageKind::Published };
        QueuedMessage { body: Bytes::copy_from_slice(body.as_bytes()), except: None, kind }
    }

    /// What was taken, flush by flush.
    fn flushes(messages: &mut MessageQueue) -> Vec<Vec<String>> {
        let body = |told: QueuedMessage| String::from_utf8_lossy(&told.body).into_owned();
        std::iter::from_fn(|| messages.take()).map(|batch| batch.into_iter().map(body).collect()).collect()
    }

    #[test]
    fn messages_keep_their_order_and_whispers_are_the_first_to_go() {
        let mut messages = MessageQueue::default();
        for n in 0..WHISPERS_MAX + 2 {
            messages.add(told(&n.to_string(), n % 2 == 0));
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
        (0..8).for_each(|_| messages.add(told(&large, false)));
        messages.add(told("one too many", true));
        assert!(!messages.lost);
        messages.add(told("one too many", false));
        messages.add(told("after", false));
        assert_eq!(flushes(&mut messages), [vec![], vec!["after".to_owned()]]);
        assert_eq!(messages.bytes, 0);
        (0..=WAITING_MAX).for_each(|_| messages.add(told("", false)));
        assert_eq!(flushes(&mut messages), [Vec::<String>::new()]);
    }

    #[test]
    fn what_waits_leaves_together_as_far_as_it_goes_to_everybody_and_fits() {
        let mut messages = MessageQueue::default();
        let large = "x".repeat(FLUSH_BYTES_MAX);
        let except = QueuedMessage { except: Some(ConnectionId(1)), ..told("not to one", true) };
        for told in [told("a", false), told("b", false), except, told("c", false), told(&large, false)] {
            messages.add(told);
        }
        let flushes = flushes(&mut messages);
        assert_eq!(flushes.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1, 1, 1]);
        assert_eq!(flushes[..3].concat(), ["a", "b", "not to one", "c"]);
    }
}
