//! What a valid member may have others keep is bounded.

use presence_core::{Input, Output};

use crate::by_hand::{ByHand, dials};
use crate::misbehaving::linked;
use crate::said::{self, Beat, Sender};

/// Facts as another node sends them.
fn facts(first: u64, count: u64, lasts_ms: u64) -> Vec<u8> {
    let stamp_ms = 1_800_000_000_000;
    let written = (first..first + count).map(|number| said::fact(number, stamp_ms, stamp_ms + lasts_ms));
    said::bundle(&Sender::of("there"), &written.collect::<Vec<_>>())
}

#[test]
fn facts_are_bounded_in_number_and_in_time() {
    let mut node = ByHand::start("here");
    node.resolve(&["there"]);
    node.dialled("there", 1, "there");
    node.receive(1, &Beat::default().write(&Sender::of("there")));
    node.receive(1, &facts(0, 1, 401 * 86_400_000));
    assert_eq!(node.fact_times().len(), 0);
    node.pass(1_000);
    let mut sent = 0;
    while sent < 110_000 {
        node.receive(1, &facts(sent, 2_500, 86_400_000));
        sent += 2_500;
        node.pass(500);
    }
    assert_eq!(node.fact_times().len(), 100_000);
    assert_eq!(node.rejected(), 0);
    node.pass(1_000);
    for _ in 0..3 {
        node.receive(1, &facts(0, 2_500, 86_400_000));
    }
    assert_eq!(node.rejected(), 1, "7,500 facts in a second");
}

/// The node is told of as many others as it may know, at more addresses.
fn tell_of_many(node: &mut ByHand) -> Vec<Output> {
    let nodes = (0..200).map(|n| (format!("node-{n}"), (0..16).map(|at| format!("at-{n}-{at}")).collect()));
    let bytes = said::hello_answer_of_many(&Sender::of("there"), 0, &nodes.collect::<Vec<_>>());
    node.give(Input::Answered { question: 1, bytes: Some(bytes) })
}

#[test]
fn a_configured_address_and_a_newcomer_find_room_among_addresses_that_were_only_told() {
    let mut node = linked();
    tell_of_many(&mut node);
    let mut outputs = node.resolve(&["there", "configured"]);
    outputs.extend(node.pass(1_000));
    assert!(dials(&outputs).contains(&"configured".to_owned()), "{:?}", dials(&outputs));
    let mut newcomer = ByHand::start("newcomer");
    newcomer.pass(4_000);
    let hello = newcomer.hello("here", 7, "here");
    let outputs = node.ask("newcomer", &hello);
    assert!(dials(&outputs).contains(&"newcomer".to_owned()), "{:?}", dials(&outputs));
}

#[test]
fn an_address_that_was_never_reached_is_not_kept_for_the_next_start() {
    let mut node = linked();
    let outputs = tell_of_many(&mut node);
    let kept = outputs.iter().filter_map(|output| match output {
        Output::Remember { addresses, .. } => Some(addresses.clone()),
        _ => None,
    });
    assert_eq!(kept.collect::<Vec<_>>().pop(), Some(vec!["there".to_owned()]));
}

#[test]
fn an_answer_to_hello_fits_into_a_message_however_long_the_addresses_are() {
    let mut node = linked();
    for number in 0..250 {
        let name = format!("node-{number}");
        let advertised = (0..16).map(|n| format!("{:x<1$}", format!("{name}-{n}-"), if n == 0 { 60_000 } else { 300 }));
        node.ask(&name, &said::hello(&Sender::of(&name), &advertised.collect::<Vec<_>>()));
    }
    let outputs = node.ask("asker", &said::hello(&Sender::of("asker"), &["asker".to_owned()]));
    let answers = outputs.iter().filter_map(|output| match output {
        Output::Reply { bytes, .. } => Some(bytes.len()),
        _ => None,
    });
    let longest = answers.max().expect("an answer");
    assert!((100_000..=1 << 20).contains(&longest), "{longest} bytes");
}

#[test]
fn a_fact_that_is_removed_is_gone_also_where_its_tombstone_finds_no_room() {
    let mut node = linked();
    node.receive(1, &Beat::default().write(&Sender::of("there")));
    let stamp_ms = 1_800_000_000_000;
    let send = |node: &mut ByHand, facts: Vec<Vec<u8>>| node.receive(1, &said::bundle(&Sender::of("there"), &facts));
    send(&mut node, vec![said::fact_or_tombstone("bulb", stamp_ms, Some("on"))]);
    for part in 0..16 {
        let newer = (0..1_024).map(|n| said::fact_or_tombstone(&format!("key-{part}-{n}"), stamp_ms + 2, None));
        send(&mut node, newer.collect());
        node.pass(1_000);
    }
    assert_eq!(node.fact_times().len(), 16_385);
    let outputs = send(&mut node, vec![said::fact_or_tombstone("bulb", stamp_ms + 1, None)]);
    assert_eq!(node.fact_times().len(), 16_384);
    let erased = outputs.iter().filter(|output| matches!(output, Output::Keep { record: None, .. })).count();
    assert_eq!(erased, 1, "it is taken off the disk");
}

#[test]
fn a_fact_that_replaces_another_may_be_longer_but_not_without_end() {
    let mut node = linked();
    node.receive(1, &Beat::default().write(&Sender::of("there")));
    let value = |bytes: usize| "x".repeat(bytes);
    let mut write = |stamp_ms: u64, value: &str| {
        for part in 0..200 {
            let facts = (0..200).map(|n| said::fact_or_tombstone(&format!("{part}-{n}"), stamp_ms, Some(value)));
            node.receive(1, &said::bundle(&Sender::of("there"), &facts.collect::<Vec<_>>()));
            node.pass(200);
        }
        node.fact_times().iter().filter(|(stamped, _)| *stamped == stamp_ms).count()
    };
    let (first, second) = (1_800_000_000_000, 1_800_000_000_001);
    assert_eq!(write(first, &value(1_000)), 40_000);
    let replaced = write(second, &value(4_000));
    assert!((10_000..40_000).contains(&replaced), "{replaced} of 40,000");
}

#[test]
fn how_complete_history_is_stays_known_however_often_another_node_was_started() {
    let mut node = linked();
    node.pass(1_000);
    let mut complete = None;
    for incarnation in 5..1_200 {
        let sender = Sender { incarnation, ..Sender::of("there") };
        let mut outputs = node.receive(1, &Beat::default().write(&sender));
        outputs.extend(node.pass(100));
        for output in outputs {
            if let Output::Complete { ms } = output {
                complete = Some((incarnation, ms.is_some()));
            }
        }
    }
    assert_eq!(complete.map(|(_, known)| known), Some(true), "{complete:?}");
}

#[test]
fn what_another_node_of_our_name_says_of_itself_is_one_short_line() {
    let mut node = ByHand::start("here");
    node.pass(6_000);
    let twin = Sender { incarnation: 6, birth: 1, ..Sender::of("here") };
    let addresses = ["twin\nERROR all facts are lost".to_owned(), "x".repeat(60_000)];
    let addresses: Vec<String> = addresses.iter().cycle().take(16).cloned().collect();
    let outputs = node.ask("here", &said::hello(&twin, &addresses));
    let lines = outputs.iter().filter_map(|output| match output {
        Output::Tell(notice) => Some(notice.message.to_string()),
        _ => None,
    });
    let lines: Vec<String> = lines.collect();
    assert!(lines.len() == 1 && lines[0].contains("called here too"), "{lines:?}");
    assert!(lines[0].len() < 2_000 && !lines[0].contains('\n'), "{lines:?}");
}
