//! Rooms that show other rooms, too.

use presence_core::{ConnectionId, Input, Output, Tab, UserId};

use crate::by_hand::ByHand;
use crate::passing::{ROOM, join, room, seen, wait, world};

#[test]
fn a_tab_whose_app_fails_to_name_other_rooms_leaves_those_that_are_known() {
    let mut world = world(&["ams"]);
    let page = |related| Tab { draws: true, related, ..seen("") };
    let shown = |world: &crate::world::World, name: &str| {
        let related = world.hosts[0].views[&room(name)].related.iter();
        related.map(|(other, view)| (other.as_str().to_owned(), view.users, view.related.len())).collect::<Vec<_>>()
    };
    join(&mut world, 0, 1, "list", 1, page(Some(vec![room("item")])));
    join(&mut world, 0, 2, "item", 2, page(Some(vec![room("list")])));
    join(&mut world, 0, 3, "list", 3, page(None));
    wait(&mut world, 1_000);
    assert_eq!(shown(&world, "list"), [("item".to_owned(), 1, 0)]);
    assert_eq!(shown(&world, "item"), [("list".to_owned(), 2, 0)], "without the item itself");
    join(&mut world, 0, 4, "list", 4, page(Some(Vec::new())));
    wait(&mut world, 1_000);
    assert_eq!(shown(&world, "list"), []);
}

#[test]
fn a_room_is_forgotten_for_good_also_when_one_that_it_names_changes_at_that_moment() {
    let mut forgotten = 0;
    for ms in 0..60 {
        let mut node = ByHand::start("here");
        let join = |node: &mut ByHand, name, number: u64, related| {
            let user = UserId([u8::try_from(number % 250).expect("small"); 32]);
            let tab = Tab { draws: true, related, ..seen("") };
            let (connection, room) = (ConnectionId(number), room(name));
            node.give(Input::Joined { connection, subscription: ROOM, room, user, tab })
        };
        let resign = |node: &mut ByHand, number: u64| {
            node.give(Input::Resigned { connection: ConnectionId(number), subscription: ROOM })
        };
        // Many watch both: the next drawing of either waits, that of the one with more watchers for longer.
        for number in 1..=1_000 {
            join(&mut node, "a", number, Some(vec![room("b")]));
        }
        for number in 1_001..=1_400 {
            join(&mut node, "b", number, None);
        }
        node.pass(5_000);
        node.give(Input::OwnChanged { room: room("a") });
        node.give(Input::OwnChanged { room: room("a") });
        (1..=1_000).for_each(|number| drop(resign(&mut node, number)));
        join(&mut node, "b", 1_401, None);
        join(&mut node, "b", 1_402, None);
        node.give(Input::OwnDrawn { room: room("a") });
        node.freeze(ms);
        let mut outputs = node.give(Input::Ticked);
        outputs.extend(node.pass(5_000));
        let about = |output: &Output| match output {
            Output::View(view) => Some((view.room.clone(), true)),
            Output::Forget(room) => Some((room.clone(), false)),
            _ => None,
        };
        let last = outputs.iter().filter_map(about).filter(|(of, _)| *of == room("a")).collect::<Vec<_>>();
        assert!(last.last().is_none_or(|(_, shown)| !shown), "after {ms} ms");
        forgotten += last.len();
    }
    assert!(forgotten > 0);
}
