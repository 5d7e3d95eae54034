//! A node that says hello but can't be dialled: its operator is told where it is tried.

use presence_core::{DialError, Output};

use crate::by_hand::{ByHand, dials};
use crate::links::{fails, says_hello};

/// How many lines of these outputs say that the other node can't be reached.
fn told(outputs: &[Output]) -> usize {
    let told = outputs.iter().filter(
        |output| matches!(output, Output::Tell(notice) if notice.message.starts_with("Node there reaches this node")),
    );
    told.count()
}

#[test]
fn a_node_that_was_heard_after_its_hello_and_then_is_killed_is_not_said_to_be_out_of_reach() {
    let (mut node, mut other) = (ByHand::start("here"), ByHand::start("there"));
    other.pass(4_000);
    let hello = other.hello("here", 7, "here");
    says_hello(&mut node, &hello);
    node.dialled("there", 1, "there");
    node.receive(1, &other.heartbeat());
    let lines = (0..12).map(|_| told(&node.pass(1_000)));
    assert_eq!(lines.sum::<usize>(), 0);
}

#[test]
fn a_node_that_says_hello_and_can_t_be_reached_is_told_once_a_minute_and_until_it_is_heard() {
    let (mut node, mut other) = (ByHand::start("here"), ByHand::start("there"));
    other.pass(4_000);
    let hello = other.hello("here", 7, "here");
    let degraded = |node: &ByHand| node.degraded().iter().any(|text| text.contains("there: it does not answer."));
    let (mut lines, mut dialled) = (0, Vec::new());
    for second in 0..70 {
        let outputs = says_hello(&mut node, &hello);
        dialled.extend(dials(&outputs));
        let mut later = Vec::new();
        for address in std::mem::take(&mut dialled) {
            later.extend(fails(&mut node, &address, DialError::NoAnswer));
        }
        later.extend(node.pass(1_000));
        dialled = dials(&later);
        lines += told(&outputs) + told(&later);
        // The fifth second ends just when it is told: the view of the mesh, made once a second, may say so already.
        assert!(second == 4 || degraded(&node) == (second > 4), "after {second} s");
        let due = [4, 64].iter().filter(|due| second >= **due).count();
        assert_eq!(lines, due, "after {second} s");
    }
    // Now it is reached.
    while dialled.is_empty() {
        let mut outputs = says_hello(&mut node, &hello);
        outputs.extend(node.pass(100));
        dialled = dials(&outputs);
    }
    assert_eq!(dialled, ["there"]);
    node.dialled("there", 1, "there");
    let beat = other.heartbeat();
    node.receive(1, &beat);
    // It is heard: no further hello is needed to know that.
    assert_eq!(told(&node.pass(1_000)), 0);
    let named: Vec<String> =
        node.degraded().into_iter().filter(|text| text.starts_with("Node there reaches")).collect();
    assert_eq!(named, [""; 0]);
}
