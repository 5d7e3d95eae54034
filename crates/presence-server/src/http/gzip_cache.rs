//! Gzip of pages, piece by piece, each piece compressed once.
//!
//! Most of a page is the same for every visitor and changes rarely. A page is cut at ends of lines, chosen by what the lines
//! say, so that the cuts are at the same places in every visitor's page, and each piece's compressed form is kept. A piece
//! that was not seen before is sent uncompressed: most such pieces belong to one visitor and never occur again, and
//! compressing one costs more than the rest of an answer. A gzip stream (RFC 1952) may be joined from pieces that were
//! compressed separately (RFC 1951, §3.2.4: an empty stored block ends each at a whole byte).

use std::io::Write as _;
use std::sync::Arc;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use parking_lot::Mutex;

use crate::lru::Lru;

/// A shorter piece, unless it is the last, costs more than it saves.
const PIECE_BYTES_MIN: usize = 256;
/// A piece is cut at the first end of a line after this many bytes.
const PIECE_BYTES_MAX: usize = 4_096;
/// One line in this many ends a piece.
const CUT_EVERY: u32 = 4;
/// Compressed pieces that are kept.
const PIECES_MAX: usize = 512;
/// Keys of pieces that occurred once.
const SEEN_MAX: usize = 2_048;
/// What a stored block holds.
const STORED_MAX: usize = 65_535;
/// Deflate, no name, no time, an unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
/// An empty block that is marked as the last one.
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// The compressed pieces of pages that were sent lately.
pub(super) struct GzipCache(Mutex<Pieces>);

/// A piece's checksum and length. Two pieces may share them, so the text of a found piece is compared.
type PieceKey = (u32, usize);

struct Pieces {
    compressed: Lru<PieceKey, Arc<Piece>>,
    /// Pieces that occurred once.
    seen: Lru<PieceKey, ()>,
}

struct Piece {
    text: Box<str>,
    bytes: Vec<u8>,
}

impl Default for GzipCache {
    fn default() -> Self {
        Self(Mutex::new(Pieces { compressed: Lru::new(PIECES_MAX), seen: Lru::new(SEEN_MAX) }))
    }
}

impl GzipCache {
    /// The text as gzip.
    pub(super) fn gzip(&self, text: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(text.len() / 2);
        bytes.extend(HEADER);
        for piece in pieces(text) {
            bytes.extend(&self.piece(piece).bytes);
        }
        bytes.extend(LAST_BLOCK);
        bytes.extend(checksum(text).to_le_bytes());
        // Modulo 2^32, as the format says.
        bytes.extend((text.len() as u32).to_le_bytes());
        bytes
    }

    fn piece(&self, text: &str) -> Arc<Piece> {
        let key = (checksum(text), text.len());
        let seen = {
            let mut pieces = self.0.lock();
            if let Some(piece) = pieces.compressed.get(&key).filter(|piece| *piece.text == *text) {
                return Arc::clone(piece);
            }
            let seen = pieces.seen.get(&key).is_some();
            pieces.seen.insert(key, ());
            seen
        };
        let bytes = if seen { deflated(text) } else { stored(text) };
        let piece = Arc::new(Piece { text: text.into(), bytes });
        if seen {
            self.0.lock().compressed.insert(key, Arc::clone(&piece));
        }
        piece
    }
}

fn checksum(text: &str) -> u32 {
    let mut checksum = Crc::new();
    checksum.update(text.as_bytes());
    checksum.sum()
}

fn deflated(text: &str) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::with_capacity(text.len()), Compression::default());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.flush()).expect("writing to memory can't fail");
    // Not finished, since the next piece follows.
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

/// Cuts a text at ends of lines, chosen by what the lines say.
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
    fn a_page_is_restored_and_is_smaller_the_second_time() {
        let cache = GzipCache::default();
        let (long, lines) = ("x".repeat(3 * STORED_MAX), "ü\n".repeat(9_000));
        for text in ["", "x", "no end of line at all", &page("ann"), &page("bob"), &lines, &long] {
            assert_eq!(read(&cache.gzip(text)), text);
            let bytes = cache.gzip(text);
            assert_eq!(read(&bytes), text);
            assert!(text.len() < 100 || bytes.len() < text.len() / 3, "{} of {} bytes", bytes.len(), text.len());
        }
    }

    #[test]
    fn only_a_visitors_own_pieces_are_sent_uncompressed() {
        let cache = GzipCache::default();
        let known = |cache: &GzipCache| cache.0.lock().compressed.len();
        let first = cache.gzip(&page("ann"));
        assert_eq!(known(&cache), 0);
        let again = cache.gzip(&page("ann")).len();
        assert!(first.len() > 3 * again && known(&cache) > 10);
        let before = known(&cache);
        let other = cache.gzip(&page("a visitor with a longer name"));
        assert!(other.len() < again + PIECE_BYTES_MAX, "{} bytes after {again}", other.len());
        assert_eq!((known(&cache), read(&other)), (before, page("a visitor with a longer name")));
    }
}
