//! Everything that other nodes and the disk may say, tried for as long as there is time.

use std::sync::LazyLock;

use presence_core::{Mono, Node, Now, Output, Wall};
use presence_fuzz::{Property, changed_bytes};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::by_hand::ByHand;
use crate::digest::settings;
use crate::malformed::{click, take, valid};
use crate::member_fuzz::{honest_nodes_stay_right, steps};

/// The valid messages, made once: they are always the same.
static VALID: LazyLock<Vec<Vec<u8>>> = LazyLock::new(valid);

#[test]
fn any_bytes_are_taken() {
    let kind = prop_oneof![1_u8..=9, 16_u8..=22, Just(48_u8), any::<u8>()];
    Property::AnyNodeMessage.holds(&(kind, vec(any::<u8>(), 0..300)), |(kind, rest)| {
        take(&rest);
        take(&[&[b'G', b'P', 1, kind][..], &rest].concat());
        Ok(())
    });
}

#[test]
fn a_valid_message_that_was_changed_is_taken() {
    Property::NodeMessages.holds(&changed_bytes(VALID.clone()), |bytes| {
        take(&bytes);
        Ok(())
    });
}

#[test]
fn whatever_a_member_says_the_others_stay_right() {
    Property::MemberMessages.holds(&steps(), |said| {
        honest_nodes_stay_right(&said);
        Ok(())
    });
}

/// The records of a node on which someone clicked.
fn records() -> Vec<Vec<u8>> {
    let mut node = ByHand::start("here");
    node.pass(4_000);
    node.join(7);
    let kept = node.give(click()).into_iter().filter_map(|output| match output {
        Output::Keep { record, .. } => record,
        _ => None,
    });
    kept.collect()
}

/// A node that begins with these records from its disk.
fn begin(records: &[Vec<u8>]) -> Node {
    let now = Now { mono: Mono(1_000_000), wall: Wall(1_800_000_000_000) };
    Node::new(settings("ams", "here", 6), records, Vec::new(), now)
}

#[test]
fn a_record_that_was_changed_is_read_or_left_out() {
    let records = records();
    assert!(!records.is_empty() && begin(&records).fact_times().len() == records.len());
    Property::FactRecords.holds(&vec(changed_bytes(records), 1..4), |records| {
        prop_assert!(begin(&records).fact_times().len() <= records.len());
        Ok(())
    });
}
