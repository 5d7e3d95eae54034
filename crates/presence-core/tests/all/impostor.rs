//! A member that makes a certificate in another node's name: the first key of a name stays that name's until the node has left.

use presence_core::{Input, LinkId, PeerState};

use crate::by_hand::{ByHand, published};
use crate::misbehaving::{linked, state_of};
use crate::said::{Beat, SaidRow, Sender, delta};

#[test]
fn a_link_in_another_node_s_name_takes_its_place_only_when_that_node_has_left_or_is_gone() {
    let (mut node, mut third) = (linked(), ByHand::start("third"));
    node.resolve(&["third", "elsewhere"]);
    node.dialled("third", 2, "third");
    third.pass(4_000);
    node.receive(2, &third.heartbeat());
    node.pass(1_000);
    let mut impostor = ByHand::start_signed("third", "another key");
    impostor.pass(8_000);
    let made_up = SaidRow { user: 9, number: 1, counts: 1, info: Vec::new(), took: Vec::new() };
    let mut link = 10;
    let mut heard_impostor = |node: &mut ByHand, bytes: &[u8]| {
        let before = node.rejected();
        node.give(Input::LinkLost { link: LinkId(link - 1) });
        node.dialled("elsewhere", link, "third");
        node.receive(link, &delta(&Sender::of("third"), 0, 1, std::slice::from_ref(&made_up)));
        node.receive(link, bytes);
        node.receive(link, &delta(&Sender::of("third"), 0, 1, std::slice::from_ref(&made_up)));
        link += 1;
        (node.rejected() - before, node.users_and_tabs().0)
    };
    node.give(Input::LinkLost { link: LinkId(2) });
    // With its own key, without one, or with the signature of something else.
    let stolen = {
        let mut beat = third.heartbeat();
        beat[60] ^= 1;
        beat
    };
    for bytes in [impostor.heartbeat(), Beat::default().write(&Sender::of("third")), stolen] {
        assert_eq!(heard_impostor(&mut node, &bytes), (1, 0));
    }
    node.pass(4_000);
    assert_eq!(state_of(&node, "third"), Some(PeerState::Silent));
    assert_eq!(heard_impostor(&mut node, &impostor.heartbeat()), (1, 0));
    // It comes back, and leaves: its next start may have a new key.
    node.pass(10_000);
    node.dialled("third", 3, "third");
    node.receive(3, &third.heartbeat());
    node.pass(1_000);
    assert_eq!(state_of(&node, "third"), Some(PeerState::Live));
    third.give(Input::Drained);
    for bytes in published(&third.give(Input::Emptied)) {
        node.receive(3, &bytes);
    }
    node.pass(1_000);
    assert_eq!(state_of(&node, "third"), Some(PeerState::Departed));
    assert_eq!(heard_impostor(&mut node, &impostor.heartbeat()).0, 0);
}
