//! What a member says of another node that is there: nothing that it says outweighs that node's own heartbeats.

use presence_core::{Input, LinkId, PeerState};

use crate::by_hand::{ByHand, hash, published};
use crate::misbehaving::{linked, relayed_beat, state_of};
use crate::said::{Beat, Sender};

/// What is said of a node that left is held for at most this long.
const HELD_MS: u64 = 30_000;

/// A member says that the third node left, and for how much longer its tabs are held; or nothing of it.
fn say_left(node: &mut ByHand, held_ms: Option<u64>) {
    let left = held_ms.map(|ms| (hash("third"), 5, ms)).into_iter().collect();
    let mono_ms = node.now.mono.0;
    node.receive(1, &Beat { left, mono_ms, ..Beat::default() }.write(&Sender::of("there")));
}

/// A node that has heard the third one, and then nothing for as long as a member says that it left.
fn told_that_it_left() -> (ByHand, ByHand) {
    let (mut node, mut third) = (linked(), ByHand::start("third"));
    node.resolve(&["third"]);
    node.dialled("third", 2, "third");
    third.pass(4_000);
    node.receive(2, &third.heartbeat());
    node.pass(2_000);
    assert_eq!(state_of(&node, "third"), Some(PeerState::Live));
    node.give(Input::LinkLost { link: LinkId(2) });
    say_left(&mut node, Some(HELD_MS));
    for _ in 0..=HELD_MS / 1_000 {
        node.pass(1_000);
        say_left(&mut node, None);
    }
    node.pass(200);
    assert_eq!(state_of(&node, "third"), None, "what was said has run out");
    third.pass(HELD_MS + 3_000);
    (node, third)
}

#[test]
fn a_node_that_was_said_to_have_left_is_met_again_as_soon_as_it_is_heard() {
    let (mut node, mut third) = told_that_it_left();
    node.dialled("third", 3, "third");
    node.receive(3, &third.heartbeat());
    node.pass(1_000);
    assert_eq!(state_of(&node, "third"), Some(PeerState::Live), "over its own link");
    let (mut node, mut third) = told_that_it_left();
    node.receive(1, &relayed_beat(&mut third, |_| ()));
    node.pass(1_000);
    assert_eq!(state_of(&node, "third"), Some(PeerState::Live), "through a relay");
    // The member goes on to say that it has run out, and a heartbeat or two is lost.
    for _ in 0..20 {
        say_left(&mut node, Some(0));
        node.pass(2_000);
        say_left(&mut node, Some(0));
        third.pass(2_000);
        node.receive(1, &relayed_beat(&mut third, |_| ()));
        node.pass(1_000);
        assert_eq!(state_of(&node, "third"), Some(PeerState::Live));
    }
}

#[test]
fn a_node_that_is_heard_through_a_relay_has_not_left_whatever_others_say() {
    let (mut node, mut third) = (linked(), ByHand::start("third"));
    third.pass(4_000);
    say_left(&mut node, Some(HELD_MS));
    for _ in 0..3 {
        node.receive(1, &relayed_beat(&mut third, |_| ()));
        node.pass(1_000);
    }
    assert_eq!(state_of(&node, "third"), Some(PeerState::Live));
}

#[test]
fn a_node_that_said_itself_that_it_leaves_is_not_met_again() {
    let (mut node, mut third) = (linked(), ByHand::start("third"));
    node.resolve(&["third"]);
    node.dialled("third", 2, "third");
    third.pass(4_000);
    node.receive(2, &third.heartbeat());
    let late = third.heartbeat();
    for bytes in published(&third.give(Input::Drained)) {
        node.receive(2, &bytes);
    }
    node.pass(HELD_MS + 1_000);
    assert_eq!(state_of(&node, "third"), None);
    node.dialled("third", 3, "third");
    node.receive(3, &late);
    node.pass(1_000);
    assert_eq!(state_of(&node, "third"), None, "its last words bring it back");
}
