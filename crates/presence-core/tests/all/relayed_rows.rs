//! What a relay may make a node believe of another node's rows and messages: nothing that their author does not say.

use presence_core::{Input, LinkId, Output, kind_name};

use crate::by_hand::{ByHand, hash};
use crate::misbehaving::{linked, relayed_beat, users};
use crate::passing::{join, seen, wait, world};
use crate::said::{Beat, SaidRow, Sender, delta, published, relayed};

#[test]
fn rows_that_a_relay_makes_up_are_not_taken() {
    let mut world = world(&["ams", "iad", "maa"]);
    world.cut.insert((2, 0));
    wait(&mut world, 6_000);
    join(&mut world, 0, 1, "chat", 7, seen("Ann"));
    join(&mut world, 2, 2, "chat", 8, seen("Ben"));
    wait(&mut world, 1_000);
    assert_eq!(users(&world, 2), 2);
    let mesh = world.hosts[2].mesh.clone().expect("drawn");
    let author = mesh.nodes.iter().find(|node| node.name == world.hosts[0].name).expect("known");
    let said = Sender { name: author.name.to_string(), incarnation: author.incarnation, birth: 1 };
    let by = Sender { name: world.hosts[1].name.to_string(), incarnation: 1, birth: 1 };
    for number in [3, u64::MAX] {
        let made_up = SaidRow { user: 9, number, counts: 1, info: Vec::new(), took: Vec::new() };
        let before = world.hosts[2].node.as_ref().expect("up").rejected();
        world.inject(2, 1, &relayed(&by, 0, &delta(&said, 2, number, &[made_up])));
        assert_eq!(world.hosts[2].node.as_ref().expect("up").rejected(), before + 1);
    }
    wait(&mut world, 300);
    assert_eq!(users(&world, 2), 2, "no one has joined");
    join(&mut world, 0, 3, "chat", 10, seen("Cem"));
    wait(&mut world, 1_000);
    assert_eq!([users(&world, 0), users(&world, 2)], [3, 3], "true rows are relayed");
    let mesh = world.hosts[2].mesh.as_ref().expect("drawn");
    assert_eq!(mesh.root_faults, 0);
}

/// The node whose rows are asked for, with this many users, and what it answers to a request for all of them.
fn author(users: std::ops::Range<u8>) -> ByHand {
    let mut third = ByHand::start("third");
    third.pass(4_000);
    for user in users {
        third.join(user);
        third.pass(100);
    }
    third
}

fn rows_asked(outputs: &[Output]) -> Vec<(LinkId, u64, Vec<u8>)> {
    let asked = outputs.iter().filter_map(|output| match output {
        Output::Ask { link, question, bytes, .. } if kind_name(bytes) == Some("Rows") => {
            Some((*link, *question, bytes.clone()))
        }
        _ => None,
    });
    asked.collect()
}

fn answer(of: &mut ByHand, request: &[u8]) -> Option<Vec<u8>> {
    of.ask("here", request).into_iter().find_map(|output| match output {
        Output::Reply { bytes, .. } => Some(bytes),
        _ => None,
    })
}

/// A node that has one user, and hears "third" through "there" only.
fn hearing_through_a_relay(third: &mut ByHand) -> (ByHand, Vec<(LinkId, u64, Vec<u8>)>) {
    let mut node = linked();
    node.join(1);
    let mut outputs = node.receive(1, &relayed_beat(third, |_| ()));
    outputs.extend(node.pass(1_000));
    (node, rows_asked(&outputs))
}

#[test]
fn rows_that_a_relay_answers_with_are_believed_if_their_author_confirms_them() {
    let mut third = author(20..23);
    let (mut node, asked) = hearing_through_a_relay(&mut third);
    let [(_, question, request)] = &asked[..] else { panic!("{asked:?}") };
    node.give(Input::Answered { question: *question, bytes: answer(&mut third, request) });
    node.pass(200);
    assert_eq!((node.users_and_tabs().0, node.rejected()), (4, 0));
}

