//! What a valid member may say that is wrong: its own link suffers, and no one else.

use presence_core::{DialError, Input, Output, PeerState};

use crate::by_hand::{ByHand, asked, dials, hash};
use crate::malformed::click;
use crate::passing::{join, seen, wait};
use crate::said::{Beat, SaidRow, Sender, delta, hello, hello_answer, leaving, relayed};
use crate::world::World;

/// A node with a link to another one.
pub(crate) fn linked() -> ByHand {
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

pub(crate) fn state_of(node: &ByHand, name: &str) -> Option<PeerState> {
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

#[test]
fn a_hello_in_another_node_s_name_ends_no_node_and_is_not_answered() {
    let mut node = linked();
    node.pass(10_000);
    for name in ["here", "third"] {
        let said = Sender { incarnation: 1, birth: 1, ..Sender::of(name) };
        let outputs = node.ask("there", &hello(&said, &["elsewhere".to_owned()]));
        let notices = outputs.iter().filter(|output| matches!(output, Output::Tell(_))).count();
        assert_eq!(notices, usize::from(name == "here"), "the operator hears of it once a minute");
        assert_eq!(outputs.len(), notices, "{outputs:?}");
    }
    assert_eq!(node.rejected(), 2);
}

/// Its next heartbeat, as another node relays it.
pub(crate) fn relayed_beat(of: &mut ByHand, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut beat = of.heartbeat();
    change(&mut beat);
    relayed(&Sender::of("there"), 0, &beat)
}

#[test]
fn what_is_relayed_is_believed_if_its_author_has_signed_it() {
    let (mut node, mut third) = (linked(), ByHand::start("third"));
    third.pass(4_000);
    node.receive(1, &relayed(&Sender::of("there"), 0, &Beat::default().write(&Sender::of("third"))));
    node.receive(1, &relayed_beat(&mut third, |beat| beat[60] ^= 1));
    node.pass(1_000);
    assert_eq!((state_of(&node, "third"), node.rejected()), (None, 2));
    node.receive(1, &relayed_beat(&mut third, |_| ()));
    node.pass(1_000);
    assert_eq!(state_of(&node, "third"), Some(PeerState::Live));
    // The first key of a name stays that name's.
    let invented = relayed_beat(&mut ByHand::start_signed("third", "another key"), |_| ());
    node.receive(1, &invented);
    node.receive(1, &relayed(&Sender::of("there"), 0, &leaving(&Sender::of("third"), true, 0, 1_000)));
    assert_eq!(node.rejected(), 4);
    node.pass(4_200);
    assert_eq!(state_of(&node, "third"), Some(PeerState::Silent));
}

#[test]
fn what_a_dead_node_said_does_not_bring_it_back_when_it_is_relayed_again() {
    let (mut node, mut third) = (linked(), ByHand::start("third"));
    third.pass(4_000);
    let beat = relayed_beat(&mut third, |_| ());
    for _ in 0..60 {
        node.receive(1, &beat);
        node.receive(1, &relayed(&Sender::of("there"), 0, &delta(&Sender::of("third"), 0, 1, &[])));
        node.pass(100);
    }
    assert_eq!(state_of(&node, "third"), Some(PeerState::Silent));
}

#[test]
fn a_node_that_says_that_it_is_there_has_not_left_whatever_others_say() {
    let (mut node, mut third) = (linked(), ByHand::start("third"));
    node.resolve(&["third"]);
    node.dialled("third", 2, "third");
    third.pass(4_000);
    for _ in 0..40 {
        let beat = third.heartbeat();
        node.receive(2, &beat);
        let left = vec![(hash("third"), 5, 1)];
        let mono_ms = third.now.mono.0;
        node.receive(1, &Beat { left, mono_ms, ..Beat::default() }.write(&Sender::of("there")));
        node.pass(1_000);
        assert_eq!(state_of(&node, "third"), Some(PeerState::Live));
    }
}

pub(crate) fn users(world: &World, host: usize) -> u32 {
    world.hosts[host].views[&crate::passing::room("chat")].users
}

#[test]
fn of_two_nodes_with_one_name_the_younger_ends_and_the_older_stays_heard() {
    for seed in 1..=20 {
        let mut world = World::new(seed, &["ams", "iad", "iad", "maa"]);
        world.aborts = Some(Vec::new());
        world.hosts[2].name = world.hosts[1].name.clone();
        for host in [0, 3, 1] {
            world.start(host);
        }
        world.run_until(10_000);
        join(&mut world, 1, 1, "chat", 7, seen("Ann"));
        world.start(2);
        wait(&mut world, 20_000);
        let aborts = world.aborts.clone().expect("expected");
        assert_eq!(aborts.iter().map(|(host, _)| *host).collect::<Vec<_>>(), [2], "seed {seed}: {aborts:?}");
        assert!(aborts[0].1.contains("Give one of them another --node"), "{aborts:?}");
        assert!(world.notices.iter().any(|notice| notice.contains("younger than this one and will end")));
        wait(&mut world, 20_000);
        for host in [0, 1, 3] {
            assert_eq!(users(&world, host), 1, "seed {seed}: host {host}");
        }
    }
}

/// A node that hears another one with that clock for a while.
fn hearing_clock(wall_ms: u64) -> ByHand {
    let mut node = linked();
    node.pass(4_000);
    for _ in 0..10 {
        let mono_ms = node.now.mono.0;
        node.receive(1, &Beat { wall_ms, mono_ms, ..Beat::default() }.write(&Sender::of("there")));
        node.pass(500);
    }
    node
}

/// The stamp's time and the end of a click's fact.
fn clicked(node: &mut ByHand) -> (u64, u64) {
    node.join(7);
    node.give(click());
    let outputs = node.pass(2_000);
    drop(outputs);
    node.fact_times().pop().expect("one fact")
}

#[test]
fn a_clock_at_0_or_at_the_end_of_time_moves_no_fact() {
    for wall_ms in [0, 1_800_000_000_000 - 80_000_000, u64::MAX, u64::MAX - 1] {
        let mut node = linked();
        let (stamped, ends) = clicked(&mut node);
        let mut beside = hearing_clock(wall_ms);
        let (near, _) = clicked(&mut beside);
        assert!(near.abs_diff(beside.now.wall.0) < 3_600_000, "stamped at {near}, hearing {wall_ms}");
        for _ in 0..20 {
            let mono_ms = node.now.mono.0;
            node.receive(1, &Beat { wall_ms, mono_ms, ..Beat::default() }.write(&Sender::of("there")));
            node.pass(500);
        }
        assert_eq!(node.fact_times(), [(stamped, ends)], "hearing {wall_ms}");
    }
}

#[test]
fn a_clock_that_is_far_off_is_told() {
    for (wall_ms, told) in [
        (1_800_000_000_000 + 400 * 86_400_000, "is 399 days behind the other nodes'"),
        (1_800_000_000_000 + 180_000, "behind the other nodes'"),
        (1_800_000_000_000 - 180_000, "ahead of the other nodes': theirs is used. Set it."),
        (1_800_000_000_000 - 400 * 86_400_000, "is 400 days ahead of the other nodes': set it, or clicks here"),
    ] {
        let node = hearing_clock(wall_ms);
        assert!(node.degraded().iter().any(|what| what.contains(told)), "{:?}", node.degraded());
    }
    assert!(!hearing_clock(1_800_000_004_000).degraded().iter().any(|what| what.contains("clock")));
}

#[test]
fn only_four_addresses_that_another_node_names_are_dialled_at_a_time() {
    let mut node = linked();
    let nodes: Vec<(String, String)> = (0..100).map(|n| (format!("node-{n}"), format!("at-{n}"))).collect();
    let bytes = Some(hello_answer(&Sender::of("there"), 0, &nodes));
    let outputs = node.give(Input::Answered { question: 1, bytes });
    assert_eq!(dials(&outputs).len(), 4);
    assert_eq!(dials(&node.pass(1_000)).len(), 0);
    let failed = Input::Dialled { address: dials(&outputs)[0].clone(), result: Err(DialError::NoAnswer) };
    assert_eq!(dials(&node.give(failed)).len() + dials(&node.pass(200)).len(), 1, "the next one's turn");
}
