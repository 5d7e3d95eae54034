//! Whole worlds by seed: whatever the network and the machines do, every page shows what is true once it is calm, and
//! no page ever shows what can't be true.

use std::collections::BTreeSet;

use presence_core::{Ended, UserId};

use crate::chance::Chance;
use crate::tabs::At;
use crate::world::{CALM, Weather, World};
use checks::{agree, disagreement, no_one_gone_is_counted, pages_show_views, true_at_last};
use returns::a_quick_return_is_no_leave;

#[path = "simulation/checks.rs"]
mod checks;
#[path = "simulation/returns.rs"]
mod returns;

const REGIONS: [&str; 5] = ["ams", "iad", "iad", "maa", "yyz"];
/// Longest that a user who is gone can be counted: 20 s of linger, then 30 s held, and what it takes to hear of it.
const GONE_MS: u64 = 53_000;
const STORM_MS: u64 = 60_000;

/// What a world is put through.
#[derive(Clone, Copy)]
struct Clocks {
    fast: usize,
    slow: bool,
    jumps: bool,
}

pub(crate) fn storm(seed: u64) -> World {
    let mut world = World::new(seed, &REGIONS);
    world.seeds = if world.chance.one_in(2) { vec![0, 1, 2, 3, 4] } else { vec![0] };
    let clocks = Clocks {
        fast: usize::try_from(world.chance.between(0, 3)).expect("small"),
        slow: world.chance.one_in(3),
        jumps: world.chance.one_in(3),
    };
    set_clocks(&mut world, clocks);
    for host in 0..REGIONS.len() {
        world.start(host);
    }
    world.run_until(5_000);
    let end = world.now + STORM_MS;
    while world.now < end {
        disturb(&mut world, clocks);
        let step = world.chance.between(50, 1_500);
        let until = world.now + step;
        world.run_until(until);
        no_one_gone_is_counted(&world, seed);
    }
    calm(&mut world);
    world
}

fn set_clocks(world: &mut World, clocks: Clocks) {
    for host in 0..REGIONS.len() {
        let skew = world.chance.between(0, 3_000);
        world.hosts[host].skew_ms = i64::try_from(skew).expect("small") - 1_500;
    }
    for host in 0..clocks.fast {
        world.hosts[host].skew_ms = 300_000;
    }
    if clocks.slow {
        world.hosts[3].skew_ms = -3_600_000;
    }
}

fn disturb(world: &mut World, clocks: Clocks) {
    let host = usize::try_from(world.chance.between(0, REGIONS.len() as u64)).expect("small");
    let now = world.now;
    match world.chance.between(0, 30) {
        0..=5 => {
            let user = u8::try_from(world.chance.between(1, 9)).expect("small");
            if world.up(host) && !world.hosts[host].draining {
                world.tabs.open(user, host, now);
            }
        }
        6..=8 => {
            if let Some(id) = some_tab(world) {
                let ended = *world.chance.pick(&[Ended::Closed, Ended::Closed, Ended::Lost, Ended::Unanswered]);
                let ended = world.tabs.close(id, ended, now);
                ended.into_iter().for_each(|(host, input)| world.deliver(host, input));
            }
        }
        9..=14 => {
            if let Some(id) = some_tab(world) {
                let life = life_of(world, id);
                let clicked = world.tabs.click(id, life);
                clicked.into_iter().for_each(|(host, input)| world.deliver(host, input));
            }
        }
        15..=17 => {
            if let Some(id) = some_tab(world) {
                let life = life_of(world, id);
                let said = world.tabs.say(id, life);
                said.into_iter().for_each(|(host, input)| world.deliver(host, input));
            }
        }
        18..=19 => {
            if let Some(id) = some_tab(world) {
                let after = world.chance.between(100, 4_000);
                let inputs = world.tabs.reload(id, None, now, after);
                inputs.into_iter().for_each(|(host, input)| world.deliver(host, input));
            }
        }
        20 => world.crash(host),
        21 => world.drain(host),
        22..=23 => restart_down(world),
        24 => {
            let ms = world.chance.between(2_500, 20_000);
            world.freeze(host, ms);
        }
        25 => {
            let other = usize::try_from(world.chance.between(0, REGIONS.len() as u64)).expect("small");
            world.cut.insert((host, other));
            if world.chance.one_in(2) {
                world.cut.insert((other, host));
            }
        }
        26 => split(world),
        27 => world.cut.clear(),
        28 => {
            let (loss_percent, repeat_percent) = (world.chance.between(0, 21), world.chance.between(0, 21));
            // With up to a second, messages of one sender overtake each other by as much.
            let most = *world.chance.pick(&[300, 1_000]);
            world.weather = Weather { loss_percent, repeat_percent, delay_ms: (5, most) };
        }
        _ if clocks.jumps => {
            world.hosts[4].skew_ms += i64::try_from(world.chance.between(0, 7_000)).expect("small") - 2_000
        }
        _ => {}
    }
}

