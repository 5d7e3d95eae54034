//! A tab that changes its network, in a world that is calm: it counts once, on every page and all the time.

use presence_core::UserId;

use super::{REGIONS, some_tab};
use crate::tabs::At;
use crate::world::World;

/// How long a page may show the tab twice: what one node says comes up to this much later than what another one answers to it.
const DELAY_MS: u64 = 45;
/// When the socket that the tab left would be found dead.
const FOUND_MS: u64 = 25_000;
/// Until the tab that it leaves no longer lingers, and all know.
const WATCHED_MS: u64 = 3_000;
const STEP_MS: u64 = 5;

/// A tab changes its network, and is at another host before the one that it leaves knows.
pub(super) fn move_tab(world: &mut World) {
    let Some(id) = some_tab(world) else { return };
    let to = usize::try_from(world.chance.between(0, REGIONS.len() as u64)).expect("small");
    let found_after = world.chance.between(1_000, 15_000);
    if world.up(to) && !world.hosts[to].draining {
        world.tabs.move_to(id, to, world.now, found_after);
    }
}

pub(super) fn a_move_is_counted_once(world: &mut World, seed: u64) {
    let here = |tab: &crate::tabs::Tab| match tab.at {
        At::Host(host) => Some((host, tab.user)),
        At::Away { .. } => None,
    };
    let Some((id, (from, user))) = world.tabs.tabs.iter().find_map(|(id, tab)| here(tab).map(|at| (*id, at))) else {
        return;
    };
    let step = usize::try_from(world.chance.between(1, REGIONS.len() as u64)).expect("small");
    world.tabs.move_to(id, (from + step) % REGIONS.len(), world.now, FOUND_MS);
    is_counted(world, user, seed);
}

/// No page shows fewer tabs of a user than there are, and none shows more for longer than a delay.
pub(crate) fn is_counted(world: &mut World, user: UserId, seed: u64) {
    let (watched_until, tabs_of) = (world.now + WATCHED_MS, |world: &World| {
        u32::try_from(world.tabs.tabs.values().filter(|tab| tab.user == user).count()).expect("few")
    });
    let mut twice_ms = vec![0; world.hosts.len()];
    while world.now < watched_until {
        let until = world.now + STEP_MS;
        world.run_until(until);
        let truth = tabs_of(world);
        for (index, host) in world.hosts.iter().enumerate().filter(|(_, host)| host.node.is_some()) {
            let shown = host.tabs.get(&user).copied().unwrap_or(0);
            assert!(shown >= truth, "seed {seed}: host {index} shows {shown} of {truth} tabs");
            twice_ms[index] = if shown > truth { twice_ms[index] + STEP_MS } else { 0 };
            let ms = twice_ms[index];
            assert!(ms <= DELAY_MS, "seed {seed}: host {index} shows {shown} instead of {truth} tabs for {ms} ms");
        }
    }
}