#[test]
fn rows_that_a_relay_makes_up_in_an_answer_are_never_drawn_and_it_is_not_asked_again() {
    // As many rows as the author has, and fewer.
    for invented in [30..33, 30..31] {
        let mut third = author(20..23);
        let (mut node, asked) = hearing_through_a_relay(&mut third);
        let [(_, question, request)] = &asked[..] else { panic!("{asked:?}") };
        let alike = invented.len() == 3;
        let bytes = answer(&mut author(invented), request);
        node.give(Input::Answered { question: *question, bytes });
        let mut again = Vec::new();
        for _ in 0..30 {
            assert_eq!(node.users_and_tabs(), (1, 1));
            node.receive(1, &relayed_beat(&mut third, |_| ()));
            again.extend(rows_asked(&node.pass(1_000)));
        }
        assert_eq!((node.rejected(), again.is_empty()), if alike { (1, true) } else { (0, false) });
        assert!(node.counts_are_right());
    }
}

#[test]
fn rows_that_a_relay_numbers_beyond_their_author_are_gone_soon() {
    let mut third = author(20..23);
    let (mut node, asked) = hearing_through_a_relay(&mut third);
    let [(_, question, request)] = &asked[..] else { panic!("{asked:?}") };
    let bytes = answer(&mut author(30..40), request);
    node.give(Input::Answered { question: *question, bytes });
    for _ in 0..7 {
        node.receive(1, &relayed_beat(&mut third, |_| ()));
        node.pass(1_000);
    }
    assert_eq!((node.users_and_tabs(), node.rejected()), ((1, 1), 1));
    // The author itself is asked as soon as there is a link.
    node.resolve(&["third"]);
    node.dialled("third", 2, "third");
    let mut outputs = node.receive(2, &third.heartbeat());
    outputs.extend(node.pass(1_000));
    let (link, question, request) = rows_asked(&outputs).pop().expect("its rows are asked for");
    assert_eq!(link, LinkId(2));
    node.give(Input::Answered { question, bytes: answer(&mut third, &request) });
    node.pass(200);
    assert_eq!(node.users_and_tabs().0, 4);
}

fn delivered(outputs: &[Output]) -> Vec<Vec<u8>> {
    let delivered = outputs.iter().filter_map(|output| match output {
        Output::Deliver { message, .. } => Some(message.body.clone()),
        _ => None,
    });
    delivered.collect()
}

#[test]
fn what_a_relay_publishes_in_another_s_name_hides_nothing_that_this_one_publishes() {
    let (mut node, mut third) = (linked(), ByHand::start("third"));
    node.resolve(&["third"]);
    node.dialled("third", 2, "third");
    third.pass(4_000);
    node.receive(2, &third.heartbeat());
    let (there, author) = (Sender::of("there"), Sender::of("third"));
    let numbers = (1..=10).chain(u64::MAX - 5_000..u64::MAX);
    for number in numbers {
        node.receive(1, &relayed(&there, 0, &published(&author, number, "demo", b"made up")));
    }
    for number in 1..=10 {
        let said = published(&author, number, "demo", format!("{number}").as_bytes());
        assert_eq!(delivered(&node.receive(2, &said)), [format!("{number}").into_bytes()]);
        assert!(delivered(&node.receive(1, &relayed(&there, 0, &said))).is_empty(), "it comes once");
    }
}

#[test]
fn rows_of_a_node_that_left_are_asked_of_another_node_where_one_does_not_answer() {
    let mut node = linked();
    node.resolve(&["third"]);
    node.dialled("third", 2, "third");
    let others = [("there", 1), ("third", 2)];
    let say = |node: &mut ByHand| {
        let mut outputs = Vec::new();
        for (name, link) in others {
            let left = vec![(hash("gone"), 5, 30_000)];
            let beat = Beat { left, root: 7, mono_ms: node.now.mono.0, ..Beat::default() };
            outputs.extend(node.receive(link, &beat.write(&Sender::of(name))));
        }
        outputs.extend(node.pass(1_000));
        rows_asked(&outputs)
    };
    let mut asked = Vec::new();
    for _ in 0..8 {
        for (link, question, _) in say(&mut node) {
            node.give(Input::Answered { question, bytes: None });
            asked.push(link.0);
        }
    }
    assert!(asked.len() >= 4, "{asked:?}");
    assert!(asked.is_sorted_by(|one, next| one != next), "{asked:?}");
}
