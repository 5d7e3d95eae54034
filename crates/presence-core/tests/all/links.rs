//! Links between nodes: which are kept, when an address is dialled again, and what the view of the mesh says of them.

use presence_core::{DialError, Input, LinkId, Output, Urgency, kind_name};

use crate::by_hand::{ByHand, asked, dials, hash, heartbeats, hung_up, published};
use crate::misbehaving::relayed_beat;

pub(crate) fn fails(node: &mut ByHand, address: &str, error: DialError) -> Vec<Output> {
    node.give(Input::Dialled { address: address.to_owned(), result: Err(error) })
}

pub(crate) fn says_hello(node: &mut ByHand, hello: &[u8]) -> Vec<Output> {
    node.ask("there", hello)
}

/// A node with a link to another one, over which it has heard it.
fn linked() -> (ByHand, ByHand) {
    let (mut node, mut other) = (ByHand::start("here"), ByHand::start("there"));
    // Both publish from now on.
    node.pass(4_000);
    other.pass(4_000);
    node.resolve(&["there"]);
    node.dialled("there", 1, "there");
    let beat = other.heartbeat();
    node.receive(1, &beat);
    (node, other)
}

#[test]
fn a_second_link_to_one_node_is_closed_at_once() {
    let mut node = ByHand::start("here");
    assert_eq!(dials(&node.resolve(&["a", "b"])), ["a", "b"]);
    assert!(asked(&node.dialled("a", 1, "there")).is_some());
    let outputs = node.dialled("b", 2, "there");
    assert_eq!((hung_up(&outputs), asked(&outputs)), (vec![2], None));
    assert_eq!(dials(&node.pass(5_000)), [""; 0], "it is reached already");
}

#[test]
fn a_link_on_which_another_node_speaks_is_closed() {
    let mut node = ByHand::start("here");
    node.resolve(&["there"]);
    node.dialled("there", 1, "there");
    let beat = ByHand::start("impostor").heartbeat();
    let outputs = node.receive(1, &beat);
    assert_eq!(hung_up(&outputs), [1]);
    node.pass(1_000);
    assert_eq!(node.mesh.as_ref().map(|mesh| mesh.nodes.len()), Some(1), "what it said was not taken");
}

#[test]
fn a_lost_link_is_dialled_again_at_once() {
    let (mut node, _) = linked();
    node.pass(1_500);
    let outputs = node.give(Input::LinkLost { link: LinkId(1) });
    assert_eq!((dials(&outputs), hung_up(&outputs)), (vec!["there".to_owned()], Vec::new()));
}

#[test]
fn a_link_that_breaks_again_and_again_is_no_busy_loop() {
    let mut node = ByHand::start("here");
    let mut waiting = dials(&node.resolve(&["there"]));
    let mut dialled = 0;
    for link in 0..100 {
        for address in std::mem::take(&mut waiting) {
            dialled += 1;
            node.dialled(&address, link, "there");
            waiting.extend(dials(&node.give(Input::LinkLost { link: LinkId(link) })));
        }
        waiting.extend(dials(&node.pass(100)));
    }
    assert!((15..=25).contains(&dialled), "{dialled} dials in 10 s");
}

#[test]
fn a_node_that_left_is_not_dialled_at_once_and_what_it_said_before_is_still_taken() {
    let (mut node, mut other) = linked();
    let mut late = published(&other.join(7));
    other.give(Input::Drained);
    let last_words = published(&other.give(Input::Emptied));
    for bytes in &last_words {
        assert_eq!(hung_up(&node.receive(1, bytes)), [0; 0], "a delta is still on its way");
    }
    late.extend(last_words);
    let outputs: Vec<Output> = late.iter().flat_map(|bytes| node.receive(1, bytes)).collect();
    assert_eq!(hung_up(&outputs), [1], "everything is known");

    let (mut node, mut other) = linked();
    other.join(7);
    other.give(Input::Drained);
    published(&other.give(Input::Emptied)).iter().for_each(|bytes| drop(node.receive(1, bytes)));
    node.pass(1_200);
    assert_eq!(dials(&node.give(Input::LinkLost { link: LinkId(1) })), [""; 0]);
}

