//! Messages of other nodes that are broken, cut short or changed: they are not read, and cost next to nothing.

use std::collections::BTreeSet;

use presence_core::{Input, LinkId, Output};

use crate::by_hand::{ByHand, dials, hash};

/// Messages of every kind as two nodes that hear each other say them: broadcasts, questions, answers.
pub(crate) fn valid() -> Vec<Vec<u8>> {
    let (mut node, mut other) = (ByHand::start("here"), ByHand::start("there"));
    let mut found: Vec<Vec<u8>> = Vec::new();
    node.resolve(&["there"]);
    let mut orders = [node.dialled("there", 1, "there"), Vec::new()];
    other.resolve(&["here"]);
    orders[1].extend(other.dialled("here", 1, "here"));
    for step in 0..80 {
        for (index, outputs) in std::mem::take(&mut orders).into_iter().enumerate() {
            for output in outputs {
                let (to, input) = match output {
                    Output::Publish { bytes, .. } => (1 - index, Input::Received { link: LinkId(1), bytes }),
                    Output::Ask { question, bytes, .. } => {
                        (1 - index, Input::Asked { question, from: hash(["here", "there"][index]), bytes })
                    }
                    Output::Reply { question, bytes, .. } => {
                        (1 - index, Input::Answered { question, bytes: Some(bytes) })
                    }
                    _ => continue,
                };
                if let Input::Received { bytes, .. }
                | Input::Asked { bytes, .. }
                | Input::Answered { bytes: Some(bytes), .. } = &input
                    && found.iter().filter(|known| known[3] == bytes[3]).count() < 3
                {
                    found.push(bytes.clone());
                }
                let outputs = [&mut node, &mut other][to].give(input);
                orders[to].extend(outputs);
            }
        }
        match step {
            40 => orders[1].extend(other.join(7)),
            50 => orders[1].extend(other.give(click())),
            60 => orders[1].extend(other.give(Input::Drained)),
            _ => {}
        }
        orders[0].extend(node.pass(100));
        orders[1].extend(other.pass(100));
    }
    orders[1] = other.give(Input::Emptied);
    found.extend(crate::by_hand::published(&orders[1]));
    found
}

pub(crate) fn click() -> Input {
    let call = presence_core::Click::on("Bulb#set").attribute("data-id", "1");
    crate::app::click(
        presence_core::ConnectionId(7),
        presence_core::SubscriptionId(9),
        crate::world::World::room(),
        presence_core::UserId([7; 32]),
        &call,
    )
}

/// A node that knows another one and waits for the answer to its hello takes these bytes in every way that there is.
pub(crate) fn take(bytes: &[u8]) {
    let mut node = ByHand::start("here");
    node.resolve(&["there"]);
    node.dialled("there", 1, "there");
    let mut outputs = node.ask("there", bytes);
    outputs.extend(node.give(Input::Answered { question: 1, bytes: Some(bytes.to_vec()) }));
    outputs.extend(node.receive(1, bytes));
    outputs.extend(node.pass(400));
    assert!(outputs.len() < 2_000, "{} orders for {} bytes", outputs.len(), bytes.len());
}

#[test]
fn every_kind_is_among_the_valid_messages() {
    let kinds: BTreeSet<u8> = valid().iter().map(|bytes| bytes[3]).collect();
    let expected = [1, 2, 3, 4, 5, 16, 17, 48];
    assert!(expected.iter().all(|kind| kinds.contains(kind)), "{kinds:?}");
    valid().iter().for_each(|bytes| take(bytes));
}

#[test]
fn a_message_that_is_cut_short_is_not_read() {
    for bytes in valid() {
        (0..bytes.len()).for_each(|len| take(&bytes[..len]));
    }
}

#[test]
fn a_declared_length_is_not_believed() {
    for bytes in valid() {
        for at in 4..bytes.len() {
            // Byte strings, text, arrays and maps that claim to be longer than any memory.
            for header in [0x5b, 0x7b, 0x9b, 0xbb] {
                let mut changed = bytes[..at].to_vec();
                changed.push(header);
                changed.extend_from_slice(&(1_u64 << 60).to_be_bytes());
                changed.extend_from_slice(&bytes[at + 1..]);
                take(&changed);
            }
        }
    }
}

#[test]
fn a_message_nested_without_end_is_not_read() {
    for bytes in valid() {
        let mut nested = bytes.clone();
        nested.extend(std::iter::repeat_n(0x81, 500_000));
        take(&nested);
        let mut nested = bytes[..bytes.len().min(24)].to_vec();
        nested.extend(std::iter::repeat_n(0x9f, 500_000));
        take(&nested);
    }
}

#[test]
fn hellos_of_many_names_fill_no_memory() {
    let mut node = ByHand::start("here");
    let mut dialled = BTreeSet::new();
    for number in 0..400 {
        let advertised = (0..20).map(|port| format!("node-{number}:{port}")).collect();
        let hello = ByHand::start_at(&format!("node-{number}"), advertised).hello("here", 1, "here");
        let outputs = node.ask(&format!("node-{number}"), &hello);
        let reply = outputs.iter().find_map(|output| match output {
            Output::Reply { bytes, .. } => Some(bytes.len()),
            _ => None,
        });
        assert!(reply.is_some_and(|len| len < 1_000_000), "an answer that can be read");
        dialled.extend(dials(&outputs));
    }
    dialled.extend(dials(&node.pass(1_000)));
    assert!((16..=1_024).contains(&dialled.len()), "{} addresses are dialled", dialled.len());
}
