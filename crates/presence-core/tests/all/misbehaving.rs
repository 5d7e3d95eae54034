//! What a valid member may say that is wrong: its own link suffers, and no one else.

use presence_core::{Input, Output, PeerState};

use crate::by_hand::{ByHand, asked, hash};
use crate::said::{Beat, SaidRow, Sender, delta, hello_answer, leaving};

/// A node with a link to another one.
fn linked() -> ByHand {
    let mut node = ByHand::start("here");
    node.resolve(&["there"]);
    node.dialled("there", 1, "there");
    node
}

fn remembered(outputs: &[Output]) -> Vec<u64> {
    let remembered = outputs.iter().filter_map(|output| match output {
        Output::Remember { incarnation, .. } => Some(*incarnation),
        _ => None,
    });
    remembered.collect()
}

fn state_of(node: &ByHand, name: &str) -> Option<PeerState> {
    let mesh = node.mesh.as_ref()?;
    mesh.nodes.iter().find(|node| node.name.as_str() == name).map(|node| node.state)
}

#[test]
fn an_incarnation_that_no_clock_gives_is_not_read() {
    for incarnation in [u64::MAX, u64::MAX - 1, (1 << 48) + 1] {
        let mut node = linked();
        node.receive(1, &Beat::default().write(&Sender { incarnation, ..Sender::of("there") }));
        node.pass(1_000);
        assert_eq!(state_of(&node, "there"), None);
        node.receive(1, &Beat::default().write(&Sender::of("there")));
        node.pass(1_000);
        assert_eq!(state_of(&node, "there"), Some(PeerState::Live), "its true start is heard");
    }
}

#[test]
fn a_node_adopts_no_incarnation_that_it_could_not_go_on_from() {
    for (known, adopted) in [(8, vec![9]), (u64::MAX, vec![]), ((1 << 48) - 1, vec![5])] {
        let mut node = ByHand::start("here");
        node.resolve(&["there"]);
        let hello = asked(&node.dialled("there", 1, "there"));
        assert!(hello.is_some(), "a new link begins with hello");
        let bytes = Some(hello_answer(&Sender::of("there"), known, &[]));
        let outputs = node.give(Input::Answered { question: 1, bytes });
        assert_eq!(remembered(&outputs).last().copied().into_iter().collect::<Vec<_>>(), adopted, "told of {known}");
    }
}

#[test]
fn rows_with_the_greatest_numbers_are_cut_and_counted_right_when_they_are_gone() {
    let mut node = linked();
    let there = Sender::of("there");
    node.receive(1, &Beat::default().write(&there));
    node.join(7);
    let took = (0..100).map(|start| (hash("here"), start, u32::MAX)).collect();
    let row =
        |user| SaidRow { user, number: u64::from(user), counts: u32::MAX, info: vec![b'x'; 5_000], took: Vec::new() };
    let rows = [row(7), row(8), SaidRow { took, ..row(9) }];
    node.receive(1, &delta(&there, 0, u64::MAX, &rows));
    node.pass(1_000);
    assert!(node.counts_are_right());
    let (users, tabs) = node.users_and_tabs();
    // The tab that is open here takes the place of one that lingers there.
    assert_eq!((users, tabs), (3, 3 * 2 * 65_535));
    node.receive(1, &leaving(&there, true, u64::MAX, u64::MAX));
    node.pass(35_000);
    assert!(node.counts_are_right());
    assert_eq!(node.users_and_tabs(), (1, 1));
}
