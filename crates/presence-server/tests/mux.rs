//! The reader of frames, given any bytes in any cut.

use presence_server::mux::{BYTES_MAX, Broken, FrameReader, Kind, write_frame};
use proptest::collection::vec;
use proptest::prelude::*;

const KINDS: [Kind; 4] = [Kind::Message, Kind::Question, Kind::Answer, Kind::NoAnswer];
/// 64 unfinished parts of which all together hold at most 8 MiB, and one unread frame.
const HELD_MAX: usize = 8 * BYTES_MAX + (8 << 10) + 13;

/// What was put together again: its kind, number and bytes.
type Whole = (Kind, u64, Vec<u8>);

/// Reads `bytes` in pieces of these lengths, in turn.
fn read(bytes: &[u8], cuts: &[usize]) -> (FrameReader, Result<Vec<Whole>, Broken>) {
    let (mut reader, mut whole, mut rest) = (FrameReader::default(), Vec::new(), bytes);
    for cut in cuts.iter().cycle() {
        let (piece, after) = rest.split_at((*cut).min(rest.len()));
        if let Err(broken) = reader.read(piece, |kind, number, bytes| whole.push((kind, number, bytes))) {
            return (reader, Err(broken));
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    (reader, Ok(whole))
}

proptest! {
    #[test]
    fn what_was_written_is_read_however_it_was_cut(
        frames in vec((0_usize..4, any::<u64>(), vec(any::<u8>(), 0..9_000)), 0..20),
        cuts in vec(1_usize..20_000, 1..8),
    ) {
        let mut bytes = Vec::new();
        for (kind, number, body) in &frames {
            let pieces: Vec<&[u8]> = if body.is_empty() { vec![&[]] } else { body.chunks(4_000).collect() };
            for (place, piece) in pieces.iter().enumerate() {
                write_frame(KINDS[*kind], *number, piece, place + 1 == pieces.len(), &mut bytes);
            }
        }
        let (reader, whole) = read(&bytes, &cuts);
        let wanted: Vec<_> = frames.into_iter().map(|(kind, number, body)| (KINDS[kind], number, body)).collect();
        prop_assert_eq!(whole, Ok(wanted));
        prop_assert_eq!(reader.held(), 0);
    }
}

mod fuzz {
    use presence_fuzz::{Property, changed_bytes};

    use super::*;

    /// Frames of every kind, in pieces.
    fn frames() -> Vec<u8> {
        let mut bytes = Vec::new();
        for (number, kind) in (0..).zip(KINDS) {
            write_frame(kind, number, b"the first half ", false, &mut bytes);
            write_frame(kind, number, b"and the other", true, &mut bytes);
        }
        bytes
    }

    #[test]
    fn any_bytes_are_read_or_refused_and_nothing_grows() {
        let mut other = Vec::new();
        write_frame(Kind::Message, 7, &[7; 4_000], true, &mut other);
        let bytes = prop_oneof![3 => changed_bytes(vec![frames(), other]), 1 => vec(any::<u8>(), 0..5_000)];
        Property::LinkFrames.holds(&(bytes, vec(1_usize..500, 1..8)), |(bytes, cuts)| {
            let (reader, _) = read(&bytes, &cuts);
            prop_assert!(reader.held() <= bytes.len().min(HELD_MAX));
            Ok(())
        });
    }
}

#[test]
fn pieces_that_never_end_are_refused_at_a_bound() {
    let (mut reader, mut bytes) = (FrameReader::default(), Vec::new());
    write_frame(Kind::Message, 1, &[7; 8 << 10], false, &mut bytes);
    let refused = (0..200).find(|_| reader.read(&bytes, |_, _, _| panic!("nothing is whole")).is_err());
    assert_eq!(refused, Some(BYTES_MAX / (8 << 10)), "one message is at most 1 MiB");

    let mut reader = FrameReader::default();
    let refused = (0..1_000_u64).find(|number| {
        let mut bytes = Vec::new();
        write_frame(Kind::Question, *number, &[7; 100], false, &mut bytes);
        reader.read(&bytes, |_, _, _| panic!("nothing is whole")).is_err()
    });
    assert_eq!(refused, Some(64), "at most 64 are put together at a time");
}
