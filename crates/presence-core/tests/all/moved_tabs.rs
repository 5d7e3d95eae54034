//! A tab that goes on at another node before its old socket is known to be dead counts once.

use presence_core::{ConnectionId, Input, SubscriptionId, Tab, TabId, UserId};

use crate::by_hand::{ByHand, asked};
use crate::digest::sha256;
use crate::misbehaving::linked;
use crate::passing::world;
use crate::said::{Beat, SaidRow, Sender, delta, message};
use crate::simulation::moves::is_counted;
use crate::world::World;

const USER: UserId = UserId([7; 32]);

/// The tabs of the user as each host shows them.
fn shown(world: &World) -> Vec<u32> {
    world.hosts.iter().map(|host| host.tabs.get(&USER).copied().unwrap_or(0)).collect()
}

fn wait(world: &mut World, ms: u64) {
    let until = world.now + ms;
    world.run_until(until);
}

#[test]
fn a_tab_that_moves_about_is_never_counted_twice_nor_missed() {
    let mut world = world(&["ams", "iad", "maa"]);
    let id = world.tabs.open(7, 0, world.now);
    wait(&mut world, 500);
    for to in [1, 2, 0, 1, 0, 2] {
        world.tabs.move_to(id, to, world.now, 25_000);
        is_counted(&mut world, USER, 0);
        assert_eq!(shown(&world), [1; 3]);
    }
    // It is back before all that it left lingers no longer.
    for to in [1, 0, 2, 1, 0] {
        world.tabs.move_to(id, to, world.now, 25_000);
        wait(&mut world, 300);
    }
    is_counted(&mut world, USER, 0);
    let passages = world.hosts.iter().map(|host| host.passages.len()).collect::<Vec<_>>();
    assert_eq!(passages, [1; 3], "the user came once");
    assert_eq!(shown(&world), [1; 3]);
}

#[test]
fn another_tab_of_the_user_counts_too_and_stays_where_it_is() {
    let mut world = world(&["ams", "iad", "maa"]);
    let first = world.tabs.open(7, 0, world.now);
    wait(&mut world, 500);
    world.tabs.open(7, 1, world.now);
    wait(&mut world, 250);
    assert_eq!(shown(&world), [2; 3], "a round trip later");
    world.tabs.move_to(first, 1, world.now, 25_000);
    is_counted(&mut world, USER, 0);
    assert_eq!(shown(&world), [2; 3], "the first one has moved, the second one has not");
    assert_eq!(world.tabs.open_at(1), 2);
}

#[test]
fn a_tab_that_moves_while_its_old_node_is_cut_off_counts_once_in_the_end() {
    let mut world = world(&["ams", "iad", "maa"]);
    let id = world.tabs.open(7, 0, world.now);
    wait(&mut world, 500);
    world.cut.extend([(0, 1), (1, 0)]);
    world.tabs.move_to(id, 1, world.now, 5_000);
    wait(&mut world, 1_000);
    assert_eq!(shown(&world)[1..], [2, 2], "the old node can't be asked");
    world.cut.clear();
    wait(&mut world, 12_000);
    assert_eq!(shown(&world), [1; 3]);
}

/// A tab of the user joins at a node by hand.
fn join(node: &mut ByHand, connection: u64) -> Option<Vec<u8>> {
    let (connection, subscription) = (ConnectionId(connection), SubscriptionId(1));
    let tab = Tab { id: Some(TabId::of(&USER, &connection.0.to_string(), sha256)), ..Tab::page() };
    asked(&node.give(Input::Joined { connection, subscription, room: World::room(), user: USER, tab }))
}

/// A node that has heard of tabs of users elsewhere.
fn knowing_of(user: u8) -> ByHand {
    let mut node = linked();
    let there = Sender::of("there");
    node.receive(1, &Beat::default().write(&there));
    node.receive(
        1,
        &delta(&there, 0, 1, &[SaidRow { user, number: 1, counts: 1, info: Vec::new(), took: Vec::new() }]),
    );
    node.pass(1_000);
    node
}

#[test]
fn a_node_of_an_earlier_version_is_not_waited_for() {
    let mut node = knowing_of(7);
    join(&mut node, 1);
    node.pass(1_000);
    assert_eq!(node.users_and_tabs(), (1, 2), "it takes the place of the tab that lingers there");
    assert!(join(&mut node, 2).is_some(), "the other node is asked");
    node.pass(200);
    assert_eq!(node.users_and_tabs(), (1, 2), "the tab may be the one that is open there");
    node.pass(600);
    assert_eq!(node.users_and_tabs(), (1, 3));
    // And an earlier version ignores what it does not know.
    let later = message(63, &Sender::of("there"), |w| w.array(0)?.ok());
    assert_eq!((node.ask("there", &later).len(), node.rejected()), (0, 0));
}

#[test]
fn only_the_nodes_where_the_user_is_are_asked() {
    assert_eq!(join(&mut knowing_of(8), 1), None);
    let mut node = knowing_of(7);
    let (asked, mut tabs) = (join(&mut node, 1).is_some(), 0);
    assert!(asked);
    // Tabs beyond what may be asked in a second count at once.
    for connection in 2..2_000 {
        tabs += u32::from(join(&mut node, connection).is_some());
    }
    assert!((400..=500).contains(&tabs), "{tabs} questions in a moment");
}
