//! What is clicked when it is calm again: it must hold in the end.

use presence_core::{NodeHash, UserId};

use super::REGIONS;
use crate::digest::sha256;
use crate::world::World;

/// The user whose tab is opened on a host when it is calm.
pub(super) fn newcomer(host: usize) -> UserId {
    UserId([200 + u8::try_from(host).expect("small"); 32])
}

fn press(world: &mut World, host: usize, target: &str) {
    let its = world.tabs.tabs.iter().find(|(_, tab)| tab.user == newcomer(host)).map(|(id, _)| *id);
    let pressed = its.and_then(|id| world.tabs.press(id, target));
    pressed.into_iter().for_each(|(host, input)| world.deliver(host, input));
}

/// Two users who come when it is calm join the set twice, and one of them leaves it.
pub(super) fn likes_are_settled(world: &mut World) {
    let until = world.now + 200;
    world.run_until(until);
    for (host, targets) in
        [(0, ["Likes#join", "Likes#join", "Likes#leave"]), (1, ["Likes#leave", "Likes#join", "Likes#join"])]
    {
        targets.into_iter().for_each(|target| press(world, host, target));
    }
}

/// Nodes that have seen the same latest click write the same two facts at once: one of the clicks wins, as a whole. Some write
/// a third fact between the two. If each fact had a stamp of its own, one click would win one fact and another one the other.
pub(super) fn pairs_are_set_at_once(world: &mut World) {
    let fastest = (0..REGIONS.len()).max_by_key(|host| world.hosts[*host].skew_ms).expect("there are some");
    let mut others: Vec<usize> = (0..REGIONS.len()).filter(|host| *host != fastest).collect();
    others.sort_by_key(|host| NodeHash::of(&world.hosts[*host].name, sha256));
    press(world, fastest, "Pair#two");
    let until = world.now + 100;
    world.run_until(until);
    for (index, host) in others.into_iter().enumerate() {
        press(world, host, if index % 2 == 0 { "Pair#three" } else { "Pair#two" });
    }
}
