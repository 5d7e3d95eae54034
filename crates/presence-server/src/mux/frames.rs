//! The frames of the stream: pieces of messages, questions and answers, reassembled here within bounds, or the other end
//! could fill this node's memory.

use std::collections::BTreeMap;

use super::BYTES_MAX;

/// The longest piece: something more urgent waits for one at most.
pub(super) const PIECE_BYTES_MAX: usize = 8 << 10;
/// Kind and flag, number, length of the piece.
const HEAD_BYTES: usize = 1 + 8 + 4;
const LAST: u8 = 0x80;
/// What may be reassembled at a time: sixteen questions or answers, and a few messages.
const PARTS_MAX: usize = 64;
const PARTS_BYTES_MAX: usize = 8 * BYTES_MAX;

/// What a frame is a piece of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// Nothing: shows that the other end is alive.
    KeepAlive,
    /// A published message.
    Message,
    /// A question, by its number.
    Question,
    /// The answer to the question of that number.
    Answer,
    /// There is no answer to the question of that number.
    NoAnswer,
}

impl Kind {
    const ALL: [Self; 5] = [Self::KeepAlive, Self::Message, Self::Question, Self::Answer, Self::NoAnswer];
}

/// Appends a frame.
pub fn write_frame(kind: Kind, number: u64, piece: &[u8], last: bool, out: &mut Vec<u8>) {
    out.push(kind as u8 | if last { LAST } else { 0 });
    out.extend(number.to_be_bytes());
    out.extend(u32::try_from(piece.len()).expect("a piece is at most 8 KB").to_be_bytes());
    out.extend(piece);
}

/// The bytes are no frames, or need more than may be reassembled: the connection can't continue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Broken;

/// Reassembles frames, however the bytes were cut.
#[derive(Default)]
pub struct FrameReader {
    unread: Vec<u8>,
    parts: BTreeMap<(Kind, u64), Vec<u8>>,
    parts_bytes: usize,
}

impl FrameReader {
    /// Reads bytes, and passes on each message, question and answer that they complete, with its number.
    pub fn read(&mut self, bytes: &[u8], mut whole: impl FnMut(Kind, u64, Vec<u8>)) -> Result<(), Broken> {
        self.unread.extend_from_slice(bytes);
        let mut unread = std::mem::take(&mut self.unread);
        let mut rest = &unread[..];
        while let Some((head, after)) = rest.split_first_chunk::<HEAD_BYTES>() {
            let kind = *Kind::ALL.get(usize::from(head[0] & !LAST)).ok_or(Broken)?;
            let number = u64::from_be_bytes(head[1..9].try_into().expect("eight bytes"));
            let length = u32::from_be_bytes(head[9..].try_into().expect("four bytes")) as usize;
            if length > PIECE_BYTES_MAX {
                return Err(Broken);
            }
            let Some((piece, next)) = after.split_at_checked(length) else { break };
            self.add(kind, number, piece, head[0] & LAST != 0, &mut whole)?;
            rest = next;
        }
        let read = unread.len() - rest.len();
        unread.drain(..read);
        self.unread = unread;
        Ok(())
    }

    /// How many bytes are kept until more come.
    pub fn held(&self) -> usize {
        self.unread.len() + self.parts_bytes
    }

    fn add(
        &mut self,
        kind: Kind,
        number: u64,
        piece: &[u8],
        last: bool,
        whole: &mut impl FnMut(Kind, u64, Vec<u8>),
    ) -> Result<(), Broken> {
        let mut bytes = self.parts.remove(&(kind, number)).unwrap_or_default();
        self.parts_bytes -= bytes.len();
        bytes.extend_from_slice(piece);
        let fits = bytes.len() <= BYTES_MAX && self.parts_bytes + bytes.len() <= PARTS_BYTES_MAX;
        if !fits || (!last && self.parts.len() >= PARTS_MAX) {
            return Err(Broken);
        }
        if last {
            whole(kind, number, bytes);
        } else {
            self.parts_bytes += bytes.len();
            self.parts.insert((kind, number), bytes);
        }
        Ok(())
    }
}
