//! Rooms that show other rooms, too.

use presence_core::Tab;

use crate::passing::{join, room, seen, wait, world};

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
