//! Pages compressed piece by piece, each piece once; without it every visit would compress the same page anew.
//!
//! Most of a page is the same for everybody and changes seldom. It is cut at ends of lines whose content says so, so that
//! the cuts are at the same places in every visitor's page, and what a piece becomes is remembered by its content. A piece
//! that was not seen before is sent as it is: most such pieces are one visitor's own and never come again, and to compress
//! one costs more than all the rest of an answer. A gzip stream (RFC 1952) may be put together of pieces that were
//! compressed on their own (RFC 1951, §3.2.4: an empty stored block ends each at a whole byte).

use std::collections::{HashMap, HashSet};
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// A piece is no shorter, but for the last one: each costs a few bytes and what it can't refer to.
const PIECE_BYTES_MIN: usize = 256;
/// A piece is cut at the first end of a line behind so much.
const PIECE_BYTES_MAX: usize = 4_096;
/// One of so many lines ends a piece.
const CUT_EVERY: u32 = 4;
/// How many pieces are remembered in one of the two generations. The older one is forgotten when the younger is full; what
/// was used meanwhile is in both.
const GENERATION_MAX: usize = 256;
/// How many pieces that came once are remembered, in each of two generations.
const SEEN_MAX: usize = 1_024;
/// A stored block holds no more.
const STORED_MAX: usize = 65_535;
/// Deflate, no name, no time, an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// An empty block that says that it is the last one.
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// Pieces that were compressed lately.
#[derive(Default)]
pub(crate) struct Compressed(Mutex<Generations>);

/// What a piece is looked up by: its checksum and its length. Two pieces may share it, so what is found is compared.
type Mark = (u32, usize);

#[derive(Default)]
struct Generations {
    younger: HashMap<Mark, Arc<Piece>>,
    older: HashMap<Mark, Arc<Piece>>,
    /// Of pieces that came once.
    seen: [HashSet<Mark>; 2],
}

struct Piece {
    text: Box<str>,
    bytes: Vec<u8>,
}

impl Compressed {
    /// The text as gzip.
    pub(crate) fn gzip(&self, text: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len() / 2);
        bytes.extend(HEADER);
        for piece in pieces(text) {
            let piece = self.piece(piece);
            bytes.extend(&piece.bytes);
        }
        bytes.extend(LAST_BLOCK);
        bytes.extend(checksum(text).to_le_bytes());
        // Modulo 2^32, as the format wants it.
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes
    }

    fn piece(&self, text: &str) -> Arc<Piece> {
        let mark = (checksum(text), text.len());
        let (found, again) = self.change(|generations| match generations.find(mark, text) {
            None => (None, generations.again(mark)),
            found => (found, true),
        });
        found.unwrap_or_else(|| {
            let bytes = if again { deflated(text) } else { stored(text) };
            let piece = Arc::new(Piece { text: text.into(), bytes });
            if again {
                self.change(|generations| generations.keep(mark, &piece));
            }
            piece
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Generations) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Generations {
    fn find(&mut self, mark: Mark, text: &str) -> Option<Arc<Piece>> {
        let known = |generation: &HashMap<Mark, Arc<Piece>>| {
            generation.get(&mark).filter(|piece| *piece.text == *text).map(Arc::clone)
        };
        if let Some(piece) = known(&self.younger) {
            return Some(piece);
        }
        let piece = known(&self.older)?;
        self.keep(mark, &piece);
        Some(piece)
    }

    /// Whether it came before; the next time it will have.
    fn again(&mut self, mark: Mark) -> bool {
        let again = self.seen.iter().any(|seen| seen.contains(&mark));
        if self.seen[0].len() >= SEEN_MAX {
            self.seen.swap(0, 1);
            self.seen[0].clear();
        }
        self.seen[0].insert(mark);
        again
    }

    fn keep(&mut self, mark: Mark, piece: &Arc<Piece>) {
        if self.younger.len() >= GENERATION_MAX {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(mark, Arc::clone(piece));
    }
}

/// The same everywhere and at every time.
fn checksum(text: &str) -> u32 {
    let mut checksum = Crc::new();
    checksum.update(text.as_bytes());
    checksum.sum()
}

fn deflated(text: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(text.len()), Compression::default());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.flush()).expect("writing to memory can't fail");
    // Not finished: the next piece follows.
    std::mem::take(encoder.get_mut())
}

fn stored(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 5);
    for block in text.as_bytes().chunks(STORED_MAX) {
        let length = u16::try_from(block.len()).expect("a block is no longer");
        bytes.push(0);
        bytes.extend(length.to_le_bytes());
        bytes.extend((!length).to_le_bytes());
        bytes.extend(block);
    }
    bytes
}

/// Cuts a text at ends of lines, by what the lines say and not by where they stand.
fn pieces(mut text: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let mut end = 0;
        for line in text.split_inclusive('\n') {
            end += line.len();
            let cuts = end >= PIECE_BYTES_MIN && checksum(line).is_multiple_of(CUT_EVERY);
            if cuts || end >= PIECE_BYTES_MAX {
                break;
            }
        }
        let (piece, rest) = text.split_at(end);
        text = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn page(visitor: &str) -> String {
        let line = |number: usize| format!("<p>This is line {number} of {}</p>\n", "a page ".repeat(number % 30));
        let mut lines: Vec<String> = (0..400).map(line).collect();
        lines[7] = format!("<meta name=\"room\" content=\"{visitor}\">\n");
        lines[200] = format!("<b>{}</b>\n", visitor.repeat(3));
        lines.concat()
    }

    fn read(bytes: &[u8]) -> String {
        let mut text = String::new();
        GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_page_comes_back_as_it_was_and_is_smaller_once_it_is_known() {
        let compressed = Compressed::default();
        let (long, lines) = ("x".repeat(3 * STORED_MAX), "ü\n".repeat(9_000));
        for text in ["", "x", "no end of line at all", &page("ann"), &page("bob"), &lines, &long] {
            assert_eq!(read(&compressed.gzip(text)), text);
            let bytes = compressed.gzip(text);
            assert_eq!(read(&bytes), text);
            assert!(text.len() < 100 || bytes.len() < text.len() / 3, "{} of {} bytes", bytes.len(), text.len());
        }
    }

    #[test]
    fn of_another_visitors_page_only_what_is_theirs_is_sent_as_it_is() {
        let compressed = Compressed::default();
        let known = |compressed: &Compressed| compressed.change(|generations| generations.younger.len());
        let first = compressed.gzip(&page("ann"));
        assert_eq!(known(&compressed), 0);
        let again = compressed.gzip(&page("ann")).len();
        assert!(first.len() > 3 * again && known(&compressed) > 10);
        let before = known(&compressed);
        let other = compressed.gzip(&page("a visitor with a longer name"));
        assert!(other.len() < again + PIECE_BYTES_MAX, "{} bytes after {again}", other.len());
        assert_eq!((known(&compressed), read(&other)), (before, page("a visitor with a longer name")));
    }

    #[test]
    fn what_is_used_stays_and_the_rest_is_forgotten() {
        let compressed = Compressed::default();
        compressed.piece("kept");
        let kept = compressed.piece("kept");
        for number in 0..10 * SEEN_MAX {
            for _ in 0..2 {
                compressed.piece(&number.to_string());
            }
            assert!(Arc::ptr_eq(&compressed.piece("kept"), &kept));
        }
        let bounded = compressed.change(|all| {
            let kept = [all.younger.len(), all.older.len()].into_iter().all(|count| count <= GENERATION_MAX);
            kept && all.seen.iter().all(|seen| seen.len() <= SEEN_MAX)
        });
        assert!(bounded);
    }
}