fn split(world: &mut World) {
    let side: BTreeSet<usize> = (0..REGIONS.len()).filter(|_| world.chance.one_in(2)).collect();
    for a in 0..REGIONS.len() {
        for b in 0..REGIONS.len() {
            if side.contains(&a) != side.contains(&b) {
                world.cut.insert((a, b));
            }
        }
    }
}

fn restart_down(world: &mut World) {
    if let Some(host) = (0..REGIONS.len()).find(|host| !world.up(*host)) {
        world.start(host);
    }
}

fn some_tab(world: &mut World) -> Option<u64> {
    let ids: Vec<u64> = world.tabs.tabs.keys().copied().collect();
    (!ids.is_empty()).then(|| *world.chance.pick(&ids))
}

fn life_of(world: &World, tab: u64) -> u64 {
    match world.tabs.tabs[&tab].at {
        At::Host(host) => world.hosts[host].life,
        At::Away { .. } => 0,
    }
}

/// Everything is mended: nodes up, links whole, nothing lost.
fn calm(world: &mut World) {
    world.cut.clear();
    world.weather = CALM;
    for host in 0..REGIONS.len() {
        world.hosts[host].frozen_until = 0;
        if world.hosts[host].draining {
            let until = world.now + 2_000;
            world.run_until(until);
        }
        if !world.up(host) {
            world.start(host);
        }
    }
}

/// All pages agree within 5 s of calm; when all has run out they show what is true.
pub(crate) fn settles(world: &mut World, seed: u64) {
    for host in 0..REGIONS.len() {
        world.tabs.open(200 + u8::try_from(host).expect("small"), host, world.now);
    }
    let calm = world.now;
    world.run_until(calm + 4_000);
    while disagreement(world).is_some() && world.now < calm + 5_000 {
        let until = world.now + 50;
        world.run_until(until);
    }
    agree(world, seed, "5 s after it became calm");
    let until = world.now + 75_000;
    world.run_until(until);
    agree(world, seed, "when all has run out");
    true_at_last(world, seed);
    pages_show_views(world, seed);
    a_quick_return_is_no_leave(world, seed);
}

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    match number("SEED") {
        Some(seed) => vec![seed],
        None => {
            let start = number("SEEDS_FROM").unwrap_or(1);
            (start..start + number("SEEDS").unwrap_or(300)).collect()
        }
    }
}

#[test]
fn worlds_settle_on_what_is_true() {
    let seeds = seeds();
    let fails = |seed: &&u64| std::panic::catch_unwind(|| settles(&mut storm(**seed), **seed)).is_err();
    let failed: Vec<u64> = seeds.iter().filter(fails).copied().collect();
    assert_eq!(failed, Vec::<u64>::new(), "replay one with `make sim SEED=...`");
}

#[test]
fn chance_is_replayed_by_its_seed() {
    let draw = |seed| (0..5).map(|_| Chance::new(seed).next()).collect::<Vec<_>>();
    assert_eq!(draw(7), draw(7));
    let user = UserId([1; 32]);
    let ended = |seed| storm(seed).tabs.ended.get(&user).copied();
    assert_eq!(ended(3), ended(3));
}