#[test]
fn a_hello_starts_the_dial_of_its_sender_again_but_not_too_often_and_not_for_ever() {
    let mut node = ByHand::start("here");
    let hello = ByHand::start("there").hello("here", 1, "here");
    assert_eq!(dials(&node.resolve(&["there"])), ["there"]);
    node.pass(1_000);
    assert_eq!(dials(&says_hello(&mut node, &hello)), ["there"]);
    node.pass(300);
    assert_eq!(dials(&says_hello(&mut node, &hello)), [""; 0], "that was a moment ago");
    node.pass(300);
    assert_eq!(dials(&says_hello(&mut node, &hello)), ["there"]);
    node.pass(4_000);
    assert_eq!(dials(&says_hello(&mut node, &hello)), [""; 0], "it must fail some time");
    fails(&mut node, "there", DialError::NoAnswer);
    node.pass(100);
    assert_eq!(dials(&says_hello(&mut node, &hello)), [""; 0]);
    node.pass(400);
    assert!(!dials(&fails(&mut node, "there", DialError::NoAnswer)).contains(&"there".to_owned()));
    assert_eq!(dials(&says_hello(&mut node, &hello)), ["there"], "no waiting after a failed dial");
}

#[test]
fn a_live_node_that_only_another_one_hears_is_dialled_soon_however_long_its_address_had_to_wait() {
    let ((mut node, mut other), mut third) = (linked(), ByHand::start_at("third", vec!["far".to_owned()]));
    third.pass(4_000);
    let hello = third.hello("here", 1, "here");
    let mut dialled = dials(&node.ask("third", &hello));
    assert_eq!(dialled, ["far"]);
    for _ in 0..40 {
        for address in std::mem::take(&mut dialled) {
            fails(&mut node, &address, DialError::NoAnswer);
        }
        dialled = dials(&node.receive(1, &other.heartbeat()));
        dialled.extend(dials(&node.pass(1_000)));
    }
    assert_eq!(dialled, [""; 0], "the waits have become long");
    node.receive(1, &relayed_beat(&mut third, |_| ()));
    assert_eq!(dials(&node.pass(800)), ["far"]);
}

#[test]
fn a_node_that_says_hello_from_another_address_is_dialled_there_though_the_old_one_does_not_answer() {
    let (mut node, _) = linked();
    node.pass(1_400);
    assert_eq!(dials(&node.give(Input::LinkLost { link: LinkId(1) })), ["there"]);
    node.pass(600);
    let hello = ByHand::start_at("there", vec!["elsewhere".to_owned()]).hello("here", 1, "here");
    assert_eq!(dials(&says_hello(&mut node, &hello)), ["elsewhere"]);
}

#[test]
fn a_dial_that_has_just_begun_is_not_started_again() {
    let mut node = ByHand::start("here");
    let hello = ByHand::start("there").hello("here", 1, "here");
    assert_eq!(dials(&node.resolve(&["there"])), ["there"]);
    node.pass(100);
    assert_eq!(dials(&says_hello(&mut node, &hello)), [""; 0]);
}

#[test]
fn other_addresses_of_this_node_are_told_at_once_and_not_dialled() {
    let (mut node, mut other) = linked();
    node.give(Input::Resolved { addresses: vec!["there".to_owned(), "new".to_owned()] });
    let outputs = node.give(Input::Readdressed { advertised: vec!["new".to_owned()] });
    let hello = asked(&outputs).expect("hello on every link");
    assert_eq!(dials(&node.pass(5_000)), [""; 0], "its own address");
    assert_eq!(dials(&other.ask("here", &hello)), ["new"]);
}

#[test]
fn an_address_that_was_this_node_s_own_may_be_another_s_later() {
    let mut node = ByHand::start_at("here", vec!["old".to_owned()]);
    node.resolve(&["also-here"]);
    let hello = asked(&node.dialled("also-here", 1, "here")).expect("hello");
    let answer = node.ask("here", &hello);
    let bytes = answer.into_iter().find_map(|output| match output {
        Output::Reply { bytes, .. } => Some(bytes),
        _ => None,
    });
    assert_eq!(hung_up(&node.give(Input::Answered { question: 1, bytes })), [1], "it leads here");
    assert_eq!(dials(&node.pass(10_000)), [""; 0]);
    node.give(Input::Readdressed { advertised: vec!["new".to_owned()] });
    assert_eq!(dials(&node.pass(200)), ["also-here"]);
}

