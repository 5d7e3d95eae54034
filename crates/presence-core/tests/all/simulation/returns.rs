//! A node that is killed and back within the lease, in a world that is calm: no one leaves by it, and who leaves is gone.

use presence_core::{Ended, UserId};

use super::REGIONS;
use super::checks::agree;
use crate::tabs::At;
use crate::world::World;

/// Its clients are back by then: the stock client takes 12 s, and one more second where its first try fails.
const BACK_MS: u64 = 14_000;

pub(super) fn a_quick_return_is_no_leave(world: &mut World, seed: u64) {
    let host = usize::try_from(world.chance.between(0, REGIONS.len() as u64)).expect("small");
    let others: Vec<usize> = (0..REGIONS.len()).filter(|other| *other != host).collect();
    let its: Vec<UserId> =
        world.tabs.tabs.values().filter(|tab| tab.at == At::Host(host)).map(|tab| tab.user).collect();
    let users = |world: &World, host: usize| world.hosts[host].view.as_ref().map_or(0, |view| view.users);
    let before = users(world, others[0]);
    let told: Vec<usize> = others.iter().map(|other| world.hosts[*other].passages.len()).collect();
    let crashed = world.now;
    world.crash(host);
    let back = crashed + world.chance.between(0, 1_500);
    world.run_until(back);
    world.start(host);
    while world.now < crashed + BACK_MS {
        let until = world.now + 50;
        world.run_until(until);
        for other in &others {
            let now = users(world, *other);
            assert!(now >= before, "seed {seed}: host {other} counts {now} of {before} after a crash of {host}");
        }
    }
    for (other, told) in others.iter().zip(told) {
        let since = &world.hosts[*other].passages[told..];
        assert!(since.is_empty(), "seed {seed}: host {other} told {since:?} after a crash of {host}");
    }
    agree(world, seed, "after a crash with a quick return");
    who_leaves_is_gone(world, its.first().copied(), seed);
}

/// A user of the crashed node returns and then closes all tabs: the tabs that are still held for that user no longer count.
fn who_leaves_is_gone(world: &mut World, user: Option<UserId>, seed: u64) {
    let Some(user) = user else { return };
    let tabs = world.tabs.tabs.iter().filter(|(_, tab)| tab.user == user);
    let tabs: Vec<(u64, At)> = tabs.map(|(id, tab)| (*id, tab.at)).collect();
    if tabs.iter().any(|(_, at)| matches!(at, At::Away { .. })) {
        return;
    }
    for (id, _) in tabs {
        let ended = world.tabs.close(id, Ended::Closed, world.now);
        ended.into_iter().for_each(|(host, input)| world.deliver(host, input));
    }
    let until = world.now + 3_500;
    world.run_until(until);
    for (index, host) in world.hosts.iter().enumerate().filter(|(_, host)| host.node.is_some()) {
        assert!(!host.tabs.contains_key(&user), "seed {seed}: host {index} counts {user:?} again");
    }
}
