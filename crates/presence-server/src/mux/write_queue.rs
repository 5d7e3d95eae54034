//! What waits to be written, the most urgent first; without it a heartbeat would wait behind a page.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::BYTES_MAX;
use super::frames::{Kind, PIECE_BYTES_MAX, write_frame};

/// What may wait, of messages and in all. More messages are dropped, more questions get no answer.
const MESSAGES_BYTES_MAX: usize = BYTES_MAX;
const WAITING_BYTES_MAX: usize = 8 * BYTES_MAX;
const WAITING_MAX: usize = 4_096;
/// A message that could not be sent for this long is dropped: its author has sent a newer one since.
const MESSAGE_WITHIN: Duration = Duration::from_secs(1);
/// How many bytes are gathered for one write.
const WRITE_BYTES: usize = 16 << 10;

/// By priority, then by age.
#[derive(Default)]
pub(super) struct WriteQueue {
    waiting: BTreeMap<(Reverse<i32>, u64), PendingWrite>,
    messages_bytes: usize,
    bytes: usize,
    last: u64,
    /// Messages that were left out since this was last asked for.
    late: u64,
}

struct PendingWrite {
    kind: Kind,
    number: u64,
    rest: Bytes,
    begun: bool,
    since: Instant,
}

impl WriteQueue {
    /// Adds something; returns whether there was room.
    pub(super) fn put(&mut self, kind: Kind, number: u64, bytes: Bytes, priority: i32) -> bool {
        let messages = if kind == Kind::Message { self.messages_bytes + bytes.len() } else { self.messages_bytes };
        let full = self.waiting.len() >= WAITING_MAX || self.bytes + bytes.len() > WAITING_BYTES_MAX;
        if full || messages > MESSAGES_BYTES_MAX {
            return false;
        }
        (self.messages_bytes, self.bytes) = (messages, self.bytes + bytes.len());
        self.last += 1;
        let waiting = PendingWrite { kind, number, rest: bytes, begun: false, since: Instant::now() };
        self.waiting.insert((Reverse(priority), self.last), waiting);
        true
    }

    /// How many messages were left out since the last call, as they had waited for too long.
    pub(super) fn take_late(&mut self) -> u64 {
        std::mem::take(&mut self.late)
    }

    /// Appends what is written next: at most a few pieces. Messages that have waited for too long are left out.
    pub(super) fn take(&mut self, out: &mut Vec<u8>) {
        while out.len() < WRITE_BYTES
            && let Some(mut next) = self.waiting.first_entry()
        {
            let waiting = next.get_mut();
            let old = waiting.kind == Kind::Message && !waiting.begun && waiting.since.elapsed() > MESSAGE_WITHIN;
            let taken = if old { waiting.rest.len() } else { waiting.rest.len().min(PIECE_BYTES_MAX) };
            let piece = waiting.rest.split_to(taken);
            waiting.begun = true;
            self.bytes -= taken;
            self.late += u64::from(old);
            if waiting.kind == Kind::Message {
                self.messages_bytes -= taken;
            }
            if !old {
                write_frame(waiting.kind, waiting.number, &piece, waiting.rest.is_empty(), out);
            }
            if waiting.rest.is_empty() {
                next.remove();
            }
        }
    }
}
