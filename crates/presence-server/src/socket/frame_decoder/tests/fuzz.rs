//! Any bytes as frames.

use presence_fuzz::{Property, changed_bytes};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{conversation, read};

#[test]
fn any_bytes_are_decoded_refused_or_waited_for_wherever_they_are_cut() {
    let bytes = prop_oneof![
        3 => changed_bytes(vec![conversation(), super::frame(0x81, &[b'x'; 1_000]), super::frame(0x01, &[b'x'; 300])]),
        1 => vec(any::<u8>(), 0..300),
    ];
    Property::WebSocketFrames.holds(&(bytes, vec(any::<Index>(), 0..4)), |(bytes, cuts)| {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        prop_assert_eq!(read(&bytes, &cuts), read(&bytes, &[]));
        Ok(())
    });
}
