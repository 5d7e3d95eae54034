//! Once a minute, open pages say again how long ago something was.

use presence_core::Tab;

use crate::passing::{join, room, seen, wait, world};

#[test]
fn rooms_that_a_page_shows_are_drawn_each_minute_and_others_are_not() {
    let mut world = world(&["ams"]);
    join(&mut world, 0, 1, "page", 7, Tab { draws: true, ..seen("") });
    join(&mut world, 0, 2, "embed", 7, seen(""));
    wait(&mut world, 1_000);
    let version = |world: &crate::world::World, name: &str| world.hosts[0].views[&room(name)].version;
    let before = ["page", "embed"].map(|name| version(&world, name));
    wait(&mut world, 300_000);
    let after = ["page", "embed"].map(|name| version(&world, name));
    assert_eq!([after[0] - before[0], after[1] - before[1]], [5, 0]);
}
