//! Whole worlds by seed: whatever the network and the machines do, every page shows what is true once it is calm, and
//! no page ever shows what can't be true.

use std::collections::BTreeSet;

use presence_core::{Ended, UserId};

use crate::app::CARDS;
use crate::chance::Chance;
use crate::tabs::At;
use crate::world::{CALM, Weather, World};
use beginnings::{Clocks, set_forms};
use checks::{agree, agree_within_ms, disagreement, no_one_gone_is_counted, pages_show_views, true_at_last};
use last_clicks::{likes_are_settled, pairs_are_set_at_once};
use moves::{a_move_is_counted_once, move_tab};
use returns::a_quick_return_is_no_leave;

#[path = "simulation/beginnings.rs"]
mod beginnings;
#[path = "simulation/checks.rs"]
mod checks;
#[path = "simulation/last_clicks.rs"]
mod last_clicks;
#[path = "simulation/moves.rs"]
pub(crate) mod moves;
#[path = "simulation/returns.rs"]
mod returns;
#[path = "simulation/taken_for_killed.rs"]
mod taken_for_killed;

const REGIONS: [&str; 5] = ["ams", "iad", "iad", "maa", "yyz"];
/// Longest that a user who is gone can be counted: 20 s of linger, then 30 s held, and what it takes to hear of it.
const GONE_MS: u64 = 53_000;
/// The host that has the name of the first one.
const TWIN: usize = REGIONS.len();
const STORM_MS: u64 = 60_000;
/// If cuts kept the two from hearing of each other, the second one is killed then: the first one is heard again once the other
/// is silent, and links to it, whose end may stay unnoticed, are closed.
const TWIN_UNTIL_MS: u64 = 50_000;

pub(crate) fn storm(seed: u64) -> World {
    let mut world = World::new(seed, &REGIONS);
    world.seeds = if world.chance.one_in(2) { vec![0, 1, 2, 3, 4] } else { vec![0] };
    let clocks = Clocks::draw(&mut world);
    if seed.is_multiple_of(2) {
        // The younger of two births of one name ends.
        world.aborts = Some(Vec::new());
        world.add_twin(0);
    }
    // One host at most: what is held only by nodes without disks is lost with them, as it must be. The second one of a name does
    // not return in the end, and neither would its disk.
    let drawn = usize::try_from(world.chance.between(0, 2 * REGIONS.len() as u64)).expect("small");
    let diskless = if has_twin(&world) { TWIN } else { drawn };
    world.hosts.iter_mut().enumerate().for_each(|(index, host)| host.diskless = index == diskless);
    set_forms(&mut world, seed);
    (0..REGIONS.len()).for_each(|host| world.start(host));
    world.run_until(5_000);
    let end = world.now + STORM_MS;
    while world.now < end {
        if world.now >= TWIN_UNTIL_MS && has_twin(&world) && world.up(TWIN) {
            world.crash(TWIN);
        }
        disturb(&mut world, clocks);
        let step = world.chance.between(50, 1_500);
        let until = world.now + step;
        world.run_until(until);
        no_one_gone_is_counted(&world, seed);
    }
    calm(&mut world);
    world
}

fn has_twin(world: &World) -> bool {
    world.hosts.len() > TWIN
}

fn disturb(world: &mut World, clocks: Clocks) {
    let host = usize::try_from(world.chance.between(0, REGIONS.len() as u64)).expect("small");
    let now = world.now;
    match world.chance.between(0, 45) {
        43..45 => move_tab(world),
        33..43 => write_facts(world),
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
            let said = some_tab(world).and_then(|id| world.tabs.say(id, life_of(world, id)));
            said.into_iter().for_each(|(host, input)| world.deliver(host, input));
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
            let (least, most) = *world.chance.pick(&[(100, 2_500), (2_500, 20_000), (20_000, 75_000)]);
            let ms = world.chance.between(least, most);
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
        29..=30 => crash_and_return(world, host),
        31 if has_twin(world) && !world.up(TWIN) && now < TWIN_UNTIL_MS => world.start(TWIN),
        _ if clocks.jumps => {
            world.hosts[4].skew_ms += i64::try_from(world.chance.between(0, 7_000)).expect("small") - 2_000
        }
        _ => {}
    }
}

fn crash_and_return(world: &mut World, host: usize) {
    world.crash(host);
    let back = world.now + world.chance.between(0, 5_000);
    world.run_until(back);
    world.start(host);
}

/// A click that writes another kind of fact.
fn write_facts(world: &mut World) {
    let (Some(id), Some(other)) = (some_tab(world), some_tab(world)) else { return };
    let life = life_of(world, id);
    // A clock that is minutes off lets a timer run as much longer.
    let timed = world.hosts.iter().all(|host| host.skew_ms.abs() < 10_000);
    let card = *world.chance.pick(&CARDS);
    let clicks = match world.chance.between(0, 10) {
        0..=3 => (0..3).map(|_| world.tabs.clap(id, life)).collect(),
        4..=5 => vec![world.tabs.card(id, life, card, false)],
        6 => vec![world.tabs.card(id, life, card, true)],
        7 => vec![world.tabs.press(id, "Pair#three"), world.tabs.press(other, "Pair#two")],
        8 if timed => vec![world.tabs.press(id, "Half#set"), world.tabs.press(other, "Timer#start")],
        8 => vec![world.tabs.press(id, "Half#set")],
        _ => vec![world.tabs.press(id, "Likes#join"), world.tabs.press(other, "Likes#leave")],
    };
    clicks.into_iter().flatten().for_each(|(host, input)| world.deliver(host, input));
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
    world.hosts.iter_mut().for_each(|host| host.frozen_until = 0);
    // One that is thawed may read only now that it is the younger of two with one name, and end.
    let until = world.now + 200;
    world.run_until(until);
    for host in 0..REGIONS.len() {
        if world.hosts[host].draining {
            let until = world.now + 2_000;
            world.run_until(until);
        }
        if !world.up(host) {
            world.start(host);
        }
    }
}

/// All pages agree soon after it became calm; when all has run out they show what is true.
pub(crate) fn settles(world: &mut World, seed: u64) {
    for host in 0..REGIONS.len() {
        world.tabs.open(200 + u8::try_from(host).expect("small"), host, world.now);
    }
    let calm = world.now;
    likes_are_settled(world);
    pairs_are_set_at_once(world);
    let within_ms = agree_within_ms(world);
    world.run_until(calm + 4_000);
    while disagreement(world).is_some() && world.now < calm + within_ms {
        let until = world.now + 50;
        world.run_until(until);
    }
    agree(world, seed, "seconds after it became calm");
    let until = world.now + 75_000;
    world.run_until(until);
    agree(world, seed, "when all has run out");
    true_at_last(world, seed);
    pages_show_views(world, seed);
    a_move_is_counted_once(world, seed);
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
