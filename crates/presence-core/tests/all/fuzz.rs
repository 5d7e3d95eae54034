//! Everything that other nodes and the disk may say, tried for as long as there is time.

use std::sync::LazyLock;

use presence_core::{Mono, Node, Now, Output, TraceContext, Wall};
use presence_fuzz::{Property, changed_bytes, changed_text};
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

/// The header that stands for a trace, as version 00 writes it.
fn traceparent(context: &TraceContext) -> String {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("00-{}-{}-0{}", hex(&context.trace_id()), hex(&context.span_id()), u8::from(context.is_sampled()))
}

#[test]
fn a_traceparent_is_a_trace_with_the_ids_that_it_names_or_none() {
    let (trace, span) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    let valid = ["00-T-S-01", "00-T-S-00", "cc-T-S-fe-what-comes-later", "01-T-S-03-", "ff-T-S-01", "00-T-S-01-more"];
    let valid = valid.map(|text| text.replace('T', trace).replace('S', span));
    let none = [trace, span].map(|id| valid[0].replace(id, &"0".repeat(id.len())));
    Property::TraceParents.holds(&changed_text(valid.into_iter().chain(none).collect()), |text| {
        let Some(context) = TraceContext::parse(&text) else { return Ok(()) };
        prop_assert!(context.trace_id() != [0; 16] && context.span_id() != [0; 8], "{text}");
        let written = traceparent(&context);
        prop_assert_eq!(TraceContext::parse(&written), Some(context), "written as it is read");
        // Both are ASCII here, or the lengths would not fit.
        prop_assert_eq!(text.get(2..53), written.get(2..53), "the ids are those of the header");
        let flags = text.get(53..55).and_then(|flags| u8::from_str_radix(flags, 16).ok());
        prop_assert_eq!(flags.map(|flags| flags & 1 == 1), Some(context.is_sampled()), "{}", text);
        prop_assert!(!text.starts_with("ff") && (text.len() == 55 || !text.starts_with("00")), "{text}");
        let bytes = minicbor::to_vec(context).expect("writing to memory can't fail");
        prop_assert_eq!(minicbor::decode::<TraceContext>(&bytes).ok(), Some(context));
        Ok(())
    });
}