#[test]
fn a_hello_of_a_node_that_is_heard_hastens_no_heartbeat() {
    let (mut node, mut other) = linked();
    let hello = other.hello("here", 1, "here");
    node.heartbeat();
    let mut said = 0;
    for _ in 0..20 {
        for _ in 0..2 {
            let beats = other.pass(100);
            heartbeats(&beats).iter().for_each(|beat| drop(node.receive(1, beat)));
        }
        says_hello(&mut node, &hello);
        said += heartbeats(&node.pass(200)).len();
    }
    // One each 0.4 s, since the other one does not say that it hears this one; none for a hello.
    assert!((9..=11).contains(&said), "{said} heartbeats in 4 s");
}

#[test]
fn heartbeats_are_more_urgent_than_anything_else() {
    let mut node = ByHand::start("here");
    let mut outputs = node.pass(6_000);
    outputs.extend(node.join(7));
    outputs.extend(node.pass(2_000));
    let urgencies = outputs.iter().filter_map(|output| match output {
        Output::Publish { bytes, urgency, .. } => Some((kind_name(bytes) == Some("Heartbeat"), *urgency)),
        _ => None,
    });
    let mut both = [false; 2];
    for (heartbeat, urgency) in urgencies {
        assert_eq!(urgency, if heartbeat { Urgency::Heartbeat } else { Urgency::High });
        both[usize::from(heartbeat)] = true;
    }
    assert_eq!(both, [true; 2]);
}

#[test]
fn the_mesh_says_which_configured_addresses_only_an_operator_can_mend() {
    let (mut node, mut other) = linked();
    node.resolve(&["there", "secret", "slow"]);
    fails(&mut node, "secret", DialError::WrongSecret);
    fails(&mut node, "slow", DialError::NoAnswer);
    node.pass(1_000);
    let secret = format!("Could not reach secret: {}", DialError::WrongSecret);
    assert!(node.degraded().contains(&secret), "{:?}", node.degraded());
    assert!(!node.degraded().iter().any(|what| what.contains("slow")), "{:?}", node.degraded());
    let beat = other.heartbeat();
    node.receive(1, &beat);
    node.dialled("secret", 2, "third");
    node.pass(1_000);
    assert!(!node.degraded().contains(&secret), "it is reached: {:?}", node.degraded());
}

#[test]
fn while_no_node_is_heard_the_mesh_says_why_for_at_most_eight_addresses() {
    let mut node = ByHand::start("here");
    let names: Vec<String> = (0..20).map(|number| format!("node-{number:02}")).collect();
    node.resolve(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for name in &names {
        fails(&mut node, name, DialError::NoAnswer);
    }
    node.pass(5_000);
    let degraded = node.degraded();
    assert_eq!(degraded[0], "No other node has been heard yet.");
    assert_eq!(degraded[1], "Could not reach node-00: it does not answer.");
    assert_eq!(degraded.iter().filter(|what| what.starts_with("Could not reach")).count(), 8);
}

#[test]
fn a_list_of_heard_nodes_is_understood_in_any_order() {
    let (mut node, mut other) = linked();
    let mut third = ByHand::start("third");
    other.resolve(&["here", "third"]);
    other.dialled("here", 1, "here");
    other.dialled("third", 2, "third");
    let mut told = false;
    for _ in 0..15 {
        let (here, third) = (node.heartbeat(), third.heartbeat());
        other.receive(1, &here);
        other.receive(2, &third);
        let beat = unsorted(other.heartbeat());
        told |= beat.1;
        node.receive(1, &beat.0);
    }
    assert!(told, "both were named");
    assert!(!node.degraded().iter().any(|what| what.contains("does not hear this node")), "{:?}", node.degraded());
}

/// The heartbeat with its two heard nodes the other way round, and whether it names them.
fn unsorted(mut bytes: Vec<u8>) -> (Vec<u8>, bool) {
    let mut names = [hash("here"), hash("third")].map(|hash| hash.0);
    names.sort_unstable();
    let list = |names: [u64; 2]| names.map(|name| [&[0x1b][..], &name.to_be_bytes()].concat()).concat();
    let (sorted, unsorted) = (list(names), list([names[1], names[0]]));
    let at = bytes.windows(sorted.len()).position(|window| window == sorted);
    if let Some(at) = at {
        bytes[at..at + unsorted.len()].copy_from_slice(&unsorted);
    }
    (bytes, at.is_some())
}
